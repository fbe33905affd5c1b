"""Baselines on small pixels, by hand and for a run."""

import json
from pathlib import Path

import numpy as np
import pytest

import striate
from striate.base.errors import ArtifactError
from striate.workflows import baselines
from striate.workflows.baselines import Parts


def test_small_images_are_means_over_areas():
    image_HWC = np.arange(32 * 40, dtype=np.uint32).reshape(32, 40, 1).astype(np.uint8)
    (small_D,) = baselines.small(image_HWC[None], np.array([0]))
    assert small_D.shape == (256,)
    # The first area is rows 0 and 1, columns 0 and 1: 0, 1, 40, 41; the others begin at columns 2, 5, 7
    assert small_D[0] == pytest.approx((0 + 1 + 40 + 41) / 4 / 255)
    assert small_D[1] == pytest.approx((2 + 3 + 4 + 42 + 43 + 44) / 6 / 255)
    tiny = np.array([[[0], [51]], [[102], [255]]], np.uint8)
    assert baselines.small(tiny[None], np.array([0])) == pytest.approx(np.array([[0, 0.2, 0.4, 1]]))


def test_the_nearest_image_and_the_linear_model_by_hand():
    # One pixel: dark is class 0, bright class 1, but one dark image is labeled 1
    pixels = np.array([0, 10, 20, 200, 210, 30, 29, 205], np.uint8).reshape(8, 1, 1, 1)
    labels = np.array([0, 0, 0, 1, 1, 1, 0, 1])
    measured = baselines.measure(pixels, Parts(np.arange(6), np.array([6, 7]), labels))
    assert measured["nearest_pixels"]["accuracy"] == 0.5  # 29 is nearest to 30, which is labeled 1
    assert measured["linear_pixels"]["accuracy"] == 1.0  # the line crosses one half between 78 and 200
    assert measured["trained_on"] == 6


def test_of_many_images_some_at_equal_distances_are_used():
    assert baselines._thinned(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert baselines._thinned(np.arange(3), 4).tolist() == [0, 1, 2]


def test_a_run_keeps_its_baselines_and_evaluate_reads_them(tmp_path: Path):
    striate.train("digits", net="mlp", epochs=1, out=tmp_path, name="r", report=False)
    kept = json.loads((tmp_path / "r" / "baselines.json").read_text())
    assert kept["nearest_pixels"]["accuracy"] > 0.9
    result = striate.evaluate(tmp_path / "r")
    assert result["baselines"] == kept
    assert kept["nearest_pixels"]["n"] == result["n"]
    assert striate.evaluate(tmp_path / "r", "digits")["baselines"] is None
    (tmp_path / "r" / "baselines.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"baselines\.json has changed since the run wrote it"):
        striate.evaluate(tmp_path / "r")
