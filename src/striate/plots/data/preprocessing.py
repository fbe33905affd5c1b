"""What happens to images before a network sees them: clouds of two pixels, and sheets of images.

Legend: N images in a row or points of a cloud, H x W pixels, C channels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.axes import image
from striate.plots.canvas import SERIES_COLORS
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINT, AXIS = SERIES_COLORS[0], "#888888"
_GAP = 2  # pixels between images, at least
_WIDE = 11.0  # inches


# The name of a step, its points, N x 2, and their covariance, 2 x 2, as `striate.batches.neighbor_pixel_scatter.Cloud` has them
Cloud = tuple[str, NDArray[np.float64], NDArray[np.float64]]


class Row(NamedTuple):
    """Images side by side, in [0, 1]."""

    name: str
    images_NHWC: NDArray[np.float32]


def draw_steps(title: str, pixels: str, clouds: Sequence[Cloud], rows: Sequence[Row], path: Path) -> None:
    """Draw the clouds of the two `pixels` beside each other, one for each step, and rows of images below."""
    strips = [_strip(row.images_NHWC) for row in rows]
    heights = [_WIDE / strip.shape[1] * strip.shape[0] for strip in strips]
    side, below = _WIDE / max(len(clouds), 3), sum(heights) + 0.35 * len(rows)
    with new_figure(path, _WIDE, side + 0.9 + below) as figure:
        grid = figure.add_gridspec(2, 1, height_ratios=(side + 0.9, below))
        upper, lower = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
        upper.suptitle(title)
        for axes, cloud in zip(np.atleast_1d(upper.subplots(1, len(clouds))), clouds, strict=True):
            _cloud(axes, *cloud)
        upper.supxlabel(pixels, fontsize=8)
        panels = lower.subplots(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
        for axes, row, strip in zip(panels, rows, strips, strict=True):
            _show(axes, strip)
            axes.set_title(row.name, fontsize=8, loc="left")


def draw_sheet(title: str, columns: Sequence[str], rows: Sequence[Row], path: Path) -> None:
    """Draw rows of images under the names of their columns, each row named at its left."""
    strips = [_strip(row.images_NHWC) for row in rows]
    height, width = strips[0].shape[:2]
    with new_figure(path, _WIDE, _WIDE / width * height * len(rows) + 1.0) as figure:
        panels = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
        for axes, row, strip in zip(panels, rows, strips, strict=True):
            _show(axes, strip)
            axes.set_ylabel(row.name, rotation=0, ha="right", va="center", fontsize=8)
        for number, name in enumerate(columns):
            place = (number + 0.5) / len(columns)
            panels[0].text(place, 1.04, name, transform=panels[0].transAxes, ha="center", fontsize=8)
        figure.suptitle(title, fontsize=10, wrap=True)


def _cloud(axes: "Axes", name: str, points_N2: NDArray[np.float64], covariance_22: NDArray[np.float64]) -> None:
    axes.axhline(0, color=AXIS, linewidth=0.6)
    axes.axvline(0, color=AXIS, linewidth=0.6)
    axes.plot(*points_N2.T, ".", markersize=2, alpha=0.5, color=POINT, rasterized=True)
    reach = max(1e-6, float(np.abs(points_N2).max())) * 1.05
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)
    (xx, xy), (_, yy) = covariance_22
    covariance = f"{xy:.3g}" if abs(xy) >= 1e-9 else "0"
    axes.set_title(f"{name}\nvariances {xx:.3g}, {yy:.3g}\ncovariance {covariance}", fontsize=7)


def _strip(images_NHWC: NDArray[np.float32]) -> NDArray[np.float32]:
    """The images beside each other, with white gaps."""
    count, height, width, channels = images_NHWC.shape
    step = width + max(_GAP, width // 16)
    strip = np.ones((height, count * step - (step - width), channels), np.float32)
    for number, image_HWC in enumerate(images_NHWC):
        strip[:, number * step : number * step + width] = image_HWC
    return strip


def _show(axes: "Axes", strip: NDArray[np.float32]) -> None:
    image(axes, strip[..., 0] if strip.shape[2] == 1 else strip, frame=False, cmap="gray", vmin=0, vmax=1, aspect="equal")
