from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from striate.base.errors import SettingError
from striate.plots import mosaic, save_figure
from striate.plots.interpret import feature_maps, top_activations, unit_curves, weight_tiles

RNG = np.random.default_rng(0)
GRAY = RNG.random((8, 8, 1))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures: list[Figure] = []
    monkeypatch.setattr(save_figure, "save", lambda figure, _path: figures.append(figure))
    return figures


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def no_text_covers_another(figure: Figure) -> None:
    FigureCanvasAgg(figure).draw()
    boxes = [(text.get_text(), text.get_window_extent()) for axes in figure.axes for text in axes.texts]
    assert [(text, other) for (text, a), (other, b) in combinations(boxes, 2) if a.overlaps(b)] == []
    for name, box in boxes:
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, name
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, name


def scales(figure: Figure) -> list[tuple[float, float]]:
    """Of the images that have one; those in colors of their own have none."""
    return [image.get_clim() for axes in figure.axes for image in axes.images if image.get_array().ndim == 2]


def test_maps_are_on_one_scale_which_is_said_with_its_ends(drawn: list[Figure]):
    maps = np.stack([np.full((2, 2), 3.0), np.array([[0.0, 1.0], [2.0, 6.0]])])
    feature_maps.draw_maps("relu1 of net", "relu1", maps, GRAY, Path("maps.png"))
    (figure,) = drawn
    written = texts(figure)
    assert "2 maps of 2 x 2, all on one scale." in written
    assert {"0", "1", "the image", "output of relu1", "3", "6"} <= set(written)
    assert set(scales(figure)) == {(0.0, 6.0)}
    values = [image.get_array() for image in figure.axes[0].images if image.get_array().shape == (2, 2)]
    assert [value.tolist() for value in values] == maps.tolist()


def test_zero_is_in_the_middle_where_a_value_is_negative(drawn: list[Figure]):
    feature_maps.draw_maps("conv1", "conv1", np.array([[[-2.0, 1.0]], [[0.0, 0.5]]]), GRAY, Path("maps.png"))
    assert set(scales(drawn[0])) == {(-2.0, 2.0)}
    assert {image.get_cmap().name for image in drawn[0].axes[0].images if image.get_array().ndim == 2} == {"RdBu_r"}


def test_of_very_many_maps_the_first_256_are_drawn_and_that_is_said(drawn: list[Figure]):
    feature_maps.draw_maps("conv5", "conv5", np.ones((300, 2, 3)), GRAY, Path("maps.png"))
    written = texts(drawn[0])
    assert "The first 256 of 300 maps of 2 x 3, all on one scale." in written
    assert "255" in written
    assert "256" not in written


@pytest.mark.parametrize("shape", [(5,), (5, 1, 1)])
def test_units_without_maps_are_bars(shape: tuple[int, ...], drawn: list[Figure]):
    feature_maps.draw_maps("fc", "fc1", np.array([1.0, -2, 3, 0, 5]).reshape(shape), GRAY, Path("maps.png"))
    bars = drawn[0].axes[1]
    assert [bar.get_height() for bar in bars.patches] == [1, -2, 3, 0, 5]
    assert bars.get_ylabel() == "output of fc1"
    assert bars.get_xlabel() == "the 5 units of fc1"


def test_deep_kernels_are_tiles_a_row_for_each_filter(drawn: list[Figure]):
    weights = RNG.standard_normal((3, 2, 3, 3))
    weight_tiles.draw("conv2", weights, Path("tiles.png"))
    written = texts(drawn[0])
    assert "Kernels of 3 x 3: 3 filters down, 2 channels across, all on one scale" in " ".join(written)
    shown = [image.get_array() for image in drawn[0].axes[0].images[:6]]
    assert np.allclose(np.stack(shown).reshape(3, 2, 3, 3), weights)
    most = float(np.abs(weights).max())
    assert set(scales(drawn[0])) == {(-most, most)}


def test_of_many_kernels_the_first_are_drawn_and_that_is_said(drawn: list[Figure]):
    weights = np.ones((40, 50, 3, 3)) * np.arange(1, 41).reshape(-1, 1, 1, 1)
    weight_tiles.draw("conv2", weights, Path("tiles.png"))
    written = " ".join(texts(drawn[0]))
    assert "the first 32 of 40 filters down, the first 32 of 50 channels across, all on one scale" in written
    assert len(drawn[0].axes[0].images) == 32 * 32 + 1  # with the bar of colors
    assert set(scales(drawn[0])) == {(-32, 32)}


def test_kernels_over_one_channel_are_a_grid(drawn: list[Figure]):
    weights = RNG.standard_normal((7, 1, 5, 5))
    weight_tiles.draw("conv2", weights, Path("tiles.png"))
    written = texts(drawn[0])
    assert "7 kernels of 5 x 5 over one channel, all on one scale; red is above zero, blue below." in " ".join(written)
    assert {"0", "6", "weight"} <= set(written)
    shown = [image.get_array() for image in drawn[0].axes[0].images if image.get_array().shape == (5, 5)]
    assert np.allclose(np.stack(shown), weights[:, 0])
    no_text_covers_another(drawn[0])


def test_weights_of_units_are_one_table(drawn: list[Figure]):
    weights = RNG.standard_normal((300, 2000))
    weight_tiles.draw("fc6", weights, Path("tiles.png"))
    shown = drawn[0].axes[0].images[0]
    assert np.allclose(shown.get_array(), weights[:256, :1024])
    title = drawn[0]._suptitle.get_text()
    assert title == "fc6: weights of the first 256 of 300 units and the first 1,024 of 2,000 inputs, all on one scale"


def rows(box: tuple[int, int, int, int], words: tuple[str, ...] = ()) -> list[top_activations.Row]:
    images = RNG.random((3, 8, 8, 3))
    return [top_activations.Row(f"unit {u}", images, np.tile(box, (3, 1)), [3.0, 2.0, 1.5], words) for u in (4, 7)]


def test_the_strongest_images_have_their_patch_framed_and_enlarged(drawn: list[Figure]):
    top_activations.draw("conv1", rows((1, 2, 4, 6), ("cat", "dog", "a very long class name")), Path("exciting.png"))
    written = texts(drawn[0])
    assert {"unit 4", "unit 7", "3", "1.5", "cat", "a very long cl…"} <= set(written)
    assert "framed is the patch that it sees" in " ".join(written)
    shapes = [image.get_array().shape for image in drawn[0].axes[0].images]
    assert shapes.count((8, 8, 3)) == shapes.count((3, 4, 3)) == 6


def test_units_that_see_the_whole_image_have_no_patches(drawn: list[Figure]):
    top_activations.draw("fc", rows((0, 0, 8, 8)), Path("exciting.png"))
    assert len(drawn[0].axes[0].images) == 6
    assert "each unit sees the whole image" in " ".join(texts(drawn[0]))


def test_a_tuning_curve_lies_where_its_stripes_run(drawn: list[Figure]):
    curve = np.array([[0.0, 1.0, 0.0, 0.0]])  # 0, 45, 90, 135 degrees
    unit_curves.draw_tuning("relu1", np.arange(4) * 45.0, curve, ["0: 45°\n0.25 cycles/px"], Path("tuning.png"))
    points = drawn[0].axes[0].patches[-1].get_xy()
    middle = points[0]
    assert points[1] - middle == pytest.approx(0.36 * np.array([1, -1]) / 2**0.5)  # to the right and up; y counts down
    assert points[5] - middle == pytest.approx(0.36 * np.array([-1, 1]) / 2**0.5)
    assert "0.25 cycles/px" in texts(drawn[0])


def test_tolerance_is_the_median_of_the_units_that_answer(drawn: list[Figure]):
    response_DU = np.array([[1.0, 1, 1, np.nan], [0.0, 0.5, 0.7, np.nan]])
    none = np.full((2, 2), np.nan)
    series = [unit_curves.Series("relu1", np.arange(2.0), response_DU), unit_curves.Series("pool1", np.arange(2.0), none)]
    unit_curves.draw_tolerance("title", "the best grating, in pixels", series, Path("tolerance.png"))
    axes = drawn[0].axes[0]
    assert axes.lines[0].get_ydata().tolist() == [1, 0.5]
    assert [line.get_label() for line in axes.lines[:2]] == ["relu1: 3 of 4 units respond", "pool1: 0 of 2 units respond"]
    assert axes.get_xlabel() == "shift of the best grating, in pixels"


LONG = "conv3_1.conv2 of a run with a long name that goes on and on, for image 1234 of the validation split " * 2
SHEETS: dict[str, Any] = {
    "maps": lambda title: feature_maps.draw_maps(title, "conv1", RNG.standard_normal((300, 4, 4)), GRAY, Path("a.png")),
    "few maps": lambda title: feature_maps.draw_maps(
        title, "inception4a.conv_pool_proj", RNG.random((2, 4, 9)), GRAY, Path("a.png")
    ),
    "tiles": lambda title: weight_tiles.draw(title, RNG.standard_normal((12, 40, 3, 3)), Path("a.png")),
    "one tile": lambda title: weight_tiles.draw(title, RNG.standard_normal((1, 1, 3, 3)), Path("a.png")),
    "exciting": lambda title: top_activations.draw(title, rows((1, 2, 4, 6), ("cat", "dog", "automobile")), Path("a.png")),
    "tuning": lambda title: unit_curves.draw_tuning(
        title, np.arange(4) * 45.0, RNG.random((70, 4)), ["63: 135° ±45°\nF1/F0 1.57"] * 70, Path("a.png")
    ),
    "images": lambda title: mosaic.draw_images(title, "how", [mosaic.Tile(GRAY, "automobile\n1 to 2")] * 7, Path("a.png")),
}  # fmt: skip


@pytest.mark.parametrize("title", ["conv1 of net", LONG], ids=["short", "long"])
@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_no_text_covers_another_or_leaves_the_sheet(sheet: Any, title: str, drawn: list[Figure]):
    sheet(title)
    no_text_covers_another(drawn[0])


def test_another_ending_is_refused_by_each():
    path = Path("sheet.gif")
    for draw in (
        lambda: feature_maps.draw_maps("t", "l", np.ones((1, 2, 2)), GRAY, path),
        lambda: weight_tiles.draw("t", np.ones((1, 1, 3, 3)), path),
        lambda: top_activations.draw("t", rows((0, 0, 8, 8)), path),
        lambda: unit_curves.draw_tuning("t", np.zeros(2), np.ones((1, 2)), [""], path),
        lambda: unit_curves.draw_tolerance("t", "it", [], path),
        lambda: mosaic.draw_images("t", "n", [mosaic.Tile(GRAY)], path),
    ):
        with pytest.raises(SettingError, match=r"expected an image's path to end in \.svg, \.png, \.pdf; got sheet\.gif"):
            draw()


def test_the_same_sheet_gives_the_same_bytes_and_keeps_its_text(tmp_path: Path):
    for name in ("one.svg", "two.svg"):
        feature_maps.draw_maps("relu1 of net", "relu1", np.arange(8.0).reshape(2, 2, 2), GRAY, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert "relu1 of net" in (tmp_path / "one.svg").read_text("utf-8")
