"""Images of the tasks of 1986: how they are learned, and what hidden units come to represent.

Legend: S networks, N patterns, J units.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, RED, GRAY = "#0072b2", "#d55e00", "#7f7f7f"
_APART = 2.4  # from unit to unit, in persons


class Curves(NamedTuple):
    """How a task is learned.

    Attributes:
        title: of the task.
        errors: S lines, sweep by sweep.
        sweeps: at which each network had learned; None where it never did.
        paper: the sweeps of the paper's network; None where there is no figure.

    """

    title: str
    errors: Sequence[Sequence[float]]
    sweeps: Sequence[int | None]
    paper: int | None


def draw_learning(tasks: Sequence[Curves], path: Path) -> None:
    """Draw the error of each network over its sweeps, until it has learned; the paper's number of sweeps is a line.

    Args:
        tasks: four `Curves`.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(9.0, 6.6), layout="constrained")
    for number, (axes, curves) in enumerate(zip(figure.subplots(2, 2).flat, tasks, strict=True)):
        for errors, sweeps in zip(curves.errors, curves.sweeps, strict=True):
            shown = errors if sweeps is None else errors[: sweeps + 1]
            axes.plot(shown, color=RED if sweeps is None else BLUE, linewidth=0.9, alpha=0.7)
            axes.plot(len(shown) - 1, shown[-1], "o", color=RED if sweeps is None else BLUE, markersize=3)
        if curves.paper is not None:
            axes.axvline(curves.paper, color="black", linewidth=1, linestyle="--")
            where = axes.get_xaxis_transform()
            axes.text(curves.paper, 0.97, f" {curves.paper:,}", transform=where, fontsize=8, va="top")
        axes.set_title(curves.title, fontsize=10)
        axes.set_ylim(0, 1.2 * max(max(errors[1:]) for errors in curves.errors))
        axes.set_xlabel("sweep" if number > 1 else "")
        axes.set_ylabel("" if number % 2 else "error E, summed over patterns")
        axes.grid(True, which="major", linewidth=0.4, alpha=0.6)
    kinds = (
        Line2D([], [], color=BLUE, marker="o", markersize=3, label="learned at the dot"),
        Line2D([], [], color=RED, marker="o", markersize=3, label="not learned"),
        Line2D([], [], color="black", linewidth=1, linestyle="--", label="the paper's network, sweeps"),
    )
    figure.legend(handles=kinds, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    save(figure, path)


def draw_hidden(symmetry: Mapping[str, Any] | None, codes_NJ: Sequence[Sequence[float]], path: Path) -> None:
    """Draw the weights of a network that sees symmetry, and the codes of an encoder.

    Args:
        symmetry: `weights`, of each hidden unit from the six inputs, and the `ratio` of their sizes; None where none learned.
        codes_NJ: of eight patterns, in [0, 1].
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    bars, codes = figure.subplots(1, 2, width_ratios=(5, 3))
    if symmetry is None:
        bars.text(0.5, 0.5, "no network learned it", ha="center", transform=bars.transAxes)
        bars.set_axis_off()
    else:
        places = np.arange(1, len(symmetry["weights"][0]) + 1)
        for number, (weights, color) in enumerate(zip(symmetry["weights"], (BLUE, RED), strict=True)):
            bars.bar(places + 0.36 * number - 0.18, weights, 0.34, color=color, label=f"hidden unit {number + 1}")
        bars.axhline(0, color="black", linewidth=0.8)
        bars.axvline((places[0] + places[-1]) / 2, color=GRAY, linewidth=1, linestyle=":")
        bars.set_xlabel("input, the middle dotted")
        bars.set_ylabel("weight")
        bars.legend(fontsize=8, frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 0.98))
        ratio = " : ".join(f"{part:.2f}" for part in symmetry["ratio"])
        bars.set_title(f"symmetry: opposite about the middle, {ratio}", fontsize=10, pad=20)
    _squares(codes, codes_NJ)
    codes.set_title("encoder: eight codes of three units", fontsize=10)
    save(figure, path)


def _squares(axes: "Axes", codes_NJ: Sequence[Sequence[float]]) -> None:
    values = np.array(codes_NJ)
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=9, color="white" if value > 0.6 else "black")
    axes.set_xticks(range(values.shape[1]), [str(unit + 1) for unit in range(values.shape[1])])
    axes.set_yticks(range(len(values)), [str(pattern + 1) for pattern in range(len(values))])
    axes.set_xlabel("hidden unit")
    axes.set_ylabel("input that is on")


def draw_families(families: Mapping[str, Any], path: Path) -> None:
    """Draw what six units make of 24 persons, English above and Italians of the same place in the tree below.

    Args:
        families: `persons`, 24 names; `shown`, with `weights` of each of the six units from the persons; `learned` and
            `held_right` of each network.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    weights = np.array(families["shown"]["weights"])
    most, half = float(np.abs(weights).max()), len(families["persons"]) // 2
    figure = Figure(figsize=(8.0, 9.6), layout="constrained")
    axes = figure.subplots()
    for unit, row in enumerate(weights):
        for person, weight in enumerate(row):
            side = 0.9 * np.sqrt(abs(weight) / most)
            x, y = person % half, _APART * unit + person // half
            corner = (x - side / 2, y - side / 2)
            axes.add_patch(
                Rectangle(corner, side, side, facecolor=BLUE if weight > 0 else "white", edgecolor=BLUE, linewidth=0.9)
            )
    english, italian = families["persons"][:half], families["persons"][half:]
    axes.set_xlim(-0.6, half - 0.4)
    axes.set_ylim(_APART * len(weights) - 0.8, -0.8)
    axes.set_xticks(
        range(half), [f"{one} / {other}" for one, other in zip(english, italian, strict=True)], rotation=45, ha="right"
    )
    axes.set_yticks([_APART * unit + 0.5 for unit in range(len(weights))], [f"unit {unit + 1}" for unit in range(len(weights))])
    axes.tick_params(length=0)
    axes.set_aspect("equal")
    axes.set_facecolor("#f2f2f2")
    network = families["shown"]["network"]
    axes.set_title(
        "What six units make of 24 persons: English above, Italians below\n"
        f"filled: excites, hollow: inhibits; {families['learned'][network]} of 100 facts learned, "
        f"{families['held_right'][network]} of 4 others right",
        fontsize=10,
    )  # fmt: skip
    save(figure, path)
