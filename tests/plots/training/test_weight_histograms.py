from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from striate.base.errors import SettingError
from striate.plots import save_figure
from striate.plots.training import weight_histograms as weights
from striate.plots.training.weight_histograms import draw

TEXT = "{http://www.w3.org/2000/svg}text"


class Spread(NamedTuple):
    layer: str
    weights: int = 100
    zero: float = 0.0
    near: float = 1.0
    first: int = -2
    counts: tuple[int, ...] = (10, 20, 40, 20, 10)


BEFORE = [Spread("conv1"), Spread("fc1", weights=1000, near=0.5, first=-50, counts=(10,) * 100)]
AFTER = [Spread("conv1", zero=0.6, first=0, counts=(80, 20)), Spread("fc1", weights=1000, first=-50, counts=(10,) * 100)]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    monkeypatch.setattr(save_figure, "save", lambda figure, _path: figures.append(figure))
    return figures


def test_the_image_names_layers_axes_and_shares(tmp_path: Path):
    draw("first", BEFORE, AFTER, 0.005, 0.2, tmp_path / "weights.svg")
    texts = {element.text for element in ElementTree.parse(tmp_path / "weights.svg").iter(TEXT)}
    assert {"first: the weights of 2 layers", "weight", "share of the layer's weights"} <= texts
    assert {"before the first step", "at the end"} <= texts
    assert {"zero 0.0% → 60.0%", "within ±0.2 50.0% → 100.0%", "fc1: 1,000 weights"} <= texts


def test_the_same_weights_give_the_same_bytes(tmp_path: Path):
    for name in ("one.svg", "two.svg"):
        draw("first", BEFORE, AFTER, 0.005, 0.2, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_bars_are_the_shares_of_the_weights_about_their_bins(drawn: list[Figure]):
    draw("first", BEFORE, AFTER, 0.005, 0.2, Path("weights.svg"))
    before, after = (patch.get_data() for patch in drawn[0].axes[0].patches)
    assert before.values.tolist() == pytest.approx([0.1, 0.2, 0.4, 0.2, 0.1])
    assert after.values.tolist() == pytest.approx([0, 0, 0.8, 0.2, 0])
    assert before.edges.tolist() == pytest.approx([-0.0125, -0.0075, -0.0025, 0.0025, 0.0075, 0.0125])


def test_many_bins_become_few_bars_with_one_about_zero_and_no_weight_lost(drawn: list[Figure]):
    draw("first", BEFORE, AFTER, 0.005, 0.2, Path("weights.svg"))
    bars = drawn[0].axes[1].patches[0].get_data()
    assert len(bars.values) <= weights.BARS
    assert bars.values.sum() == pytest.approx(1.0)
    middle = len(bars.values) // 2
    assert bars.edges[middle] == pytest.approx(-bars.edges[middle + 1])
    assert np.diff(bars.edges).tolist() == pytest.approx([0.015] * len(bars.values))


def test_a_middle_bar_that_would_flatten_all_others_is_whole_on_a_logarithmic_scale(drawn: list[Figure]):
    draw("first", [Spread("fc", counts=(1, 1, 96, 1, 1))], [], 0.005, 0.2, Path("weights.svg"))
    draw(
        "first",
        [Spread("fc", counts=(4, 4, 84, 4, 4))],
        [Spread("fc", counts=(4, 9, 78, 9, 0))],
        0.005,
        0.2,
        Path("weights.svg"),
    )
    scales = [(figure.axes[0].get_yscale(), *figure.axes[0].get_ylim()) for figure in drawn]
    # 0.96 is more than ten times 0.01, 0.84 less than ten times 0.09; from half of the lowest share to twice the highest
    assert scales == [("log", pytest.approx(0.005), pytest.approx(1.92)), ("linear", 0, pytest.approx(1.1 * 0.84))]


def test_nothing_is_written_over_the_bars_and_no_bar_is_cut(drawn: list[Figure]):
    draw("first", BEFORE, AFTER, 0.005, 0.2, Path("weights.svg"))
    for axes, highest in zip(drawn[0].axes, (0.8, 0.03), strict=True):
        assert not axes.texts
        assert axes.get_ylim() == (0, pytest.approx(1.1 * highest))


def test_an_unfinished_run_has_its_start_alone(drawn: list[Figure]):
    draw("first", BEFORE, [], 0.005, 0.2, Path("weights.svg"))
    assert len(drawn[0].axes[0].patches) == 1
    assert drawn[0].axes[0].get_title() == "conv1: 100 weights\nzero 0.0%\nwithin ±0.2 100.0%"


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (5, 5), (24, 24), (25, 24), (155, 24)])
def test_of_a_deep_network_so_many_layers_are_drawn_and_that_is_said(count: int, panels: int, drawn: list[Figure]):
    rows = [Spread(f"conv{number}") for number in range(count)]
    draw("first", rows, rows, 0.005, 0.2, Path("weights.svg"))
    shown = [axes.get_title() for axes in drawn[0].axes if axes.get_title()]
    assert len(shown) == panels
    assert [title.partition(":")[0] for title in (shown[0], shown[-1])] == ["conv0", f"conv{count - 1}"]
    layers = f"{count} layers" if count <= 24 else f"{panels} of {count} layers"
    assert drawn[0].get_suptitle() == f"first: the weights of {layers}"


def test_a_layer_of_nothing_but_zeros_is_drawn(tmp_path: Path):
    rows = [Spread("fc", zero=1.0, first=0, counts=(100,))]
    draw("first", rows, rows, 0.005, 0.2, tmp_path / "weights.svg")
    assert "zero 100.0% → 100.0%" in (tmp_path / "weights.svg").read_text("utf-8")


def test_another_ending_is_refused(tmp_path: Path):
    with pytest.raises(SettingError, match=r"expected an image's path to end in \.svg, \.png, \.pdf; got"):
        draw("first", BEFORE, AFTER, 0.005, 0.2, tmp_path / "weights.gif")
