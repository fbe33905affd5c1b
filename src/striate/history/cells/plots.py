"""Drawings of simple and complex cells: their fields, what they are tuned to, and what they make of movement."""

from collections.abc import Mapping, Sequence
from math import cos, radians, sin
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.canvas import GRAY
from striate.plots.image_panels import show
from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
SIMPLE, POOLED, ENERGY = "#0072b2", "#d55e00", "#009e73"
COLORS: Mapping[str, str] = {"simple": SIMPLE, "pooled": POOLED, "energy": ENERGY}
_DASHES: Mapping[str, str] = {"simple": "-", "pooled": "--", "energy": ":"}  # so that lines are told apart without color

_FEW = 24  # places of a curve that are marked one by one


class Curves(NamedTuple):
    """A panel: curves by the kind of cell over one axis, with what stands beside each in the legend.

    Attributes:
        title: of the panel.
        xlabel: with its unit.
        ylabel: with its unit.
        places_N: along the axis.
        by_kind: from simple, pooled, energy to N values.
        notes: by kind, for the legend.
        level: a line across, with its words.

    """

    title: str
    xlabel: str
    ylabel: str
    places_N: Floats
    by_kind: Mapping[str, Floats]
    notes: Mapping[str, str]
    level: tuple[float, str] | None = None


def curves(title: str, panels: Sequence[Curves], path: Path) -> None:
    """Draw panels of curves side by side.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(panels), 4.1), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for kind, values_N in panel.by_kind.items():
            note = panel.notes.get(kind)
            label = f"{kind}: {note}" if note else kind
            mark = "o" if len(values_N) <= _FEW else None
            style = {"color": COLORS[kind], "linewidth": 1.8, "marker": mark, "markersize": 4}
            axes.plot(panel.places_N, values_N, _DASHES[kind], label=label, **style)
        if panel.level:
            height, words = panel.level
            axes.axhline(height, color=GRAY, linewidth=0.8)
            axes.text(panel.places_N[-1], height, words, fontsize=7.5, color=GRAY, ha="right", va="bottom")
        _finish(axes, panel.title, panel.xlabel, panel.ylabel)
        most = max(float(values_N.max()) for values_N in panel.by_kind.values())
        axes.set_ylim(-0.04 * most, 1.28 * most)  # no answer is below 0; above is the legend's place
        if len(panel.places_N) <= _FEW:
            axes.xaxis.get_major_locator().set_params(integer=True)
        if len(panel.by_kind) > 1:
            axes.legend(fontsize=7.5, frameon=False, loc="upper right")
    figure.suptitle(title, fontsize=10)
    save(figure, path)


def _finish(axes: "Axes", title: str, xlabel: str, ylabel: str) -> None:
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(xlabel, fontsize=8)
    axes.set_ylabel(ylabel, fontsize=8)
    axes.tick_params(labelsize=7.5)
    axes.margins(x=0.02)
    axes.grid(True, linewidth=0.4, alpha=0.6)


def tuning(title: str, degrees_N: Floats, curves_AN: Floats, names: Sequence[str], path: Path) -> None:
    """Draw the tuning of cells of all orientations, half their height marked, from the first place round to it again.

    Args:
        title: what is shown.
        degrees_N: orientations of the grating, evenly spaced over 180 degrees from 0.
        curves_AN: answers, a row for each cell, 1 at the highest.
        names: of the cells.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.3), layout="constrained")
    axes = figure.subplots()
    for index, (curve_N, name) in enumerate(zip(curves_AN, names, strict=True)):
        color = colormaps["twilight"](0.08 + 0.84 * index / len(names))
        axes.plot([*degrees_N, 180.0], [*curve_N, curve_N[0]], color=color, linewidth=1.6, label=name)
    axes.axhline(0.5, color=GRAY, linewidth=0.8)
    _finish(axes, "", "orientation of the grating, degrees", "answer, highest = 1")
    axes.set_xticks(np.arange(0, 181, 22.5))
    lines = axes.get_legend_handles_labels()
    legend = figure.legend(*lines, fontsize=7.5, frameon=False, loc="outside right center", title="simple cell")
    legend.get_title().set_fontsize(8)
    figure.suptitle(title, fontsize=10)
    save(figure, path)


def fields(
    titles: tuple[str, str], image_HW: Floats, spacing_px: int, field_px: tuple[float, float], pool_px: float,
    degrees_A: Floats, energy_AHW: Floats, path: Path,
) -> None:  # fmt: skip
    """Draw how fields tile an image, and at each place the orientation that answers most, as long as its answer.

    Args:
        titles: of the two panels.
        image_HW: what the cells look at.
        spacing_px: from one place drawn to the next; cells stand at every pixel.
        field_px: deviations of a simple cell's field, across and along its stripes.
        pool_px: how far to each side a pooled cell looks.
        degrees_A: of the cells.
        energy_AHW: their answers.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.patches import Ellipse, Rectangle

    height, width = image_HW.shape
    figure = Figure(figsize=(11, 5.4 * max(0.2, min(1.6, height / width)) + 0.75), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows, columns = (range(min(spacing_px, side) // 2, side, spacing_px) for side in (height, width))
    for axes, title in zip((left, right), titles, strict=True):
        show(axes, image_HW)
        axes.set_title("\n".join(wrap(title, 74)), fontsize=9)
        axes.set_xlim(-0.5, width - 0.5)
        axes.set_ylim(height - 0.5, -0.5)
    across, along = 2 * field_px[0], 2 * field_px[1]
    for row in rows:
        for column in columns:
            left.add_patch(Ellipse((column, row), across, along, fill=False, edgecolor="#56b4e9", linewidth=0.8))
    row, column = rows[len(rows) // 2], columns[len(columns) // 2]
    for degrees in degrees_A:  # all that look at one place
        field = Ellipse((column, row), across, along, angle=float(degrees), fill=False, edgecolor="#f0e442", linewidth=1.2)
        left.add_patch(field)
    box = (column - pool_px - 0.5, row - pool_px - 0.5)
    left.add_patch(Rectangle(box, 2 * pool_px + 1, 2 * pool_px + 1, fill=False, edgecolor=POOLED, linewidth=2))
    right.images[0].set_alpha(0.35)
    best_HW, most = energy_AHW.argmax(axis=0), float(energy_AHW.max()) or 1.0
    fine = max(2, spacing_px // 3)
    needles = []
    for row in range(fine // 2, height, fine):
        for column in range(fine // 2, width, fine):
            index = best_HW[row, column]
            length = 0.55 * fine * energy_AHW[index, row, column] / most
            dx, dy = -sin(radians(degrees_A[index])) * length, cos(radians(degrees_A[index])) * length
            needles.append([(column - dx, row - dy), (column + dx, row + dy)])
    right.add_collection(LineCollection(needles, colors=POOLED, linewidths=1.1))
    save(figure, path)
