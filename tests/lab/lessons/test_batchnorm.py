import pytest
import torch

from striate.figures.batchnorm import BATCHES, normalize_batches
from support.lesson_views import views_of


def test_a_batch_has_the_scale_and_the_shift_after_it():
    views = views_of("batchnorm", gamma=0.5, beta=2, images=32)
    rows = [row[1:] for row in views["moments"]["rows"]]
    assert rows[1:3] == [pytest.approx([0, 1], abs=1e-4), pytest.approx([2, 0.5], abs=1e-4)]
    assert [sum(series["y"]) for series in views["stages"]["series"]] == pytest.approx([1, 1, 1], abs=0.02)


def test_two_numbers_become_one_and_minus_one():
    # Of two numbers the mean is between them, and the standard deviation half their distance
    stages = views_of("batchnorm", images=2, side=1, batches=1)["stages"]["series"]
    peaks = [x for x, share in zip(stages[1]["x"], stages[1]["y"], strict=True) if share]
    assert peaks == pytest.approx([-1, 1], abs=0.2)


def test_the_running_statistics_are_those_of_the_figure():
    views = views_of("batchnorm", batches=BATCHES, images=32, mode="inference")
    course = normalize_batches(torch.Generator().manual_seed(0), BATCHES)
    assert views["running"]["series"][0]["y"] == course.means_TC[:, 0].tolist()
    # After 60 batches 0.9^60, 0.2 %, of the start is left, so the input is normalized nearly as by its own statistics
    assert views["moments"]["rows"][1][1:] == pytest.approx([0, 1], abs=0.05)
