from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from striate.base.errors import SettingError
from striate.history.neocognitron.net import Row
from striate.history.neocognitron.plots import (
    draw_activations,
    draw_confusion,
    draw_table,
    draw_templates,
    draw_winners,
    mosaic,
)  # fmt: skip

TEXT = "{http://www.w3.org/2000/svg}text"


def texts(path: Path) -> list[str]:
    return [element.text or "" for element in ElementTree.parse(path).iter(TEXT)]


def test_planes_lie_side_by_side_with_gaps_around():
    sheet = mosaic(np.arange(3, dtype=np.float32)[:, None, None].repeat(12, 1).repeat(12, 2))
    assert sheet.shape == (14, 40)
    for plane, left in enumerate((1, 14, 27)):
        assert (sheet[1:13, left : left + 12] == plane).all()
    assert np.isnan(sheet).sum() == 14 * 40 - 3 * 144


def test_small_planes_are_enlarged_and_nothing_of_them_is_lost():
    sheet = mosaic(np.array([[[1.0, 2.0], [3.0, 4.0]]], np.float32))
    assert sheet.shape == (14, 14)
    assert [float(sheet[y, x]) for y in (1, 12) for x in (1, 12)] == [1, 2, 3, 4]


def test_the_sheet_of_activations_names_every_layer_and_every_plane(tmp_path: Path):
    maps_PHW = np.zeros((3, 5, 5), np.float32)
    maps_PHW[1, 2, 2] = 0.5
    names = {"us1": ["0°", "right belly", "corner, upper left"]}
    draw_activations("a digit", np.eye(5, dtype=np.float32), {"us1": maps_PHW}, names, tmp_path / "a.svg")
    labels = texts(tmp_path / "a.svg")
    assert {"a digit", "u0", "us1", "3 of 5 x 5", "active 1", "largest 0.50"} <= set(labels)
    assert {"0°", "right belly", "corner,", "upper left"} <= set(labels)
    assert not any("strongest" in text for text in labels)


def test_of_a_very_large_layer_the_strongest_planes_are_drawn_and_that_is_said(tmp_path: Path):
    maps_PHW = np.random.default_rng(0).random((401, 3, 3)).astype(np.float32)
    maps_PHW[[7, 300]] += [[[2.0]], [[1.0]]]
    names = {"us4": [f"number {plane}" for plane in range(401)]}
    draw_activations("a digit", np.eye(5, dtype=np.float32), {"us4": maps_PHW}, names, tmp_path / "a.svg")
    labels = texts(tmp_path / "a.svg")
    assert {"401 of 3 x 3", "strongest 100"} <= set(labels)
    shown = [label for label in labels if label.startswith("number")]
    assert (shown[:2], len(shown)) == (["number 7", "number 300"], 100)


def test_templates_stand_under_number_and_name_of_their_plane(tmp_path: Path):
    tile = np.eye(9, dtype=np.float32)
    draw_templates("us2", [("fork", [tile, tile]), ("end", [tile])], tmp_path / "t.svg")
    assert {"us2", "0 fork", "1 end"} <= set(texts(tmp_path / "t.svg"))


def test_the_table_has_its_sums(tmp_path: Path):
    rows = [Row("u0", 1, 19, 0, 361, 0, 0, 0), Row("us1", 12, 19, 3, 4332, 361, 108, 12)]
    draw_table("a network", rows, tmp_path / "table.svg")
    labels = texts(tmp_path / "table.svg")
    assert {"19 x 19 x 12", "3 x 3", "4,693", "V-cells"} <= set(labels)


def test_winners_are_counted_for_each_seed(tmp_path: Path):
    outputs_SMP = np.zeros((3, 2, 4), np.float32)
    outputs_SMP[0, 0, 1] = outputs_SMP[0, 1, 2] = 0.8
    outputs_SMP[1, :, 3] = 0.5
    draw_winners("winners", np.zeros((2, 5, 5), np.float32), outputs_SMP, [7, 8, 9], tmp_path / "w.svg")
    labels = texts(tmp_path / "w.svg")
    assert {"seed 7: 2 planes win 2 patterns", "seed 8: 1 planes win 2 patterns", "seed 9: 0 planes win 2 patterns"} <= set(
        labels
    )


def test_the_confusion_shows_every_count_that_is_not_zero(tmp_path: Path):
    counts_KK = np.zeros((10, 10), np.int64)
    counts_KK[3, 3], counts_KK[4, 9] = 1234, 56
    draw_confusion("MNIST", counts_KK, [str(digit) for digit in range(10)], tmp_path / "c.svg")
    labels = texts(tmp_path / "c.svg")
    assert labels.count("1,234") == labels.count("56") == 1


def test_another_ending_is_refused(tmp_path: Path):
    with pytest.raises(SettingError, match=r"to end in .svg, .png, .pdf"):
        draw_table("a network", [], tmp_path / "table.txt")
