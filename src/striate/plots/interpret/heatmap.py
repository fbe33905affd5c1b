"""Heat maps over the image that they explain.

One map of colors for all: from dark violet over red to yellow, its lightness rising evenly in Oklab (Ottosson 2020), so that
equal steps of heat look equal, in print and to those who do not tell red from green. Where there is no heat the image shows
as it is.

Legend: H x W pixels, C channels.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import ShapeError
from striate.base.phrases import layers
from striate.plots.axes import image
from striate.plots.canvas import SERIES_COLORS
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Pixels = NDArray[np.uint8]
Heat = NDArray[np.floating]
DEEPEST = 0.85  # the share of the image that the hottest pixel hides
_ACROSS = 4  # panels side by side
_WIDE = 2.55  # inches of a panel
_LETTERS = 36  # in a line under a panel
_GAIN = (
    "gain: how much lower the class's mean probability is while the marked pixels are removed than with the map shifted; "
    "p: share of the map and its shifted controls whose insertion area minus deletion area is at least as large"
)
_UNFAITHFUL = SERIES_COLORS[1]
_CONES_OF_OKLAB = (
    (1, 1, 1), (0.3963377774, -0.1055613458, -0.0894841775), (0.2158037573, -0.0638541728, -1.2914855480),
)  # fmt: skip
_LINEAR_RGB_OF_CONES = (
    (4.0767416621, -1.2684380046, -0.0041960863), (-3.3077115913, 2.6097574011, -0.7034186147),
    (0.2309699292, -0.3413193965, 1.7076147010),
)  # fmt: skip
_ENDS = ((0.28, 0.12, 300.0), (0.60, 0.19, 378.0), (0.93, 0.17, 466.0))  # lightness, chroma, hue in degrees of Oklab


class Panel(NamedTuple):
    """One map beside the others; what was not measured is None."""

    method: str
    layer: str | None  # None for methods that use none
    heat_HW: Heat  # of the image's size, 0 to 1
    gain: float | None = None  # how much faster the probability falls than with the map shifted
    p_value: float | None = None  # of the gain
    faithful: bool | None = None  # whether the map passed its tests
    reason: str = ""  # the sentence that says so


@lru_cache(maxsize=1)
def colors() -> NDArray[np.float64]:
    """256 colors, 256 x 3 in sRGB from 0 to 1, from no heat to the most."""
    knots = np.linspace(0, 1, len(_ENDS))
    _, chroma, hue = (np.interp(np.linspace(0, 1, 256), knots, column) for column in np.array(_ENDS).T)
    light = np.linspace(_ENDS[0][0], _ENDS[-1][0], 256)  # evenly
    turn = np.deg2rad(hue)
    lab = np.stack([light, chroma * np.cos(turn), chroma * np.sin(turn)], 1)
    cones = lab @ np.array(_CONES_OF_OKLAB)
    bounded = np.clip(cones**3 @ np.array(_LINEAR_RGB_OF_CONES), 0, 1)
    srgb: NDArray[np.float64] = np.where(bounded <= 0.0031308, 12.92 * bounded, 1.055 * bounded ** (1 / 2.4) - 0.055)
    return srgb


def overlay(image_HWC: Pixels, heat_HW: Heat) -> Pixels:
    """The heat, 0 to 1, over an image of 1 or 3 channels, H x W x 3; a pixel without heat is the image's own."""
    if image_HWC.ndim != 3 or image_HWC.shape[2] not in (1, 3) or heat_HW.shape != image_HWC.shape[:2]:
        raise ShapeError(
            f"expected an image H x W x C with C of 1 or 3, and a heat map of its H x W; got {image_HWC.shape} and "
            f"{heat_HW.shape}."
        )
    heat = np.clip(np.nan_to_num(heat_HW), 0, 1)[..., None]
    heat_colors = colors()[np.round(heat[..., 0] * 255).astype(int)] * 255
    cover = DEEPEST * np.sqrt(heat)
    mixed: Pixels = np.round(image_HWC * (1 - cover) + heat_colors * cover).astype(np.uint8)
    return mixed


def draw(title: str, image_HWC: Pixels, panels: Sequence[Panel], path: Path) -> None:
    """Draw the image, and beside it each map over it with its method, layer and gain; one that is not faithful is struck out.

    The image is uint8 with 1 or 3 channels; a small one is enlarged without smoothing. A map of another size is a ShapeError.
    """
    overlays = [overlay(image_HWC, panel.heat_HW) for panel in panels]
    notes = [_note(panel) for panel in panels]
    across = min(_ACROSS, len(panels) + 1)
    rows = ceil((len(panels) + 1) / across)
    high = _WIDE * image_HWC.shape[0] / image_HWC.shape[1] + 0.34 + 0.145 * max([1, *map(len, notes)])
    lines = "\n".join(wrap(title, max(40, 30 * across)))
    with new_figure(path, _WIDE * across + 0.9, rows * high + 0.8, lines) as figure:
        grid = figure.subplots(rows, across, squeeze=False).ravel()
        _show(grid[0], image_HWC, "the image as the network sees it")
        for axes, panel, pixels, note in zip(grid[1:], panels, overlays, notes, strict=False):
            name = panel.method.replace("_", " ") + ("" if panel.layer is None else f" at {layers(panel.layer)}")
            unfaithful = panel.faithful is False
            _show(axes, pixels, name, unfaithful)
            axes.set_xlabel("\n".join(note), fontsize=7, loc="left", color=_UNFAITHFUL if unfaithful else "black")
        for axes in grid[len(panels) + 1 :]:
            axes.axis("off")
        _colorbar(figure, grid)
        if any(panel.gain is not None for panel in panels):
            figure.supxlabel("\n".join(wrap(_GAIN, max(60, 42 * across))), fontsize=7, color="#555555")


def _colorbar(figure: "Figure", grid: NDArray[np.object_]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap

    heat = np.linspace(0, 1, 256)[:, None]
    faded = ListedColormap(1 - DEEPEST * np.sqrt(heat) * (1 - colors()))
    bar = figure.colorbar(ScalarMappable(cmap=faded), ax=list(grid), shrink=0.6, aspect=30, pad=0.01)
    bar.set_ticks([0, 0.5, 1])
    bar.ax.tick_params(labelsize=7)
    bar.set_label("heat, as a share of the map's largest", fontsize=7)


def _show(axes: "Axes", pixels_HWC: Pixels, name: str, struck_out: bool = False) -> None:
    height, width, channels = pixels_HWC.shape
    smooth = "antialiased" if max(height, width) > 128 else "nearest"
    image(axes, pixels_HWC[..., 0] if channels == 1 else pixels_HWC, cmap="gray", vmin=0, vmax=255, interpolation=smooth)
    axes.set_title(name, fontsize=8.5, loc="left", color=_UNFAITHFUL if struck_out else "black")
    axes.spines[:].set(color=_UNFAITHFUL if struck_out else "#bbbbbb", linewidth=2.0 if struck_out else 0.8)
    for color, thick in (("white", 2.6), (_UNFAITHFUL, 1.3)) if struck_out else ():
        ends = (-0.5, width - 0.5), (height - 0.5, -0.5)
        axes.plot(*ends, color=color, linewidth=thick, scalex=False, scaley=False)


def _note(panel: Panel) -> list[str]:
    """The lines under a panel."""
    lines = []
    if panel.faithful is False:
        reason = panel.reason.removeprefix("not faithful: ").partition(" (")[0]
        lines = ["NOT FAITHFUL", *wrap(reason, _LETTERS)]
    if panel.gain is not None:
        lines.append(f"gain {panel.gain:+.2f}" + ("" if panel.p_value is None else f", p = {panel.p_value:.2f}"))
    return lines
