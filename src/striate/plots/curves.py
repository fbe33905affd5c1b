"""Panels of curves: functions over one axis, side by side and below each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.canvas import GRAY, SERIES_COLORS
from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


class Line(NamedTuple):
    """One curve: its name and its values over the panel's x."""

    name: str
    y_P: NDArray[np.float64]


class Panel(NamedTuple):
    """Curves over one axis.

    Attributes:
        title: above it.
        x_label: of the axis, with its unit.
        y_label: likewise.
        x_P: places.
        lines: curves; those of one name have one look in all panels of a figure.
        limits: lowest and highest y that are shown; None for what there is.

    """

    title: str
    x_label: str
    y_label: str
    x_P: NDArray[np.float64]
    lines: Sequence[Line]
    limits: tuple[float, float] | None = None


def draw(title: str, rows: Sequence[Sequence[Panel]], path: Path) -> None:
    """Draw panels in rows; a legend stands in each panel of the first row.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    across = max(map(len, rows))
    figure = Figure(figsize=(4.6 * across, 3.2 * len(rows) + 0.4), layout="constrained")
    grid = figure.subplots(len(rows), across, squeeze=False)
    for number, (line, row) in enumerate(zip(grid, rows, strict=True)):
        for axes, panel in zip(line, row, strict=True):
            curves(axes, panel)
            if number == 0:
                axes.legend(fontsize=8, frameon=False)
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def curves(axes: "Axes", panel: Panel) -> None:
    """One panel."""
    axes.axhline(0, color=GRAY, linewidth=0.6)
    axes.axvline(0, color=GRAY, linewidth=0.6)
    for number, line in enumerate(panel.lines):
        style, color = STYLES[number % len(STYLES)], SERIES_COLORS[number % len(SERIES_COLORS)]
        axes.plot(panel.x_P, line.y_P, linestyle=style, color=color, linewidth=1.8, label=line.name)
    if panel.limits is not None:
        axes.set_ylim(*panel.limits)
    axes.set_xlim(float(panel.x_P[0]), float(panel.x_P[-1]))
    axes.set_title(panel.title, fontsize=9)
    axes.set_xlabel(panel.x_label, fontsize=8)
    axes.set_ylabel(panel.y_label, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(True, linewidth=0.4, alpha=0.5)
