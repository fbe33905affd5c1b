"""Drawings of simple and complex cells: what they are tuned to, their fields, and curves of their responses."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import ceil, cos, radians, sin
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from striate.history.cells.model import ASPECT, Bank
from striate.plots import curves
from striate.plots.axes import label
from striate.plots.canvas import GRAY, SERIES_COLORS
from striate.plots.image_panels import show
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
ORANGE = SERIES_COLORS[1]


def panel(
    title: str, x_label: str, y_label: str, x_N: Floats, kinds: Mapping[str, Floats], notes: Mapping[str, str],
    level: tuple[float, str] | None = None,
) -> curves.Panel:  # fmt: skip
    """Curves by the kind of cell, with notes in the legend, below which there is room for it."""
    lines = [curves.Line(kind, y_N, notes.get(kind, "")) for kind, y_N in kinds.items()]
    most = max(float(y_N.max()) for y_N in kinds.values())
    return curves.Panel(title, x_label, y_label, x_N, lines, (-0.04 * most, 1.28 * most), level)


def tuning(title: str, degrees_N: Floats, curves_AN: Floats, names: Sequence[str], path: Path) -> None:
    """Draw the tuning of cells of all orientations, each 1 at its highest, over orientations of a grating from 0 to 180."""
    from matplotlib import colormaps

    with new_figure(path, 8.4, 4.3, title) as figure:
        axes = figure.subplots()
        for index, (curve_N, name) in enumerate(zip(curves_AN, names, strict=True)):
            color = colormaps["twilight"](0.08 + 0.84 * index / len(names))
            axes.plot([*degrees_N, 180.0], [*curve_N, curve_N[0]], color=color, linewidth=1.6, label=name)
        axes.axhline(0.5, color=GRAY, linewidth=0.8)
        label(axes, "", "orientation of the grating, degrees", "response, highest = 1", ticks=7.5)
        axes.margins(x=0.02)
        axes.grid(True, linewidth=0.4, alpha=0.6)
        axes.set_xticks(np.arange(0, 181, 22.5))
        figure.legend(fontsize=7.5, frameon=False, loc="outside right center", title="simple cell", title_fontsize=8)


def fields(titles: tuple[str, str], image_HW: Floats, cells: Bank, pool_px: int, energy_AHW: Floats, path: Path) -> None:
    """Draw how fields tile an image, and at each place the orientation whose energy is largest, as long as that."""
    height, width = image_HW.shape
    with new_figure(path, 11, 5.4 * max(0.2, min(1.6, height / width)) + 0.75) as figure:
        left, right = figure.subplots(1, 2)
        for axes, title in zip((left, right), titles, strict=True):
            show(axes, image_HW)
            axes.set_title(fill(title, 74), fontsize=9)
            axes.set_xlim(-0.5, width - 0.5)
            axes.set_ylim(height - 0.5, -0.5)
        _tiling(left, height, width, cells, pool_px)
        right.images[0].set_alpha(0.35)
        _needles(right, energy_AHW, cells)


def _tiling(axes: "Axes", height: int, width: int, cells: Bank, pool_px: int) -> None:
    """Fields a wavelength apart, though cells stand at every pixel; in the middle all orientations, and what is pooled."""
    from matplotlib.patches import Ellipse, Rectangle

    spacing = ceil(cells.wavelength_px)
    across, along = 2 * cells.sigma_px, 2 * cells.sigma_px / ASPECT
    rows, columns = (range(min(spacing, side) // 2, side, spacing) for side in (height, width))
    for row, column in product(rows, columns):
        axes.add_patch(Ellipse((column, row), across, along, fill=False, edgecolor="#56b4e9", linewidth=0.8))
    row, column = rows[len(rows) // 2], columns[len(columns) // 2]
    for degrees in cells.degrees_A:
        style = {"fill": False, "edgecolor": "#f0e442", "linewidth": 1.2}
        axes.add_patch(Ellipse((column, row), across, along, angle=float(degrees), **style))
    corner, side = (column - pool_px - 0.5, row - pool_px - 0.5), 2 * pool_px + 1
    axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=ORANGE, linewidth=2))


def _needles(axes: "Axes", energy_AHW: Floats, cells: Bank) -> None:
    from matplotlib.collections import LineCollection

    _, height, width = energy_AHW.shape
    best_HW, most = energy_AHW.argmax(axis=0), float(energy_AHW.max()) or 1.0
    spacing = max(2, ceil(cells.wavelength_px) // 3)
    needles = []
    for row, column in product(range(spacing // 2, height, spacing), range(spacing // 2, width, spacing)):
        index = best_HW[row, column]
        length, angle = 0.55 * spacing * energy_AHW[index, row, column] / most, radians(cells.degrees_A[index])
        dx, dy = -sin(angle) * length, cos(angle) * length
        needles.append([(column - dx, row - dy), (column + dx, row + dy)])
    axes.add_collection(LineCollection(needles, colors=ORANGE, linewidths=1.1))
