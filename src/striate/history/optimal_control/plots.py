"""Images of optimal control: known answers, flights, and the backward pass of a residual network.

What comes in is what `striate history optimal_control --json` prints.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, RED, GREEN, GRAY = "#0072b2", "#d55e00", "#009e73", "#7f7f7f"
_ARROWS = 30  # at most


def draw_known(scalar: Mapping[str, Any], energy: Mapping[str, Any], limited: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw what was found for problems whose answers are known, with the answers.

    Args:
        scalar: `times`, `control`, `exact_control`, `cost`, `exact` and `largest_gradients`.
        energy: `times`, `control` and `integral`.
        limited: of three limits, each with `limit`, `times`, `path`, `cost` and `exact`.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 6.4), layout="constrained")
    (first, falls), (second, third) = figure.subplots(2, 2)
    first.plot(scalar["times"], scalar["exact_control"], color="black", linewidth=1, label="exact")
    every = max(1, len(scalar["times"]) // 20)
    first.plot(scalar["times"][::every], scalar["control"][::every], "o", color=BLUE, markersize=4, label="found")
    _label(first, f"x' = u, cost of x² + u²: J = {scalar['cost']:.5f}, exact {scalar['exact']:.5f}", "time", "control u")
    falls.plot(range(len(scalar["largest_gradients"])), scalar["largest_gradients"], color=BLUE, marker="o", markersize=3)
    falls.set_yscale("log")
    _label(falls, "the same: descent with one step size", "iteration", "largest gradient |g|")
    second.plot([0, 1], [6, -6], color="black", linewidth=1, label="exact, 6 - 12 t")
    every = max(1, len(energy["times"]) // 20)
    second.plot(energy["times"][::every], energy["control"][::every], "o", color=BLUE, markersize=4, label="found")
    _label(second, f"x'' = u, rest to rest: integral of u² = {energy['integral']:.3f}, exact 12", "time", "control u")
    for row, color in zip(limited, (RED, GREEN, BLUE), strict=True):
        label = f"limit {row['limit']:.3f}: J = {row['cost']:.3f}, exact {row['exact']:.3f}"
        third.plot(row["times"], row["path"], color=color, label=label)
        third.axhline(row["limit"], color=color, linestyle=":", linewidth=1)
    third.set_ylim(-0.17, 0.36)
    _label(third, "x'' = u below a limit (dotted)", "time", "place x")
    for axes in (first, second):
        axes.legend(fontsize=8, frameon=False)
    third.legend(fontsize=8, frameon=False, loc="lower center")
    save(figure, path)


def _label(axes: "Axes", title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, which="major", linewidth=0.4, alpha=0.6)


def draw_flight(title: str, flight: Mapping[str, Any], path: Path) -> None:
    """Draw a flight in its plane with the push, the angle over time, and how the conditions were met round by round.

    Args:
        title: what is shown.
        flight: `radius`, `around` in radians, `angle` in degrees, `times` and `days`, `target`, `from_horizon`, and `rounds` of
            `days` and `missed`.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 5.2), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(5, 4))
    plane, control, rounds = (figure.add_subplot(part) for part in (grid[:, 0], grid[0, 1], grid[1, 1]))
    radius, around = np.array(flight["radius"]), np.array(flight["around"])
    turn = np.linspace(0, 2 * np.pi, 200)
    for size, color, name in ((1.0, BLUE, "orbit of the Earth"), (flight["target"], RED, "orbit of Mars")):
        plane.plot(size * np.cos(turn), size * np.sin(turn), color=color, linewidth=1, linestyle="--", label=name)
    x, y = radius * np.cos(around), radius * np.sin(around)
    plane.plot(x, y, color="black", linewidth=1.4, label="path")
    plane.plot(0, 0, "o", color="#e69f00", markersize=9)
    plane.plot(x[-1], y[-1], "o", color="black", markersize=4)
    angle, here = np.radians(flight["angle"]), slice(None, None, -(-len(flight["angle"]) // _ARROWS))
    # an angle above the horizon, towards the motion; or from the Sun's rays, also towards the motion
    out, along = (np.sin(angle), np.cos(angle)) if flight["from_horizon"] else (np.cos(angle), np.sin(angle))
    cosine, sine = np.cos(around[:-1]), np.sin(around[:-1])
    push_x, push_y = out * cosine - along * sine, out * sine + along * cosine
    plane.quiver(
        x[:-1][here], y[:-1][here], push_x[here], push_y[here],
        color=GREEN, scale=9, width=0.005, zorder=3, label="direction of the push",
    )  # fmt: skip
    plane.set_aspect("equal")
    plane.set_xlim(-2.05, 2.05)
    plane.set_ylim(-2.05, 2.55)
    plane.set_xlabel("radii of the Earth's orbit")
    plane.set_ylabel("radii of the Earth's orbit")
    plane.legend(fontsize=8, frameon=False, loc="upper center", ncols=2)
    control.step([*flight["times"], flight["days"]], [*flight["angle"], flight["angle"][-1]], where="post", color=GREEN)
    what = "above the horizon" if flight["from_horizon"] else "from the Sun's rays"
    _label(control, "the control", "days", f"degrees {what}")
    numbers = range(1, len(flight["rounds"]) + 1)
    rounds.plot(numbers, [row["missed"] for row in flight["rounds"]], color=RED, marker="o", markersize=4)
    rounds.set_yscale("log")
    rounds.set_xticks(numbers)
    _label(rounds, "what is missed of the orbit of Mars", "round of the shifted penalty", "largest condition")
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def draw_residual(residual: Mapping[str, Any], path: Path) -> None:
    """Draw adjoints beside torch's gradients, and what a gradient is multiplied with with and without the shortcut.

    Args:
        residual: `adjoints` and `autograd`, norms at every state; `factors` of each block, `plain` and `residual`.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 3.6), layout="constrained")
    norms, each, product = figure.subplots(1, 3)
    places = range(len(residual["adjoints"]))
    norms.plot(places, residual["autograd"], "s", color=RED, markersize=7, fillstyle="none", label="torch's backward pass")
    norms.plot(places, residual["adjoints"], ".-", color=BLUE, label="Kelley's adjoints")
    norms.set_ylim(0, None)
    _label(norms, "gradient at the state before each block", "block", "length")
    blocks = range(1, len(residual["factors"]["plain"]) + 1)
    for name, color, marker, label in (("residual", BLUE, "o", "F' + 1"), ("plain", RED, "s", "F' alone")):
        values = residual["factors"][name]
        each.plot(blocks, values, marker, color=color, markersize=5, label=label)
        # a gradient comes from the last block, so the product grows from there to the first
        back = [abs(value) for value in accumulate(reversed(values), mul)][::-1]
        product.plot(blocks, back, marker=marker, markersize=4, color=color, label=label)
    each.axhline(0, color=GRAY, linewidth=0.8)
    each.axhline(1, color=GRAY, linewidth=0.8, linestyle=":")
    _label(each, "one unit: the factor of each block", "block", "factor")
    product.set_yscale("log")
    _label(product, "their product, from the end back to a block", "block", "size of the product")
    for axes in (norms, each, product):
        axes.set_xticks(range(0, len(blocks) + 1, 2))
        axes.legend(fontsize=8, frameon=False)
    save(figure, path)
