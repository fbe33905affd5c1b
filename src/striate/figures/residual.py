"""A residual block of one channel, whose derivative can be worked out by hand: F' without the shortcut, F' + 1 with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from striate.figures.catalogue import Drawn
from striate.nets.architectures.residual_blocks import BasicBlock, Shortcut
from striate.plots.canvas import CATEGORY_COLORS, GRAY, INK, mixed
from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
BLUE, ORANGE = "#0072b2", "#d55e00"
FIRST, SECOND = 0.5, 0.3  # the middle weights of the two convolutions, so that F' = 0.15 where the ReLU is active
X = 2.0
BLOCKS = 20


def draw(path: Path) -> Drawn:
    """Derivatives of one block, and of 1 to 20 in a row."""
    with_slope = [slope(count, "B") for count in range(1, BLOCKS + 1)]
    plain = [slope(count, "none") for count in range(1, BLOCKS + 1)]
    with torch.no_grad():
        value = float(run(block("B"), torch.tensor(X)))
    plot(FIRST, SECOND, X, value, plain, with_slope, path)
    return Drawn(
        (
            f"F(x) = {SECOND:g} relu({FIRST:g} x); at x = {X:g}: F = {value - X:g}, F + x = {value:g}",
            f"derivative of F: {plain[0]:.4g}; of F + x: {with_slope[0]:.4g} = F' + 1",
            f"ten blocks in a row: {plain[9]:.3g} without shortcuts, {with_slope[9]:.3g} with them; "
            f"twenty: {plain[19]:.3g} and {with_slope[19]:.3g}",
        ),
        {"x": X, "value": value, "weights": [FIRST, SECOND], "plain": plain, "residual": with_slope},
    )


def block(option: Shortcut) -> BasicBlock:
    """A block of one channel without its norms, whose kernels are zero but for their middle."""
    module = BasicBlock(1, 1, 1, option, "relu").double()
    for norm in ("bn1", "bn2"):
        module.add_module(norm, nn.Identity())
    with torch.no_grad():
        for conv, weight in ((module.conv1, FIRST), (module.conv2, SECOND)):
            conv.weight.zero_()
            conv.weight[0, 0, 1, 1] = weight
    return module


def run(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What the block, or several, make of one pixel."""
    out: torch.Tensor = net(x.double().view(1, 1, 1, 1)).view(())
    return out


def slope(count: int, option: Shortcut) -> float:
    """The derivative through so many blocks in a row, by autograd."""
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(run(nn.Sequential(*(block(option) for _ in range(count))), x), x)
    return float(gradient)


def plot(
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
    right.set_ylabel("derivative of the output with respect to the input", fontsize=8)
    right.set_title("factor on a gradient, without batch norm", fontsize=9)
    right.tick_params(labelsize=8)
    right.grid(True, linewidth=0.4, alpha=0.5)
    right.legend(fontsize=8, frameon=False, loc="lower left")
    figure.suptitle("A residual block adds its own input: F(x) + x, whose derivative is F' + 1", fontsize=11)
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
    box(5.7, f"convolution: times {first:g}", CATEGORY_COLORS["convolution"])
    arrow([(0, 5.42), (0, 4.78)])
    box(4.5, "relu", "#d9d9d9")
    arrow([(0, 4.22), (0, 3.58)])
    box(3.3, f"convolution: times {second:g}", CATEGORY_COLORS["convolution"])
    arrow([(0, 3.02), (0, 2.32)])
    arrow([(0, 6.6), (2.3, 6.6), (2.3, 2.0), (0.32, 2.0)], BLUE)
    axes.add_patch(
        Circle((0, 2.0), 0.32, facecolor=mixed(CATEGORY_COLORS["residual block"], "#ffffff", 0.4), edgecolor=INK, zorder=3)
    )
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
    axes.text(2.4, 4.4, f"shortcut: x = {x:g},\nderivative 1", fontsize=9, color=BLUE, va="center")
    axes.text(
        -1.65,
        4.5,
        f"derivative F' =\n{second:g} x {first:g} = {second * first:g}",
        fontsize=9,
        color=ORANGE,
        va="center",
        ha="right",
    )
    axes.text(0.5, 1.55, f"derivative F' + 1 = {second * first + 1:g}", fontsize=9, va="center", fontweight="bold")
    axes.set_xlim(-3.9, 4.3)
    axes.set_ylim(-0.1, 7.2)
    axes.set_aspect("equal")
    axes.axis("off")
