from itertools import combinations
from math import inf, nan
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from striate.base.errors import SettingError
from striate.plots import save_figure
from striate.plots.network.signal import draw

TEXT = "{http://www.w3.org/2000/svg}text"


class Moments(NamedTuple):
    name: str
    mean: float = 0.0
    variance: float = 1.0
    gradient_mean: float = 0.0
    gradient_variance: float = 1.0


ROWS = (
    Moments("conv1", 0.5, 4.0, -0.1, 0.0004),
    Moments("block.conv2", -1.0, 40.0, 0.0, 0.0),
    Moments("fc", 3.0, 900.0, 0.2, 0.04),
)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    monkeypatch.setattr(save_figure, "save", lambda figure, _path: figures.append(figure))
    return figures


def panels(figure: Figure) -> list[Axes]:
    FigureCanvasAgg(figure).draw()
    return figure.axes


def test_the_image_is_an_svg_with_the_title_and_every_layer_by_name(tmp_path: Path):
    draw("vgg16, init he", ROWS, tmp_path / "signal.svg")
    texts = [element.text for element in ElementTree.parse(tmp_path / "signal.svg").iter(TEXT)]
    labels = {"variance of the output", "variance of the gradient", "layers with weights, from the image on"}
    assert {"vgg16, init he", "conv1", "block.conv2", "fc", *labels} <= set(texts)


@pytest.mark.parametrize("ending", [".svg", ".png", ".pdf"])
def test_the_same_signal_gives_the_same_bytes(ending: str, tmp_path: Path):
    for name in ("one", "two"):
        draw("title", ROWS, tmp_path / f"{name}{ending}")
    assert (tmp_path / f"one{ending}").read_bytes() == (tmp_path / f"two{ending}").read_bytes()


def test_another_ending_is_refused_before_anything_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Figure, "subplots", lambda *_: pytest.fail("drawn"))
    with pytest.raises(SettingError) as caught:
        draw("title", ROWS, tmp_path / "signal.gif")
    assert str(caught.value) == f"expected an image's path to end in .svg, .png, .pdf; got {tmp_path / 'signal.gif'}."


def test_variances_are_drawn_as_they_are_and_means_in_standard_deviations(drawn: list[Figure]):
    draw("title", ROWS, Path("signal.svg"))
    outputs, gradients, means = panels(drawn[0])
    assert outputs.get_yscale() == gradients.get_yscale() == "log"
    assert outputs.lines[0].get_ydata().tolist() == [4, 40, 900]
    assert gradients.lines[0].get_ydata()[[0, 2]].tolist() == [0.0004, 0.04]
    of_output, of_gradient = means.lines
    assert of_output.get_ydata().tolist() == pytest.approx([0.5 / 2, -1 / 40**0.5, 3 / 30])
    assert of_gradient.get_ydata()[[0, 2]].tolist() == pytest.approx([-0.1 / 0.02, 0.2 / 0.2])


def test_a_scale_holds_whole_decades_so_that_what_hardly_changes_looks_flat(drawn: list[Figure]):
    draw("title", [Moments("a", variance=2.0), Moments("b", variance=3.0)], Path("signal.svg"))
    low, high = panels(drawn[0])[0].get_ylim()
    assert 0.8 < low <= 1
    assert 10 <= high < 12


def test_zero_and_what_is_not_finite_are_marked_at_the_edges(drawn: list[Figure]):
    rows = [
        Moments("a", 0.0, 0.0, 0.0, 1.0),
        Moments("b", nan, inf, 0.0, 2.0),
        Moments("c", nan, nan, 0.0, 5.0),
        Moments("d", 1.0, 9.0, 0.0, 9.0),
    ]
    draw("title", rows, Path("signal.svg"))
    outputs, gradients, _ = panels(drawn[0])
    marks = {line.get_label(): line for line in outputs.lines[1:]}
    bottom, top = outputs.get_ylim()
    assert (marks["zero"].get_xdata().tolist(), marks["zero"].get_ydata().tolist()) == ([0], [bottom])
    assert (marks["not finite"].get_xdata().tolist(), marks["not finite"].get_ydata().tolist()) == ([1, 2], [top, top])
    assert len(gradients.lines) == 1
    assert gradients.get_legend() is None


def test_a_signal_of_nothing_but_zeros_is_drawn(tmp_path: Path):
    draw("title", [Moments("a", variance=0.0, gradient_variance=0.0)], tmp_path / "signal.svg")
    assert "zero" in (tmp_path / "signal.svg").read_text("utf-8")


NAMED = {
    "few": [Moments(f"c{n}") for n in range(1, 4)],
    "long names": [Moments(f"inception{n}a.conv3x3_reduce", variance=10.0**n, gradient_variance=0.0) for n in range(20)],
    "many": [Moments(f"conv4_{n}.conv{n}", variance=1.2**n, gradient_variance=nan) for n in range(155)],
}


@pytest.mark.parametrize(
    "title", ["vgg16, init he", "conv 3x3x64, relu, " * 30 + "fc 10, init gaussian"], ids=["short", "long"]
)
@pytest.mark.parametrize("rows", NAMED.values(), ids=NAMED)
def test_no_text_covers_another_or_leaves_the_image(title: str, rows: list[Moments], drawn: list[Figure]):
    draw(title, rows, Path("signal.svg"))
    figure = drawn[0]
    axes = panels(figure)
    texts = [figure._suptitle, axes[-1].xaxis.label, *(panel.yaxis.label for panel in axes)]
    texts += [tick for panel in axes for tick in panel.get_yticklabels() if tick.get_text()]
    texts += [tick for tick in axes[-1].get_xticklabels() if tick.get_text()]
    texts += [text for panel in axes if (legend := panel.get_legend()) for text in legend.get_texts()]
    outside = ticks_outside(axes)
    shown = [text for text in texts if text.get_visible() and text not in outside]
    assert len(shown) > len(rows) + 5
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    for name, box in boxes:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, name
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, name
    assert [(text, other) for (text, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)] == []


def ticks_outside(axes: list[Axes]) -> set[Text]:
    # Those outside of a scale are kept by matplotlib, but not drawn
    scales = [(panel.get_yticklabels(), *panel.get_ylim()) for panel in axes]
    return {tick for ticks, low, high in scales for tick in ticks if not low <= tick.get_position()[1] <= high}


def test_a_long_title_keeps_its_beginning_and_its_end(drawn: list[Figure]):
    draw("conv 3x3x64, relu, " * 30 + "fc 10, init gaussian", ROWS, Path("signal.svg"))
    title = drawn[0]._suptitle.get_text()
    assert title.startswith("conv 3x3x64, relu, ")
    assert " ..." in title
    assert title.endswith("fc 10, init gaussian")
    assert title.count("\n") == 1
