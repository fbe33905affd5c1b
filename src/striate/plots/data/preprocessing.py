"""Images of what happens to images before a network sees them: clouds of two pixels, and sheets of images.

Legend: R rows, N images in a row, H x W pixels, C channels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINT, AXIS = "#0072b2", "#888888"
_GAP = 2  # pixels between images, at least
_WIDE = 11.0  # inches


class Cloud(Protocol):
    """What is drawn of a cloud: `striate.batches.neighbor_pixel_scatter.Cloud` has it."""

    @property
    def name(self) -> str:
        """Of the step."""

    @property
    def points_N2(self) -> NDArray[np.float64]:
        """The points."""

    @property
    def covariance_22(self) -> NDArray[np.float64]:
        """Of the points."""


class Row(NamedTuple):
    """Images side by side.

    Attributes:
        name: what they are.
        images_NHWC: in [0, 1].

    """

    name: str
    images_NHWC: NDArray[np.float32]


def draw_steps(title: str, axes: str, clouds: Sequence[Cloud], rows: Sequence[Row], path: Path) -> None:
    """Draw the clouds beside each other, and rows of images below.

    Args:
        title: what is shown.
        axes: what the two pixels are.
        clouds: one for each step.
        rows: of images, as many in each.
        path: .svg, .png or .pdf.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    heights = [_WIDE / _shape(row)[1] * _shape(row)[0] for row in rows]
    side = _WIDE / max(len(clouds), 3)
    figure = Figure(figsize=(_WIDE, side + 0.9 + sum(heights) + 0.35 * len(rows)), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(side + 0.9, sum(heights) + 0.35 * len(rows)))
    upper, lower = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    upper.suptitle(title)
    for place, cloud in zip(np.atleast_1d(upper.subplots(1, len(clouds))), clouds, strict=True):
        _cloud(place, cloud)
    upper.supxlabel(axes, fontsize=8)
    panels = lower.subplots(len(rows), 1, height_ratios=heights, squeeze=False)
    for place, row in zip(panels[:, 0], rows, strict=True):
        _strip(place, row)
    save(figure, path)


def draw_sheet(title: str, columns: Sequence[str], rows: Sequence[Row], path: Path) -> None:
    """Draw rows of images under the names of their columns, each row named at its left.

    Args:
        title: what is shown.
        columns: N names.
        rows: R rows of N images.
        path: .svg, .png or .pdf.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    height, width = _shape(rows[0])
    figure = Figure(figsize=(_WIDE, _WIDE / width * height * len(rows) + 1.0), layout="constrained")
    panels = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    for place, row in zip(panels, rows, strict=True):
        _strip(place, Row("", row.images_NHWC))
        place.set_ylabel(row.name, rotation=0, ha="right", va="center", fontsize=8)
    count = len(columns)
    for at, name in enumerate(columns):
        panels[0].text((at + 0.5) / count, 1.04, name, transform=panels[0].transAxes, ha="center", fontsize=8)
    figure.suptitle(title, fontsize=10, wrap=True)
    save(figure, path)


def _cloud(axes: "Axes", cloud: Cloud) -> None:
    x_N, y_N = cloud.points_N2.T
    axes.axhline(0, color=AXIS, linewidth=0.6)
    axes.axvline(0, color=AXIS, linewidth=0.6)
    axes.plot(x_N, y_N, ".", markersize=2, alpha=0.5, color=POINT, rasterized=True)
    reach = max(1e-6, float(np.abs(cloud.points_N2).max())) * 1.05
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)
    (xx, xy), (_, yy) = cloud.covariance_22
    axes.set_title(f"{cloud.name}\nvariances {xx:.3g}, {yy:.3g}; covariance {_small(xy)}", fontsize=7)


def _small(value: float) -> str:
    return f"{value:.3g}" if abs(value) >= 1e-9 else "0"


def _shape(row: Row) -> tuple[int, int]:
    """Height and width of a strip in pixels."""
    count, height, width, _ = row.images_NHWC.shape
    return height, count * width + (count - 1) * _gap(width)


def _gap(width: int) -> int:
    return max(_GAP, width // 16)


def _strip(axes: "Axes", row: Row) -> None:
    height, width, channels = row.images_NHWC.shape[1:]
    gap = _gap(width)
    strip = np.ones((height, *_shape(row)[1:], channels), np.float32)
    for at, image_HWC in enumerate(row.images_NHWC):
        strip[:, at * (width + gap) : at * (width + gap) + width] = image_HWC
    shown = strip[..., 0] if channels == 1 else strip
    axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if row.name:
        axes.set_title(row.name, fontsize=8, loc="left")
