"""Images of optimal control: known solutions, flights, and the backward pass of a residual network.

The mappings have the keys of the numbers that `striate history optimal_control --json` prints.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.plots.axes import label
from striate.plots.canvas import GRAY, SERIES_COLORS
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, RED, GREEN = SERIES_COLORS[:3]
_MAX_ARROWS = 30


def draw_known(scalar: Mapping[str, Any], energy: Mapping[str, Any], limited: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw what was computed for problems with known solutions beside these; `limited` has three state limits."""
    with new_figure(path, 9.0, 6.4) as figure:
        (first, gradients), (second, third) = figure.subplots(2, 2)
        title = f"x' = u, cost of x² + u²: J = {scalar['cost']:.5f}, exact {scalar['exact']:.5f}"
        _draw_control(first, title, scalar, scalar["times"], scalar["exact_control"], "exact")
        title = f"x'' = u, from rest to rest: integral of u² = {energy['integral']:.3f}, exact 12"
        _draw_control(second, title, energy, [0, 1], [6, -6], "exact, 6 - 12 t")
        gradients.plot(scalar["largest_gradients"], color=BLUE, marker="o", markersize=3)
        gradients.set_yscale("log")
        label(gradients, "the same: descent with one step size", "iteration", "largest gradient |g|", ticks=8, grid=True)
        for row, color in zip(limited, (RED, GREEN, BLUE), strict=True):
            name = f"limit {row['limit']:.3f}: J = {row['cost']:.3f}, exact {row['exact']:.3f}"
            third.plot(row["times"], row["path"], color=color, label=name)
            third.axhline(row["limit"], color=color, linestyle=":", linewidth=1)
        third.set_ylim(-0.17, 0.36)
        label(third, "x'' = u below a limit (dotted)", "time", "position x", ticks=8, grid=True)
        third.legend(fontsize=8, frameon=False, loc="lower center")


def _draw_control(
    axes: "Axes", title: str, numbers: Mapping[str, Any], times: Sequence[float], exact: Sequence[float], name: str
) -> None:
    axes.plot(times, exact, color="black", linewidth=1, label=name)
    some = slice(None, None, max(1, len(numbers["times"]) // 20))
    axes.plot(numbers["times"][some], numbers["control"][some], "o", color=BLUE, markersize=4, label="computed")
    label(axes, title, "time", "control u", ticks=8, grid=True)
    axes.legend(fontsize=8, frameon=False)


def draw_flight(title: str, flight: Mapping[str, Any], path: Path) -> None:
    """Draw a flight in its plane with the push, the angle over time, and how the conditions were met round by round."""
    with new_figure(path, 9.6, 5.2, title) as figure:
        grid = figure.add_gridspec(2, 2, width_ratios=(5, 4))
        plane, control, rounds = (figure.add_subplot(part) for part in (grid[:, 0], grid[0, 1], grid[1, 1]))
        _draw_path(plane, flight)
        control.step([*flight["times"], flight["days"]], [*flight["angle"], flight["angle"][-1]], where="post", color=GREEN)
        reference = "above the horizon" if flight["from_horizon"] else "from the Sun's rays"
        label(control, "the control", "days", f"degrees {reference}", ticks=8, grid=True)
        numbers = range(1, len(flight["rounds"]) + 1)
        rounds.plot(numbers, [row["missed"] for row in flight["rounds"]], color=RED, marker="o", markersize=4)
        rounds.set_yscale("log")
        rounds.set_xticks(numbers)
        label(rounds, "conditions of the Mars orbit", "round of the shifted penalty", "largest violation", ticks=8, grid=True)


def _draw_path(axes: "Axes", flight: Mapping[str, Any]) -> None:
    radius, around = np.array(flight["radius"]), np.array(flight["around"])
    turn = np.linspace(0, 2 * np.pi, 200)
    for size, color, name in ((1.0, BLUE, "orbit of the Earth"), (flight["target"], RED, "orbit of Mars")):
        axes.plot(size * np.cos(turn), size * np.sin(turn), color=color, linewidth=1, linestyle="--", label=name)
    x, y = radius * np.cos(around), radius * np.sin(around)
    axes.plot(x, y, color="black", linewidth=1.4, label="path")
    axes.plot(0, 0, "o", color=SERIES_COLORS[4], markersize=9)
    axes.plot(x[-1], y[-1], "o", color="black", markersize=4)
    angle, some = np.radians(flight["angle"]), slice(None, None, -(-len(flight["angle"]) // _MAX_ARROWS))
    # an angle above the horizon, towards the motion; or from the Sun's rays, also towards the motion
    out, along = (np.sin(angle), np.cos(angle)) if flight["from_horizon"] else (np.cos(angle), np.sin(angle))
    cosine, sine = np.cos(around[:-1]), np.sin(around[:-1])
    push_x, push_y = out * cosine - along * sine, out * sine + along * cosine
    axes.quiver(
        x[:-1][some], y[:-1][some], push_x[some], push_y[some], color=GREEN, scale=9, width=0.005, zorder=3,
        label="direction of the push",
    )  # fmt: skip
    axes.set_aspect("equal")
    axes.set_xlim(-2.05, 2.05)
    axes.set_ylim(-2.05, 2.55)
    label(axes, "", "radii of the Earth's orbit", "radii of the Earth's orbit", ticks=8)
    axes.legend(fontsize=8, frameon=False, loc="upper center", ncols=2)


def draw_residual(residual: Mapping[str, Any], path: Path) -> None:
    """Draw adjoints beside torch's gradients, and what a gradient is multiplied by with and without the shortcut."""
    with new_figure(path, 11.0, 3.6) as figure:
        norms, factors, products = figure.subplots(1, 3)
        norms.plot(residual["autograd"], "s", color=RED, markersize=7, fillstyle="none", label="torch's backward pass")
        norms.plot(residual["adjoints"], ".-", color=BLUE, label="Kelley's adjoints")
        norms.set_ylim(0, None)
        label(norms, "gradient at the state before each block", "block", "norm", ticks=8, grid=True)
        blocks = range(1, len(residual["factors"]["plain"]) + 1)
        for name, color, marker, legend in (("residual", BLUE, "o", "F' + 1"), ("plain", RED, "s", "F' alone")):
            values = residual["factors"][name]
            factors.plot(blocks, values, marker, color=color, markersize=5, label=legend)
            # a gradient comes from the last block, so the product grows from there to the first
            from_last = [abs(value) for value in accumulate(reversed(values), mul)][::-1]
            products.plot(blocks, from_last, marker=marker, markersize=4, color=color, label=legend)
        factors.axhline(0, color=GRAY, linewidth=0.8)
        factors.axhline(1, color=GRAY, linewidth=0.8, linestyle=":")
        label(factors, "one unit: the factor of each block", "block", "factor", ticks=8, grid=True)
        products.set_yscale("log")
        label(products, "their product, from the end back to a block", "block", "size of the product", ticks=8, grid=True)
        for axes in (norms, factors, products):
            axes.set_xticks(range(0, len(blocks) + 1, 2))
            axes.legend(fontsize=8, frameon=False)
