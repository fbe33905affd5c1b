"""A drawing of a residual block with its numbers, and of slopes through many."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from striate.plots.canvas import COLORS, GRAY, INK, mixed
from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE = "#0072b2", "#d55e00"


def draw(
    first: float, second: float, x: float, value: float, plain: Sequence[float], residual: Sequence[float], path: Path
) -> None:
    """Draw the block forwards and backwards, and beside it the slopes.

    Args:
        first: weight of the first convolution.
        second: of the second.
        x: what comes in.
        value: what goes out.
        plain: slopes through 1, 2, ... blocks without shortcuts.
        residual: likewise with them.
        path: .svg, .png or .pdf.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 5.0), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(5.2, 5.8))
    _block(left, first, second, x, value)
    counts = range(1, len(plain) + 1)
    right.plot(counts, residual, marker="o", markersize=4, color=BLUE, label="F' + 1: with shortcuts")
    right.plot(counts, plain, marker="s", markersize=4, color=ORANGE, label="F': without")
    last = len(plain)
    for number in (1, 10, last):
        for slopes, color, shift in ((residual, BLUE, (0, 8)), (plain, ORANGE, (-9, -4) if number == last else (9, 1))):
            right.annotate(
                f"{slopes[number - 1]:.3g}",
                (number, slopes[number - 1]),
                shift,
                textcoords="offset points",
                fontsize=8,
                color=color,
                ha="right" if number == last else "left",
            )
    right.set_yscale("log")
    right.set_ylim(min(plain) / 100, max(residual) * 100)
    right.axhline(1, color=GRAY, linewidth=0.7)
    right.set_xticks([1, 5, 10, 15, 20])
    right.set_xlabel("blocks in a row", fontsize=8)
    right.set_ylabel("slope of what goes out with respect to what comes in", fontsize=8)
    right.set_title("what a gradient is multiplied with, without norms", fontsize=9)
    right.tick_params(labelsize=8)
    right.grid(True, linewidth=0.4, alpha=0.5)
    right.legend(fontsize=8, frameon=False, loc="lower left")
    figure.suptitle("A residual block adds its own input: F(x) + x, whose slope is F' + 1", fontsize=11)
    save(figure, path)


def _block(axes: "Axes", first: float, second: float, x: float, value: float) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    def box(y: float, text: str, color: str) -> None:
        axes.add_patch(
            FancyBboxPatch((-1.5, y - 0.28), 3.0, 0.56, boxstyle="round,pad=0,rounding_size=0.1",
                           facecolor=mixed(color, "#ffffff", 0.5), edgecolor=mixed(color, INK, 0.35), zorder=3)
        )  # fmt: skip
        axes.text(0, y, text, ha="center", va="center", fontsize=9, zorder=4)

    def arrow(points: Sequence[tuple[float, float]], color: str = INK) -> None:
        axes.plot(*zip(*points[:-1], strict=True), color=color, linewidth=1.2)
        axes.annotate(
            "",
            points[-1],
            points[-2],
            arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0},
        )

    inner = first * x
    arrow([(0, 7.0), (0, 5.98)])
    box(5.7, f"convolution: times {first:g}", COLORS["convolution"])
    arrow([(0, 5.42), (0, 4.78)])
    box(4.5, "relu", "#d9d9d9")
    arrow([(0, 4.22), (0, 3.58)])
    box(3.3, f"convolution: times {second:g}", COLORS["convolution"])
    arrow([(0, 3.02), (0, 2.32)])
    arrow([(0, 6.6), (2.3, 6.6), (2.3, 2.0), (0.32, 2.0)], BLUE)
    axes.add_patch(Circle((0, 2.0), 0.32, facecolor=mixed(COLORS["residual block"], "#ffffff", 0.4), edgecolor=INK, zorder=3))
    axes.text(0, 1.98, "+", ha="center", va="center", fontsize=13, zorder=4)
    arrow([(0, 1.68), (0, 1.28)])
    box(1.0, "relu", "#d9d9d9")
    arrow([(0, 0.72), (0, 0.1)])
    for y, text in (
        (6.85, f"x = {x:g}"),
        (5.1, f"{inner:g}"),
        (3.9, f"{max(inner, 0):g}"),
        (2.66, f"F(x) = {value - x:g}"),
        (0.35, f"{value:g}"),
    ):
        axes.text(-0.12, y, text, fontsize=9, ha="right", va="center")
    axes.text(2.4, 4.4, f"shortcut: x = {x:g},\nslope 1", fontsize=9, color=BLUE, va="center")
    axes.text(
        -1.65,
        4.5,
        f"slope F' =\n{second:g} x {first:g} = {second * first:g}",
        fontsize=9,
        color=ORANGE,
        va="center",
        ha="right",
    )
    axes.text(0.5, 1.55, f"slope F' + 1 = {second * first + 1:g}", fontsize=9, va="center", fontweight="bold")
    axes.set_xlim(-3.9, 4.3)
    axes.set_ylim(-0.1, 7.2)
    axes.set_aspect("equal")
    axes.axis("off")
