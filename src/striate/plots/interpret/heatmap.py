"""Heat maps over the image that they explain.

One map of colors for all: from dark violet over red to yellow, its lightness rising evenly in Oklab (Ottosson 2020), so that
equal steps of heat look equal, in print and to those who do not tell red from green. Where there is no heat the image shows
as it is.

Legend: H x W pixels, C channels, h x w any other size.
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
from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Pixels = NDArray[np.uint8]
Heat = NDArray[np.floating]
DEEPEST = 0.85  # how much of the image the hottest pixel hides
_ACROSS = 4  # panels side by side
_WIDE = 2.55  # inches of a panel
_LETTERS = 36  # in a line under a panel
_GAIN = (
    "gain: how much lower the class's mean probability is while what the map marks is removed than with the same map "
    "shifted; p: the share of shifts, its own included, where showing and removing does as well"
)
_NOTHING = "#d55e00"  # Okabe & Ito's vermilion
_ENDS = ((0.28, 0.12, 300.0), (0.60, 0.19, 378.0), (0.93, 0.17, 466.0))  # lightness, chroma, hue in degrees of Oklab


class Panel(NamedTuple):
    """One map beside the others.

    Attributes:
        method: its name.
        at: the layer it looked at; None for methods that look at none.
        heat_HW: of the image's size, 0 to 1.
        gain: the faithfulness figure, by how much faster than elsewhere the probability falls; None where it was not measured.
        p_value: of it.
        explains: whether the map passed its tests; None where it was not put to them.
        why: the sentence that says so.

    """

    method: str
    at: str | None
    heat_HW: Heat
    gain: float | None = None
    p_value: float | None = None
    explains: bool | None = None
    why: str = ""


@lru_cache(maxsize=1)
def colors() -> NDArray[np.float64]:
    """256 colors, 256 x 3 in sRGB from 0 to 1, from no heat to the most."""
    place = np.linspace(0, 1, 256)
    knots = np.linspace(0, 1, len(_ENDS))
    light, chroma, hue = (np.interp(place, knots, column) for column in np.array(_ENDS).T)
    light = np.linspace(_ENDS[0][0], _ENDS[-1][0], 256)  # evenly
    turn = np.deg2rad(hue)
    lab = np.stack([light, chroma * np.cos(turn), chroma * np.sin(turn)], 1)
    cones = lab @ np.array(
        [[1, 1, 1], [0.3963377774, -0.1055613458, -0.0894841775], [0.2158037573, -0.0638541728, -1.2914855480]]
    )
    linear = cones**3 @ np.array(
        [[4.0767416621, -1.2684380046, -0.0041960863], [-3.3077115913, 2.6097574011, -0.7034186147],
         [0.2309699292, -0.3413193965, 1.7076147010]]
    )  # fmt: skip
    bounded = np.clip(linear, 0, 1)
    srgb: NDArray[np.float64] = np.where(bounded <= 0.0031308, 12.92 * bounded, 1.055 * bounded ** (1 / 2.4) - 0.055)
    return srgb


def overlay(image_HWC: Pixels, heat_HW: Heat) -> Pixels:
    """The heat over the image, H x W x 3; a pixel without heat is the image's own.

    Args:
        image_HWC: uint8, 1 or 3 channels.
        heat_HW: 0 to 1.

    Raises:
        ShapeError: the two differ in size.

    """
    if image_HWC.ndim != 3 or image_HWC.shape[2] not in (1, 3) or heat_HW.shape != image_HWC.shape[:2]:
        raise ShapeError(
            f"expected an image H x W x C with C of 1 or 3, and a heat map of its H x W; got {image_HWC.shape} and "
            f"{heat_HW.shape}."
        )
    heat = np.clip(np.nan_to_num(heat_HW), 0, 1)[..., None]
    laid = colors()[np.round(heat[..., 0] * 255).astype(int)] * 255
    cover = DEEPEST * np.sqrt(heat)
    mixed: Pixels = np.round(image_HWC * (1 - cover) + laid * cover).astype(np.uint8)
    return mixed


def draw(title: str, image_HWC: Pixels, panels: Sequence[Panel], path: Path) -> None:
    """Draw the image, and beside it each map over it with its method, layer and figure; one that explains nothing is marked.

    Args:
        title: what is explained: the image and the class.
        image_HWC: uint8, 1 or 3 channels; small ones are enlarged without smoothing.
        panels: the maps.
        path: .svg, .png or .pdf.

    Raises:
        ShapeError: a map has another size than the image.
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    overlays = [overlay(image_HWC, panel.heat_HW) for panel in panels]
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    notes = [_note(panel) for panel in panels]
    across = min(_ACROSS, len(panels) + 1)
    rows = ceil((len(panels) + 1) / across)
    lines = max([1, *(len(note) for note in notes)])
    high = _WIDE * image_HWC.shape[0] / image_HWC.shape[1]
    figure = Figure(figsize=(_WIDE * across + 0.9, rows * (high + 0.34 + 0.145 * lines) + 0.8), layout="constrained")
    grid = figure.subplots(rows, across, squeeze=False).flat
    _show(grid[0], image_HWC, "the image as the network sees it", "black")
    for axes, panel, laid, note in zip(grid[1:], panels, overlays, notes, strict=False):
        nothing = panel.explains is False
        name = panel.method.replace("_", " ") + ("" if panel.at is None else f" at {panel.at}")
        _show(axes, laid, name, _NOTHING if nothing else "black")
        axes.set_xlabel("\n".join(note), fontsize=7, loc="left", color=_NOTHING if nothing else "black")
        if nothing:
            height, width = image_HWC.shape[:2]
            for color, thick in (("white", 2.6), (_NOTHING, 1.3)):
                ends = (-0.5, width - 0.5), (height - 0.5, -0.5)
                axes.plot(*ends, color=color, linewidth=thick, scalex=False, scaley=False)
    for axes in grid[len(panels) + 1 :]:
        axes.axis("off")
    shown = np.linspace(0, 1, 256)[:, None]
    faded = ListedColormap(1 - DEEPEST * np.sqrt(shown) * (1 - colors()))
    bar = figure.colorbar(ScalarMappable(cmap=faded), ax=list(grid), shrink=0.6, aspect=30, pad=0.01)
    bar.set_ticks([0, 0.5, 1])
    bar.ax.tick_params(labelsize=7)
    bar.set_label("heat, as a share of the map's largest", fontsize=7)
    if any(panel.gain is not None for panel in panels):
        figure.supxlabel("\n".join(wrap(_GAIN, max(60, 42 * across))), fontsize=7, color="#555555")
    figure.suptitle("\n".join(wrap(title, max(40, 30 * across))), fontsize=10)
    save(figure, path)


def _show(axes: "Axes", image_HWC: Pixels, name: str, color: str) -> None:
    shown = image_HWC[..., 0] if image_HWC.shape[2] == 1 else image_HWC
    large = max(image_HWC.shape[:2]) > 128
    axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="antialiased" if large else "nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(name, fontsize=8.5, loc="left", color=color)
    for side in axes.spines.values():
        side.set_color(color if color != "black" else "#bbbbbb")
        side.set_linewidth(2.0 if color != "black" else 0.8)


def _note(panel: Panel) -> list[str]:
    """The lines under a panel."""
    figures = (
        []
        if panel.gain is None
        else [f"gain {panel.gain:+.2f}" + ("" if panel.p_value is None else f", p = {panel.p_value:.2f}")]
    )
    head = "NOT FAITHFUL" if panel.explains is False else None
    reason = panel.why.removeprefix("not faithful: ").removeprefix("faithful: ")
    short = reason.partition(" (")[0] if panel.explains is False else ""
    return [*([head] if head else []), *wrap(short, _LETTERS), *figures]
