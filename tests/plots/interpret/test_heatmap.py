from pathlib import Path

import numpy as np
import pytest

from striate.base.errors import SettingError, ShapeError
from striate.plots.interpret.heatmap import DEEPEST, Panel, colors, draw, overlay

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
HEAT = np.zeros((16, 16))
HEAT[3:9, 4:12] = 0.6
HEAT[5, 5] = 1


def lightness(srgb_N3: np.ndarray) -> np.ndarray:
    """L* of CIE 1976, which did not make the colors."""
    linear = np.where(srgb_N3 <= 0.04045, srgb_N3 / 12.92, ((srgb_N3 + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


def test_the_colors_grow_lighter_evenly():
    light = lightness(colors())
    steps = np.diff(light)
    assert colors().shape == (256, 3)
    assert colors().min() >= 0
    assert colors().max() <= 1
    assert steps.min() > 0
    assert light[-1] - light[0] > 60
    assert np.abs(light - np.linspace(light[0], light[-1], 256)).max() < 6


def test_without_heat_the_image_is_its_own_and_the_hottest_pixel_hides_it():
    laid = overlay(IMAGE, HEAT)
    assert np.array_equal(laid[HEAT == 0], IMAGE[HEAT == 0])
    wanted = np.round(IMAGE[5, 5] * (1 - DEEPEST) + 255 * colors()[-1] * DEEPEST)
    assert np.abs(laid[5, 5] - wanted).max() <= 1
    gray = overlay(IMAGE[..., :1], HEAT)
    assert np.array_equal(gray[0, 0], IMAGE[0, 0, :1].repeat(3))


def test_what_is_no_number_is_no_heat():
    assert np.array_equal(overlay(IMAGE, np.full((16, 16), np.nan)), IMAGE)


@pytest.mark.parametrize("heat", [np.zeros((8, 8)), np.zeros((1, 16, 16))])
def test_a_map_of_another_size_is_refused(heat: np.ndarray):
    with pytest.raises(ShapeError, match="expected an image H x W x C with C of 1 or 3, and a heat map of its H x W"):
        overlay(IMAGE, heat)


def test_the_sheet_says_method_layer_figure_and_what_explains_nothing(tmp_path: Path):
    why = "not faithful: shifted controls do as well at 7 of 19 shifts (mean probability 0.2)"
    panels = [
        Panel("gradcam", "conv5", HEAT, 0.3141, 0.05, True, "faithful: removing and showing"),
        Panel("integrated_gradients", None, HEAT, -0.02, 0.4, False, why),
        Panel("occlusion", None, HEAT),
    ]
    draw("Why ship", IMAGE, panels, tmp_path / "sheet.svg")
    svg = (tmp_path / "sheet.svg").read_text("utf-8")
    for word in (
        "Why ship",
        "gradcam at conv5",
        "integrated gradients",
        "gain +0.31, p = 0.05",
        "gain -0.02, p = 0.40",
        "occlusion",
    ):
        assert word in svg
    assert svg.count("NOT FAITHFUL") == 1
    assert "(mean probability" not in svg  # the figures of the sentence are in the report, not under the map
    first = (tmp_path / "sheet.svg").read_bytes()
    draw("Why ship", IMAGE, panels, tmp_path / "sheet.svg")
    assert (tmp_path / "sheet.svg").read_bytes() == first


@pytest.mark.parametrize("chw", [(8, 8, 1), (224, 224, 3), (40, 90, 3)])
def test_images_of_any_size_are_drawn(tmp_path: Path, chw: tuple[int, int, int]):
    panels = [Panel("saliency", None, np.ones(chw[:2]))] * 5
    draw("five", np.zeros(chw, np.uint8), panels, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 2000


def test_another_ending_is_refused_before_anything_is_drawn(tmp_path: Path):
    with pytest.raises(SettingError, match=r"expected an image's path to end in \.svg"):
        draw("no", IMAGE, [], tmp_path / "sheet.gif")
