"""Images and maps side by side, each on its own scale of gray."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE = 2.3  # inches, of an image
_ROUNDING = 1e-9  # what is smaller is drawn as 0
_MOST_WRITTEN = 9  # the largest side whose numbers are legible


class Panel(NamedTuple):
    """An image, kernel or map, H x W, with its name."""

    name: str
    values_HW: NDArray[Any]
    write: Callable[[float], str] | None = None  # the text of a value, which stands in its pixel where that is large enough


def draw(title: str, images: Mapping[str, NDArray[Any]], path: Path, across: int = 5, side: float = SIDE) -> None:
    """Draw images with their names, at most `across` in a row, `side` inches each."""
    panels = [Panel(name, values_HW) for name, values_HW in images.items()]
    draw_rows(title, [panels[start : start + across] for start in range(0, len(panels), across)], path, side)


def draw_rows(title: str, rows: Sequence[Sequence[Panel | None]], path: Path, side: float = SIDE) -> None:
    """Draw images in rows, None for an empty place; see `show` for their gray.

    Raises:
        SettingError: `path` ends in none of .svg, .png, .pdf.
        DiskError: the disk refused.

    """
    across = max(map(len, rows))
    heights = [side * max(height(panel.values_HW) for panel in row if panel) + 0.4 for row in rows]
    with new_figure(path, side * across + 0.2, sum(heights) + 0.5, fill(title, int(12 * side * across))) as figure:
        grid = figure.subplots(len(rows), across, squeeze=False, height_ratios=heights)
        for axes in grid.flat:
            axes.axis("off")
        for axes_row, row in zip(grid, rows, strict=True):
            for axes, panel in zip(axes_row, row, strict=False):
                if panel is not None:
                    show(axes, panel.values_HW)
                    axes.set_title(fill(panel.name, int(14 * side)), fontsize=8)
                    if panel.write and max(panel.values_HW.shape) <= _MOST_WRITTEN:
                        _write(axes, panel.values_HW, panel.write)


def height(values_HW: NDArray[Any]) -> float:
    """How high an image is drawn over how wide; of very long ones, at most twice and at least an eighth."""
    return min(2.0, max(0.125, float(values_HW.shape[0] / values_HW.shape[1])))


def show(axes: "Axes", values_HW: NDArray[Any]) -> None:
    """One image with a frame, without ticks; where a value is below 0, zero is gray, and the largest is black or white."""
    values = np.asarray(values_HW, float)
    most = float(np.abs(values).max())
    most = most if most > _ROUNDING else 1.0
    least = -most if values.min() < -_ROUNDING else 0.0
    axes.axis("on")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.imshow(values, cmap="gray", vmin=least, vmax=most, interpolation="nearest")


def _write(axes: "Axes", values_HW: NDArray[Any], text: Callable[[float], str]) -> None:
    """Numbers into their pixels, black on bright ones and white on dark."""
    middle = sum(axes.images[0].get_clim()) / 2
    size = min(9.0, 52 / max(values_HW.shape))
    for (row, column), value in np.ndenumerate(values_HW):
        color = "black" if value > middle else "white"
        axes.text(column, row, text(value), fontsize=size, ha="center", va="center", color=color)
