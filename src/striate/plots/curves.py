"""Panels of curves: functions over one axis, side by side and below each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.axes import label
from striate.plots.canvas import GRAY, SERIES_COLORS
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
FEW = 24


class Line(NamedTuple):
    """One curve: its name and its values over the panel's x; those of one name look alike in all panels of a figure."""

    name: str
    y_P: NDArray[np.float64]
    note: str = ""  # behind the name in the legend


class Panel(NamedTuple):
    """Curves over one axis."""

    title: str
    x_label: str  # with the unit
    y_label: str
    x_P: NDArray[np.float64]
    lines: Sequence[Line]
    limits: tuple[float, float] | None = None  # lowest and highest y shown; None for what there is
    level: tuple[float, str] | None = None  # a line across, and its words


def draw(title: str, rows: Sequence[Sequence[Panel]], path: Path) -> None:
    """Draw panels in rows; a legend stands in each panel of the first row that has several lines."""
    across = max(map(len, rows))
    names = [*dict.fromkeys(line.name for row in rows for panel in row for line in panel.lines)]
    with new_figure(path, 4.6 * across, 3.2 * len(rows) + 0.4, title) as figure:
        grid = figure.subplots(len(rows), across, squeeze=False)
        for axes_row, row in zip(grid, rows, strict=True):
            for axes, panel in zip(axes_row, row, strict=True):
                curves(axes, panel, names)
        for axes, panel in zip(grid[0], rows[0], strict=True):
            if len(panel.lines) > 1:
                axes.legend(fontsize=8, frameon=False)


def curves(axes: "Axes", panel: Panel, names: Sequence[str] = ()) -> None:
    """One panel; a line's place among the `names`, else in the panel, gives its look. Few points are marked one by one."""
    axes.axhline(0, color=GRAY, linewidth=0.6)
    axes.axvline(0, color=GRAY, linewidth=0.6)
    names = names or [line.name for line in panel.lines]
    few = len(panel.x_P) <= FEW
    for line in panel.lines:
        number = names.index(line.name)
        style, color = STYLES[number % len(STYLES)], SERIES_COLORS[number % len(SERIES_COLORS)]
        legend = f"{line.name}: {line.note}" if line.note else line.name
        (drawn,) = axes.plot(panel.x_P, line.y_P, linestyle=style, color=color, linewidth=1.8, label=legend)
        if few:
            drawn.set(marker="o", markersize=4)
    if panel.level is not None:
        height, words = panel.level
        axes.axhline(height, color=GRAY, linewidth=0.8)
        axes.text(float(panel.x_P[-1]), height, words, fontsize=7.5, color=GRAY, ha="right", va="bottom")
    if panel.limits is not None:
        axes.set_ylim(*panel.limits)
    axes.set_xlim(float(panel.x_P[0]), float(panel.x_P[-1]))
    label(axes, panel.title, panel.x_label, panel.y_label)
    if few:
        axes.locator_params(axis="x", integer=True)
    axes.grid(True, linewidth=0.4, alpha=0.5)
