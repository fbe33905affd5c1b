import pytest
import torch

from striate.figures.dropout import OUTPUTS, passes
from support.lesson_views import views_of


def neurons(views) -> list[tuple[str, bool]]:
    return [(node["value"], node["out"]) for node in views["layer"]["nodes"] if node["id"].startswith("h")]


def test_the_first_mask_is_that_of_the_figure():
    # At a rate of 0.5 the outputs 0.2 and 0.5 are kept and doubled
    views = views_of("dropout")
    assert neurons(views) == [("0.4", False), ("", True), ("1", False), ("", True)]
    dashed = [edge for edge in views["layer"]["edges"] if not edge["on"]]
    assert len(dashed) == 2 * (3 + 2)  # of each dropped neuron, three from below and two upwards
    assert all({edge["start"], edge["end"]} & {"h1", "h3"} for edge in dashed)


def test_another_mask_is_drawn_and_the_mean_comes_to_the_output():
    views = views_of("dropout", draw=2, rate=0.2)
    expected = passes(torch.tensor(OUTPUTS, dtype=torch.float64), 300, 0.2, 6).mean(0).tolist()
    assert [series["y"][-1] for series in views["means"]["series"][:4]] == pytest.approx(expected)
    assert views["counts"]["series"][1]["y"][4] == pytest.approx(0.8**4)


def test_nothing_is_dropped_or_scaled_at_inference():
    assert neurons(views_of("dropout", mode="inference", rate=0.9)) == [(f"{output:g}", False) for output in OUTPUTS]
