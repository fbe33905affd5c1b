"""The images of 1986 hold what they are given."""

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from striate.base.errors import SettingError
from striate.history.rumelhart import plots
from striate.history.rumelhart.plots import Curves

CURVES = [Curves(title, [[2.0, 1.0, 0.5], [2.0, 1.5, 1.2]], [1, None], 100) for title in "abcd"]
FAMILIES: dict[str, Any] = {
    "persons": ["A", "B", "C", "D"], "shown": {"network": 1, "weights": [[1.0, -4.0, 0.25, 0.0]]}, "learned": [90, 99],
    "held_out_correct": [1, 3],
}  # fmt: skip


def test_a_curve_ends_where_its_network_had_learned(drawn: list[Figure]):
    plots.draw_learning(CURVES, Path("a.svg"))
    lines = drawn[0].axes[0].lines
    assert (list(lines[0].get_ydata()), list(lines[1].get_xdata())) == ([2.0, 1.0], [1])
    assert list(lines[2].get_ydata()) == [2.0, 1.5, 1.2]
    assert lines[0].get_color() != lines[2].get_color()
    assert [text.get_text() for text in drawn[0].axes[0].texts] == [" 100"]
    assert list(lines[4].get_xdata()) == [100, 100]


def test_the_weights_of_two_units_stand_beside_each_other(drawn: list[Figure]):
    plots.draw_hidden({"weights": [[1.0, -1.0], [-2.0, 2.0]], "ratio": [1.0, 2.0]}, [[0.0, 1.0], [0.5, 0.25]], Path("a.svg"))
    bars, codes = drawn[0].axes
    assert [patch.get_height() for patch in bars.patches] == [1.0, -1.0, -2.0, 2.0]
    assert bars.get_title() == "symmetry: opposite about the center, 1.00 : 2.00"
    assert [text.get_text() for text in codes.texts] == ["0.00", "1.00", "0.50", "0.25"]


def test_where_no_network_learned_symmetry_that_is_said(drawn: list[Figure]):
    plots.draw_hidden(None, [[0.0]], Path("a.svg"))
    assert drawn[0].axes[0].texts[0].get_text() == "no network learned it"


def test_the_area_of_a_square_is_the_weight_and_its_filling_the_sign(drawn: list[Figure]):
    plots.draw_families(FAMILIES, Path("a.svg"))
    (axes,) = drawn[0].axes
    areas = [patch.get_width() * patch.get_height() for patch in axes.patches]
    assert areas == pytest.approx([0.81 / 4, 0.81, 0.81 / 16, 0.0])
    assert [patch.get_facecolor()[:3] == (1, 1, 1) for patch in axes.patches] == [False, True, False, True]
    assert [patch.get_y() + patch.get_height() / 2 for patch in axes.patches] == pytest.approx([0, 0, 1, 1])
    assert axes.get_title().endswith("99 of 100 facts learned, 3 of 4 others correct")


def test_another_ending_is_refused_by_all():
    for draw in (
        lambda path: plots.draw_learning(CURVES, path),
        lambda path: plots.draw_hidden(None, [[0.0]], path),
        lambda path: plots.draw_families(FAMILIES, path),
    ):
        with pytest.raises(SettingError, match="expected an image's path to end in"):
            draw(Path("a.gif"))
