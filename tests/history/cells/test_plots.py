from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle

from striate.base.errors import SettingError
from striate.history.cells import plots as drawing
from striate.history.cells.model import ASPECT, Bank
from striate.history.cells.plots import panel
from striate.plots import curves

PLACES = np.linspace(0, 10, 40)
PANEL = panel(
    "a bar", "place, px", "response", PLACES, {"simple": PLACES / 10, "pooled": np.ones(40)}, {"simple": "F1/F0 = 1.57"}
)
FIELDS = (np.zeros((24, 32)), Bank(8.0, 4.0, np.array([0.0, 90.0]), np.zeros((2, 2, 9, 9))), 3)


def test_curves_have_notes_in_the_legend_and_dashes_of_their_own(drawn: list[Figure]):
    curves.draw("moved", [[PANEL]], Path("c.svg"))
    (axes,) = drawn[0].axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["simple: F1/F0 = 1.57", "pooled"]
    assert len({line.get_linestyle() for line in axes.lines[-2:]}) == 2
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("place, px", "response", "a bar")
    assert axes.get_ylim() == (pytest.approx(-0.04), pytest.approx(1.28))


def test_few_places_are_marked_and_a_level_has_its_words(drawn: list[Figure]):
    few = panel("few", "px", "ratio", np.arange(5.0), {"pooled": np.arange(5.0)}, {}, (1.0, "above: simple"))
    curves.draw("few", [[few]], Path("c.svg"))
    (axes,) = drawn[0].axes
    assert axes.lines[2].get_marker() == "o"  # after the axes through 0
    assert axes.lines[3].get_ydata() == [1.0, 1.0]
    assert [text.get_text() for text in axes.texts] == ["above: simple"]
    assert axes.get_legend() is None
    FigureCanvasAgg(drawn[0]).draw()
    assert all(tick == round(tick) for tick in axes.get_xticks())


def test_a_tuning_curve_comes_round_again(drawn: list[Figure]):
    degrees = np.arange(0, 180, 30.0)
    drawing.tuning("tuned", degrees, np.array([[1, 0.5, 0, 0, 0, 0.5], [0, 0, 0.5, 1, 0.5, 0]]), ["0°", "90°"], Path("t.svg"))
    axes, figure = drawn[0].axes[0], drawn[0]
    assert axes.lines[0].get_xdata().tolist() == [0, 30, 60, 90, 120, 150, 180]
    assert axes.lines[0].get_ydata().tolist() == [1, 0.5, 0, 0, 0, 0.5, 1]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["0°", "90°"]


def test_fields_stand_on_a_grid_and_all_orientations_at_one_place(drawn: list[Figure]):
    energy_AHW = np.zeros((2, 24, 32))
    energy_AHW[1, :12] = 2  # level stripes above, upright ones below
    energy_AHW[0, 12:] = 1
    drawing.fields(("left", "right"), *FIELDS, energy_AHW, Path("f.svg"))
    left, right = drawn[0].axes
    ellipses = [patch for patch in left.patches if isinstance(patch, Ellipse)]
    assert len(ellipses) == 3 * 4 + 2
    assert ellipses[0].get_center() == (4, 4)
    assert (ellipses[0].width, ellipses[0].height) == (8, 8 / ASPECT)
    assert [ellipse.angle for ellipse in ellipses[-2:]] == [0, 90]
    (pool,) = [patch for patch in left.patches if isinstance(patch, Rectangle)]
    assert (pool.get_width(), pool.get_height()) == (7, 7)
    segments = right.collections[0].get_segments()
    (x0, y0), (x1, y1) = segments[0]
    assert (abs(x1 - x0), y1 - y0) == (pytest.approx(2 * 0.55 * 2), pytest.approx(0, abs=1e-9))
    (x0, y0), (x1, y1) = segments[-1]
    assert (x1 - x0, abs(y1 - y0)) == (pytest.approx(0, abs=1e-9), pytest.approx(0.55 * 2))


def test_titles_do_not_cover_one_another(drawn: list[Figure]):
    drawing.fields(("left words " * 9, "right words " * 9), *FIELDS, np.zeros((2, 24, 32)), Path("f.svg"))
    FigureCanvasAgg(drawn[0]).draw()
    boxes = [axes.title.get_window_extent() for axes in drawn[0].axes]
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert all(drawn[0].bbox.x0 <= box.x0 < box.x1 <= drawn[0].bbox.x1 for box in boxes)


@pytest.mark.parametrize("draw", ["tuning", "fields"])
def test_another_ending_is_refused(draw: str, tmp_path: Path):
    arguments = {
        "tuning": ("title", PLACES, PLACES[None], ["0°"]),
        "fields": (("left", "right"), *FIELDS, np.zeros((2, 24, 32))),
    }[draw]
    with pytest.raises(SettingError, match=r"expected an image's path to end in \.svg, \.png, \.pdf"):
        getattr(drawing, draw)(*arguments, tmp_path / "a.gif")
