"""Drawings of McCulloch-Pitts networks: units as circles by delay, what they do over time, and what one unit can do."""

from collections.abc import Mapping, Sequence
from math import ceil, hypot
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.plots.canvas import GRAY, INK
from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXCITES, FORBIDS, BACK, ON = "#1a1a1a", "#d55e00", "#0072b2", "#56b4e9"
RADIUS, RING = 0.24, 0.055  # inches
COLUMN, ROW = 2.3, 0.78
MOST = 34  # units of a layer

Point = tuple[float, float]


class UnitLike(Protocol):
    """What is drawn of a unit."""

    @property
    def excitatory(self) -> tuple[str, ...]:
        """Where its excitatory edges come from; a name given twice is two edges."""

    @property
    def inhibitory(self) -> tuple[str, ...]:
        """Where its inhibitory edges come from."""

    @property
    def threshold(self) -> int:
        """Active excitatory edges that it needs."""


def network(
    title: str, layers: Sequence[Sequence[str]], units: Mapping[str, UnitLike], outputs: Sequence[str], path: Path,
    firing: Sequence[str] = (),
) -> None:  # fmt: skip
    """Draw a network from left to right, a column for each tick of delay.

    A unit is a circle with its threshold in it. An excitatory edge ends in an arrow, an inhibitory one in a ring; those that
    lead back are blue.

    Args:
        title: what it computes.
        layers: the names of the inputs, then those of the units by delay.
        units: by name.
        outputs: names of the units that are read, which have a double circle.
        path: .svg, .png or .pdf.
        firing: names of the units that fire at tick 0, which are filled.

    Raises:
        SettingError: another ending, or a layer of more than 34 units.
        DiskError: the disk refused.

    """
    check_ending(path)
    if max(map(len, layers)) > MOST:
        raise SettingError(f"expected layers of at most {MOST} units to draw; got one of {max(map(len, layers)):,}.")
    from matplotlib.figure import Figure

    tallest = max(map(len, layers))
    apart = COLUMN + 0.1 * tallest  # steep edges hide the ends of one another
    width, height = max(apart * (len(layers) - 1) + 2.6, 6.4), ROW * tallest + 1.75
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    first = (width - apart * (len(layers) - 1)) / 2
    places: dict[str, Point] = {}
    levels = {name: level for level, names in enumerate(layers) for name in names}
    for level, names in enumerate(layers):
        x = first + apart * level
        axes.text(x, 0.72, "inputs" if level == 0 else f"tick {level}", fontsize=8, color=GRAY, ha="center", va="center")
        for i, name in enumerate(names):
            places[name] = (x, 1.0 + ROW * tallest * (i + 0.5) / len(names))
    for name, unit in units.items():
        for source in dict.fromkeys(unit.excitatory):
            _edge(axes, places[source], places[name], unit.excitatory.count(source), True, levels[source] >= levels[name])
        for source in dict.fromkeys(unit.inhibitory):
            _edge(axes, places[source], places[name], 1, False, levels[source] >= levels[name])
    for name, place in places.items():
        _node(axes, name, place, units.get(name), name in outputs, name in firing)
    axes.text(width / 2, 0.32, "\n".join(wrap(title, int(12 * width))), fontsize=10, ha="center", va="center")
    leads_back = any(
        levels[source] >= levels[name] for name, unit in units.items() for source in (*unit.excitatory, *unit.inhibitory)
    )
    notes = ["blue edge: leads back"] * leads_back + ["filled: fires at tick 0"] * bool(firing)
    _legend(axes, width / 2, height - 0.42, "; ".join(notes))
    save(figure, path)


def _node(axes: "Axes", name: str, place: Point, unit: UnitLike | None, read: bool, filled: bool) -> None:
    from matplotlib.patches import Circle

    x, y = place
    if unit is None:
        axes.text(x, y, name, fontsize=9, ha="center", va="center", zorder=4)
        axes.add_patch(Circle(place, RADIUS, facecolor="#e8e8e8", edgecolor="none", zorder=3))
        return
    axes.add_patch(Circle(place, RADIUS, facecolor=ON if filled else "white", edgecolor=INK, linewidth=1.1, zorder=3))
    if read:
        axes.add_patch(Circle(place, RADIUS - 0.045, fill=False, edgecolor=INK, linewidth=0.8, zorder=3))
    axes.text(x, y, str(unit.threshold), fontsize=9, ha="center", va="center", zorder=4)
    axes.text(x, y - RADIUS - 0.1, name, fontsize=7.5, ha="center", va="center", zorder=5, bbox=_PLATE)


_PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}


def _edge(axes: "Axes", start: Point, end: Point, copies: int, excites: bool, back: bool) -> None:
    from matplotlib.patches import Circle, FancyArrowPatch

    color = FORBIDS if not excites else BACK if back else EXCITES
    if start == end:
        _loop(axes, start, color)
        return
    length = hypot(end[0] - start[0], end[1] - start[1])
    towards = ((end[0] - start[0]) / length, (end[1] - start[1]) / length)
    gap = RADIUS if excites else RADIUS + 2 * RING
    begin = (start[0] + towards[0] * RADIUS, start[1] + towards[1] * RADIUS)
    stop = (end[0] - towards[0] * gap, end[1] - towards[1] * gap)
    if excites:
        axes.add_patch(
            FancyArrowPatch(
                begin, stop, arrowstyle="-|>", mutation_scale=9, color=color, linewidth=0.9, shrinkA=0, shrinkB=0,
                connectionstyle="arc3,rad=0.12" if back else "arc3,rad=0", zorder=1 if back else 5,
            )
        )  # fmt: skip
    else:
        axes.plot([begin[0], stop[0]], [begin[1], stop[1]], color=color, linewidth=0.9, zorder=2)
        ring = (end[0] - towards[0] * (RADIUS + RING), end[1] - towards[1] * (RADIUS + RING))
        axes.add_patch(Circle(ring, RING, facecolor="white", edgecolor=color, linewidth=1.1, zorder=4))
    if copies > 1:
        middle = ((begin[0] + stop[0]) / 2, (begin[1] + stop[1]) / 2)
        axes.text(*middle, f"{copies} edges", fontsize=7, ha="center", va="center", zorder=5, bbox=_PLATE)


def _loop(axes: "Axes", place: Point, color: str) -> None:
    """An edge of a unit to itself, under its circle."""
    from matplotlib.patches import FancyArrowPatch

    x, y = place
    axes.add_patch(
        FancyArrowPatch(
            (x + RADIUS * 0.75, y + RADIUS * 0.66), (x - RADIUS * 0.75, y + RADIUS * 0.66), arrowstyle="-|>", mutation_scale=9,
            color=BACK if color == EXCITES else color, linewidth=0.9, shrinkA=0, shrinkB=0,
            connectionstyle="arc3,rad=-1.3", zorder=1,
        )
    )  # fmt: skip


def _legend(axes: "Axes", middle: float, y: float, notes: str) -> None:
    from matplotlib.patches import Circle, FancyArrowPatch

    left = middle - 2.4
    axes.add_patch(
        FancyArrowPatch((left, y), (left + 0.42, y), arrowstyle="-|>", mutation_scale=9, color=EXCITES, shrinkA=0, shrinkB=0)
    )
    axes.text(left + 0.5, y, "excites", fontsize=7.5, va="center")
    axes.plot([left + 1.1, left + 1.42], [y, y], color=FORBIDS, linewidth=0.9)
    axes.add_patch(Circle((left + 1.42 + RING, y), RING, facecolor="white", edgecolor=FORBIDS, linewidth=1.1))
    axes.text(left + 1.62, y, "forbids", fontsize=7.5, va="center")
    axes.text(left + 2.25, y, "in a circle: its threshold; double circle: output", fontsize=7.5, va="center")
    if notes:
        axes.text(middle, y + 0.22, notes, fontsize=7.5, ha="center", va="center", color=BACK)


class Trace(NamedTuple):
    """Signals over time.

    Attributes:
        title: what happens.
        names: of the signals, from above.
        active_ST: whether each is active at each tick.
        marked: the row that is the answer, from 0.

    """

    title: str
    names: Sequence[str]
    active_ST: NDArray[np.bool_]
    marked: int


def traces(title: str, panels: Sequence[Trace], path: Path) -> None:
    """Draw signals over ticks, a row for each: filled where it is active; the answer in another color.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    ticks = max(panel.active_ST.shape[1] for panel in panels)
    heights = [len(panel.names) for panel in panels]
    size = (max(5.5, 1.9 + 0.24 * ticks), 0.24 * sum(heights) + 0.75 * len(panels) + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
    for axes, panel in zip(grid[:, 0], panels, strict=True):
        for row, active_T in enumerate(panel.active_ST):
            color = FORBIDS if row == panel.marked else ON
            axes.broken_barh([(float(t), 1.0) for t in np.flatnonzero(active_T)], (row + 0.1, 0.8), facecolor=color)
        axes.set_yticks([row + 0.5 for row in range(len(panel.names))], panel.names, fontsize=7.5)
        axes.set_xlim(0, ticks)
        axes.set_ylim(len(panel.names), 0)
        axes.set_xticks(range(0, ticks + 1, 2))
        axes.tick_params(length=0, labelsize=7.5)
        axes.grid(True, axis="x", linewidth=0.4, alpha=0.6)
        axes.set_axisbelow(True)
        axes.set_title(panel.title, fontsize=8.5, loc="left")
    grid[-1, 0].set_xlabel("tick (orange: the unit that is read)", fontsize=8)
    figure.suptitle(title, fontsize=10)
    save(figure, path)


class Table(NamedTuple):
    """A function of two inputs: its values for 00, 01, 10, 11, its name, and the unit that computes it, or None."""

    values: tuple[int, ...]
    name: str
    unit: UnitLike | None


def tables(title: str, functions: Sequence[Table], path: Path) -> None:
    """Draw functions of two inputs as squares of four, with the unit that computes each; without one, in another color.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    across = 8
    rows = ceil(len(functions) / across)
    tall = 2.15 * rows + 0.5
    figure = Figure(figsize=(1.35 * across, tall))  # laid out by hand: so many texts are slow to measure
    grid = figure.subplots(
        rows, across, squeeze=False,
        gridspec_kw={"left": 0.035, "right": 0.99, "top": 1 - 0.75 / tall, "bottom": 0.6 / tall, "wspace": 0.3, "hspace": 0.95},
    )  # fmt: skip
    for axes in grid.flat:
        axes.axis("off")
    for axes, (values, name, unit) in zip(grid.flat, functions, strict=False):
        axes.axis("on")
        axes.set_xlim(-0.5, 1.5)
        axes.set_ylim(1.5, -0.5)
        axes.set_aspect("equal")
        for x1, x2, value in ((0, 0, values[0]), (0, 1, values[1]), (1, 0, values[2]), (1, 1, values[3])):
            color = ("white" if not value else ON) if unit else ("white" if not value else FORBIDS)
            axes.fill([x2 - 0.5, x2 + 0.5, x2 + 0.5, x2 - 0.5], [x1 - 0.5, x1 - 0.5, x1 + 0.5, x1 + 0.5], color=color)
            axes.text(x2, x1, str(value), ha="center", va="center", fontsize=9)
        axes.set_xticks([0, 1])
        axes.set_yticks([0, 1])
        axes.tick_params(length=0, labelsize=7)
        axes.set_xlabel(f"x2\n{_described(unit)}", fontsize=7.5)
        axes.set_ylabel("x1", fontsize=7.5, rotation=0, va="center")
        axes.set_title(name, fontsize=9)
    figure.suptitle(title, fontsize=10, y=1 - 0.2 / tall)
    save(figure, path)


def _described(unit: UnitLike | None) -> str:
    """The edges of a unit in words, two lines."""
    if unit is None:
        return "no single unit:\ntwo layers"
    edges = [f"+{name}" for name in unit.excitatory] + [f"veto {name}" for name in unit.inhibitory]
    return f"{', '.join(edges) or 'no edge'}\nthreshold {unit.threshold}"
