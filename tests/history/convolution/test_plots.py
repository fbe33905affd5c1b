from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from striate.base.errors import SettingError
from striate.history.convolution import plots as drawing
from striate.history.convolution.model import Step
from striate.history.convolution.plots import Walk, number, weight
from striate.plots import image_panels
from striate.plots.image_panels import Panel

KERNEL = np.array([[1.0, 0], [-1, 0.5]])
PATCH = np.arange(9.0).reshape(3, 3)
WALK = Walk(1, 0, PATCH, [Step(0, 0, 0, 0, KERNEL, -1.0), Step(1, 1, 1, 1, KERNEL, 1.0)], np.array([[-1.0, -0.5], [0.5, 1]]))


def test_numbers_are_short_and_zero_has_no_sign():
    assert [number(value) for value in (3.0, -12.0, 0.111, -0.001, 104.0)] == ["3", "-12", "0.11", "0", "104"]


def test_weights_are_fractions_where_these_are_short():
    assert [weight(value) for value in (1 / 9, -1 / 16, 2 / 3, 0.5, 0.2, 0.04, 1.0, 0.0, 0.12345)] == [
        "1/9", "-1/16", "2/3", "0.5", "0.2", "0.04", "1", "0", "0.12",
    ]  # fmt: skip


def test_numbers_are_written_into_a_kernel_and_left_out_of_a_large_one(drawn: list[Figure]):
    image_panels.draw_rows("two", [[Panel("small", KERNEL, weight), Panel("large", np.ones((11, 11)), weight)]], Path("p.svg"))
    small, large = drawn[0].axes
    assert [text.get_text() for text in small.texts] == ["1", "0", "-1", "0.5"]
    assert [text.get_color() for text in small.texts] == ["black", "white", "white", "black"]
    assert not [*large.texts]


def test_rows_of_panels_may_differ_in_length(drawn: list[Figure]):
    image_panels.draw_rows("three", [[Panel("a", PATCH), Panel("b", PATCH)], [Panel("c", PATCH)]], Path("p.svg"))
    assert [axes.get_title() for axes in drawn[0].axes] == ["a", "b", "c", ""]
    assert not drawn[0].axes[3].axison


def test_a_walk_writes_out_the_products_and_frames_the_window(drawn: list[Figure]):
    drawing.walks("walk", KERNEL, [WALK], Path("w.svg"))
    first, last, unused, result = drawn[0].axes
    assert first.get_xlabel() == "0·1 + 1·0 +\n3·(-1) + 4·0.5\n= -1"
    assert last.get_title() == "row 1, column 1 of the map"
    frame = [patch for patch in last.patches if isinstance(patch, Rectangle)][-1]
    assert (*frame.get_xy(), frame.get_width(), frame.get_height()) == (0.5, 0.5, 2, 2)
    assert not unused.axison
    assert result.get_title() == "the map: 2 x 2"
    assert result.get_xlabel() == "floor((3 - 2 + 2 x 0) / 1) + 1 = 2"
    assert first.get_ylabel() == "stride 1, padding 0"


def test_padding_is_gray(drawn: list[Figure]):
    walk = WALK._replace(padding=1, padded_HW=np.pad(PATCH, 1))
    drawing.walks("walk", KERNEL, [walk], Path("w.svg"))
    shade = drawn[0].axes[0].images[0].get_array()
    assert shade[0, 0] == pytest.approx(0.82)
    assert shade[1, 1] == 1


def test_bars_carry_their_numbers_and_no_text_covers_another(drawn: list[Figure]):
    drawing.weights("how many", {"few": 76, "very many of them": 105_705_600}, Path("b.svg"))
    axes, figure = drawn[0].axes[0], drawn[0]
    assert [text.get_text() for text in axes.texts] == ["76", "105,705,600"]
    FigureCanvasAgg(figure).draw()
    boxes = [text.get_window_extent() for text in [*axes.texts, *axes.get_yticklabels(), figure._suptitle]]
    assert not [pair for pair in combinations(boxes, 2) if pair[0].overlaps(pair[1])]
    assert all(box.x1 <= figure.bbox.x1 and box.x0 >= 0 for box in boxes)


@pytest.mark.parametrize("draw", ["walks", "weights"])
def test_another_ending_is_refused(draw: str, tmp_path: Path):
    arguments = {"walks": (KERNEL, [WALK]), "weights": ({"a": 1},)}[draw]
    with pytest.raises(SettingError, match=r"expected an image's path to end in \.svg, \.png, \.pdf"):
        getattr(drawing, draw)("title", *arguments, tmp_path / "a.gif")
