"""Images of the tasks of 1986: how they are learned, and what hidden units come to represent.

Legend: S networks, N patterns, J units.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.axes import label
from striate.plots.canvas import GRAY, SERIES_COLORS
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, RED = SERIES_COLORS[:2]
_SPACING = 2.4  # from unit to unit, in persons


class Curves(NamedTuple):
    """How a task is learned."""

    title: str
    errors: Sequence[Sequence[float]]  # S lines, sweep by sweep
    sweeps: Sequence[int | None]  # at which each network had learned; None where it never did
    paper: int | None  # the sweeps of the paper's network; None where there is no figure


def draw_learning(tasks: Sequence[Curves], path: Path) -> None:
    """Draw the error of each network on four tasks, until it has learned; the paper's number of sweeps is a line."""
    with new_figure(path, 9.0, 6.6) as figure:
        from matplotlib.lines import Line2D

        for number, (axes, curves) in enumerate(zip(figure.subplots(2, 2).flat, tasks, strict=True)):
            for errors, sweeps in zip(curves.errors, curves.sweeps, strict=True):
                color = RED if sweeps is None else BLUE
                shown = errors if sweeps is None else errors[: sweeps + 1]
                axes.plot(shown, color=color, linewidth=0.9, alpha=0.7)
                axes.plot(len(shown) - 1, shown[-1], "o", color=color, markersize=3)
            if curves.paper is not None:
                axes.axvline(curves.paper, color="black", linewidth=1, linestyle="--")
                axes.text(curves.paper, 0.97, f" {curves.paper:,}", transform=axes.get_xaxis_transform(), fontsize=8, va="top")
            axes.set_ylim(0, 1.2 * max(max(errors[1:]) for errors in curves.errors))
            y_label = "" if number % 2 else "error E, summed over patterns"
            label(axes, curves.title, "sweep" if number > 1 else "", y_label, ticks=8, grid=True)
        kinds = (
            Line2D([], [], color=BLUE, marker="o", markersize=3, label="learned at the dot"),
            Line2D([], [], color=RED, marker="o", markersize=3, label="not learned"),
            Line2D([], [], color="black", linewidth=1, linestyle="--", label="the paper's network, sweeps"),
        )
        figure.legend(handles=kinds, loc="outside lower center", ncols=3, fontsize=9, frameon=False)


def draw_hidden(symmetry: Mapping[str, Any] | None, codes_NJ: Sequence[Sequence[float]], path: Path) -> None:
    """Draw the weights of a network that detects symmetry (None where none learned), and the codes of an encoder."""
    with new_figure(path, 9.0, 3.8) as figure:
        bars, codes = figure.subplots(1, 2, width_ratios=(5, 3))
        if symmetry is None:
            bars.text(0.5, 0.5, "no network learned it", ha="center", transform=bars.transAxes)
            bars.set_axis_off()
        else:
            _draw_bars(bars, symmetry)
        _draw_codes(codes, np.array(codes_NJ))


def _draw_bars(axes: "Axes", symmetry: Mapping[str, Any]) -> None:
    places = np.arange(1, len(symmetry["weights"][0]) + 1)
    for number, (weights, color) in enumerate(zip(symmetry["weights"], (BLUE, RED), strict=True)):
        axes.bar(places + 0.36 * number - 0.18, weights, 0.34, color=color, label=f"hidden unit {number + 1}")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.axvline((places[0] + places[-1]) / 2, color=GRAY, linewidth=1, linestyle=":")
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 0.98))
    label(axes, "", "input, the center dotted", "weight", ticks=8)
    ratio = " : ".join(f"{part:.2f}" for part in symmetry["ratio"])
    axes.set_title(f"symmetry: opposite about the center, {ratio}", fontsize=9, pad=20)


def _draw_codes(axes: "Axes", codes_NJ: NDArray[np.float64]) -> None:
    axes.imshow(codes_NJ, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(codes_NJ):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=9, color="white" if value > 0.6 else "black")
    for axis, count in ((axes.xaxis, codes_NJ.shape[1]), (axes.yaxis, len(codes_NJ))):
        axis.set_ticks(range(count), [str(number + 1) for number in range(count)])
    label(axes, "encoder: eight codes of three units", "hidden unit", "input that is on", ticks=8)


def draw_families(families: Mapping[str, Any], path: Path) -> None:
    """Draw the weights of six units from 24 persons, English above and Italians of the same place in the tree below."""
    weights = np.array(families["shown"]["weights"])
    largest, half = float(np.abs(weights).max()), len(families["persons"]) // 2
    network = families["shown"]["network"]
    with new_figure(path, 8.0, 9.6) as figure:
        from matplotlib.patches import Rectangle

        axes = figure.subplots()
        for (unit, person), weight in np.ndenumerate(weights):
            side = 0.9 * np.sqrt(abs(weight) / largest)
            corner = (person % half - side / 2, _SPACING * unit + person // half - side / 2)
            color = BLUE if weight > 0 else "white"
            axes.add_patch(Rectangle(corner, side, side, facecolor=color, edgecolor=BLUE, linewidth=0.9))
        axes.set_xlim(-0.6, half - 0.4)
        axes.set_ylim(_SPACING * len(weights) - 0.8, -0.8)
        names = [" / ".join(pair) for pair in zip(families["persons"][:half], families["persons"][half:], strict=True)]
        axes.set_xticks(range(half), names, rotation=45, ha="right")
        axes.set_yticks(_SPACING * np.arange(len(weights)) + 0.5, [f"unit {unit + 1}" for unit in range(len(weights))])
        axes.tick_params(length=0)
        axes.set_aspect("equal")
        axes.set_facecolor("#f2f2f2")
        axes.set_title(
            "Weights of six units from 24 persons: English above, Italians below\n"
            f"filled: excites, hollow: inhibits; {families['learned'][network]} of 100 facts learned, "
            f"{families['held_out_correct'][network]} of 4 others correct",
            fontsize=10,
        )  # fmt: skip
