"""Drawings of McCulloch-Pitts networks: units as circles by delay, what they do over time, and what one unit can do."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import SettingError
from striate.history.mcculloch_pitts.model import Network, Unit, layers
from striate.plots.canvas import GRAY, INK
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXCITES, INHIBITS, BACK, ON = "#1a1a1a", "#d55e00", "#0072b2", "#56b4e9"
RADIUS, RING = 0.24, 0.055  # inches
COLUMN, ROW = 2.3, 0.78
MOST = 34  # units of a layer

Point = tuple[float, float]
_ARROW: Mapping[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0}
_PLATE: Mapping[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}


def network(title: str, net: Network, path: Path) -> None:
    """Draw a network from left to right, a column for each tick of delay; more than 34 units of a layer are a SettingError.

    A unit is a circle with its threshold in it, double where it is read, filled where it fires at tick 0. An excitatory edge
    ends in an arrow, an inhibitory one in a ring; those that lead back are blue.
    """
    columns = layers(net)
    tallest = max(map(len, columns))
    if tallest > MOST:
        raise SettingError(f"expected layers of at most {MOST} units to draw; got one of {tallest:,}.")
    spacing = COLUMN + 0.1 * tallest  # steep edges hide the ends of one another
    width, height = max(spacing * (len(columns) - 1) + 2.6, 6.4), ROW * tallest + 1.75
    with new_figure(path, width, height, layout=None) as figure:
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.set_axis_off()
        levels: dict[str, int] = {}
        places: dict[str, Point] = {}
        for level, names in enumerate(columns):
            x = (width - spacing * (len(columns) - 1)) / 2 + spacing * level
            _write(axes, x, 0.72, "inputs" if level == 0 else f"tick {level}", 8, color=GRAY)
            levels |= dict.fromkeys(names, level)
            places |= {name: (x, 1.0 + ROW * tallest * (i + 0.5) / len(names)) for i, name in enumerate(names)}
        leads_back = False
        for name, unit in net.units.items():
            for source in dict.fromkeys((*unit.excitatory, *unit.inhibitory)):
                back = levels[source] >= levels[name]
                leads_back |= back
                _edge(axes, places[source], places[name], unit.excitatory.count(source), back)
        for name, place in places.items():
            _node(axes, name, place, net)
        _write(axes, width / 2, 0.32, fill(title, int(12 * width)), 10)
        notes = ["blue edge: leads back"] * leads_back + ["filled: fires at tick 0"] * bool(net.firing)
        _legend(axes, width / 2, height - 0.42, "; ".join(notes))


def _write(axes: "Axes", x: float, y: float, text: str, size: float, **style: Any) -> None:
    axes.text(x, y, text, fontsize=size, va="center", **({"ha": "center"} | style))


def _node(axes: "Axes", name: str, place: Point, net: Network) -> None:
    from matplotlib.patches import Circle

    x, y = place
    if name in net.inputs:
        _write(axes, x, y, name, 9, zorder=4)
        axes.add_patch(Circle(place, RADIUS, facecolor="#e8e8e8", edgecolor="none", zorder=3))
        return
    color = ON if name in net.firing else "white"
    axes.add_patch(Circle(place, RADIUS, facecolor=color, edgecolor=INK, linewidth=1.1, zorder=3))
    if name in net.outputs:
        axes.add_patch(Circle(place, RADIUS - 0.045, fill=False, edgecolor=INK, linewidth=0.8, zorder=3))
    _write(axes, x, y, str(net.units[name].threshold), 9, zorder=4)
    _write(axes, x, y - RADIUS - 0.1, name, 7.5, zorder=5, bbox=_PLATE)


def _edge(axes: "Axes", start: Point, end: Point, copies: int, back: bool) -> None:
    """An edge, inhibitory where `copies`, the number of excitatory ones, is 0."""
    from matplotlib.patches import Circle, FancyArrowPatch

    excites = copies > 0
    color = INHIBITS if not excites else BACK if back else EXCITES
    (x, y), far = start, np.array(end)
    if start == end:  # under its circle
        corners = [(x + side * RADIUS * 0.75, y + RADIUS * 0.66) for side in (1, -1)]
        axes.add_patch(FancyArrowPatch(*corners, color=color, connectionstyle="arc3,rad=-1.3", zorder=1, **_ARROW))
        return
    towards = (far - start) / np.hypot(*(far - start))
    begin, stop = start + towards * RADIUS, far - towards * (RADIUS if excites else RADIUS + 2 * RING)
    if excites:
        bend, order = f"arc3,rad={0.12 if back else 0}", 1 if back else 5
        ends = tuple(begin), tuple(stop)
        axes.add_patch(FancyArrowPatch(*ends, color=color, connectionstyle=bend, zorder=order, **_ARROW))
    else:
        axes.plot([begin[0], stop[0]], [begin[1], stop[1]], color=color, linewidth=0.9, zorder=2)
        center = tuple(far - towards * (RADIUS + RING))
        axes.add_patch(Circle(center, RING, facecolor="white", edgecolor=color, linewidth=1.1, zorder=4))
    if copies > 1:
        x, y = (begin + stop) / 2
        _write(axes, x, y, f"{copies} edges", 7, zorder=5, bbox=_PLATE)


def _legend(axes: "Axes", middle: float, y: float, notes: str) -> None:
    from matplotlib.patches import Circle, FancyArrowPatch

    left = middle - 2.4
    axes.add_patch(FancyArrowPatch((left, y), (left + 0.42, y), color=EXCITES, **_ARROW))
    axes.plot([left + 1.1, left + 1.42], [y, y], color=INHIBITS, linewidth=0.9)
    axes.add_patch(Circle((left + 1.42 + RING, y), RING, facecolor="white", edgecolor=INHIBITS, linewidth=1.1))
    texts = {0.5: "excites", 1.62: "inhibits", 2.25: "in a circle: its threshold; double circle: output"}
    for x, text in texts.items():
        _write(axes, left + x, y, text, 7.5, ha="left")
    if notes:
        _write(axes, middle, y + 0.22, notes, 7.5, color=BACK)


class Trace(NamedTuple):
    """Signals over time."""

    title: str
    names: Sequence[str]  # of the signals, from above
    active_ST: NDArray[np.bool_]  # at each tick
    marked: int  # the row of the output, from 0


def traces(title: str, panels: Sequence[Trace], path: Path) -> None:
    """Draw signals over ticks, a row for each: filled where it is active; the output in another color."""
    ticks = max(panel.active_ST.shape[1] for panel in panels)
    heights = [len(panel.names) for panel in panels]
    width, height = max(5.5, 1.9 + 0.24 * ticks), 0.24 * sum(heights) + 0.75 * len(panels) + 0.5
    with new_figure(path, width, height, title) as figure:
        grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
        for axes, panel in zip(grid[:, 0], panels, strict=True):
            for row, active_T in enumerate(panel.active_ST):
                color = INHIBITS if row == panel.marked else ON
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


class Table(NamedTuple):
    """A function of two inputs: its values for 00, 01, 10, 11, its name, and the unit that computes it, or None."""

    values: tuple[int, ...]
    name: str
    unit: Unit | None


def tables(title: str, functions: Sequence[Table], path: Path) -> None:
    """Draw functions of two inputs as squares of four, with the unit that computes each; without one, in another color."""
    from matplotlib.colors import ListedColormap

    across = 8
    rows = ceil(len(functions) / across)
    tall = 2.15 * rows + 0.5
    grid_spec = {"left": 0.035, "right": 0.99, "top": 1 - 0.75 / tall, "bottom": 0.6 / tall, "wspace": 0.3, "hspace": 0.95}
    # Laid out by hand: so many texts are slow to measure
    with new_figure(path, 1.35 * across, tall, title, layout=None) as figure:
        grid = figure.subplots(rows, across, squeeze=False, gridspec_kw=grid_spec)
        for axes in grid.flat:
            axes.axis("off")
        for axes, (values, name, unit) in zip(grid.flat, functions, strict=False):
            axes.axis("on")
            values_22 = np.reshape(values, (2, 2))
            axes.imshow(values_22, cmap=ListedColormap(["white", ON if unit else INHIBITS]), vmin=0, vmax=1)
            for (x1, x2), value in np.ndenumerate(values_22):
                _write(axes, x2, x1, str(value), 9)
            axes.set_xticks([0, 1])
            axes.set_yticks([0, 1])
            axes.tick_params(length=0, labelsize=7)
            axes.set_xlabel(f"x2\n{_described(unit)}", fontsize=7.5)
            axes.set_ylabel("x1", fontsize=7.5, rotation=0, va="center")
            axes.set_title(name, fontsize=9)


def _described(unit: Unit | None) -> str:
    """The edges of a unit in words, two lines."""
    if unit is None:
        return "no single unit:\ntwo layers"
    edges = [f"+{name}" for name in unit.excitatory] + [f"veto {name}" for name in unit.inhibitory]
    return f"{', '.join(edges) or 'no edge'}\nthreshold {unit.threshold}"
