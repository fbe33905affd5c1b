"""A residual block of one channel, whose derivative can be worked out by hand: F' without the shortcut, F' + 1 with it."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from striate.figures.catalogue import FigureResult
from striate.nets.architectures.residual_blocks import BasicBlock, Shortcut
from striate.plots.canvas import CATEGORY_COLORS, INK, SERIES_COLORS, mixed
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
BLUE, ORANGE = SERIES_COLORS[:2]
FIRST, SECOND = 0.5, 0.3  # the middle weights of the two convolutions, so that F' = 0.15 where the ReLU is active
X = 2.0


def draw(path: Path) -> FigureResult:
    """The block forwards and backwards, with its output and its derivative."""
    inner, whole = derivative("none"), derivative("B")
    with torch.no_grad():
        value = float(run(block("B"), torch.tensor(X)))
    with new_figure(path, 6.0, 5.0, "A residual block adds its own input: F(x) + x, whose derivative is F' + 1") as figure:
        _block(figure.subplots(), value)
    lines = (
        f"F(x) = {SECOND:g} relu({FIRST:g} x); at x = {X:g}: F = {value - X:g}, F + x = {value:g}",
        f"derivative of F: {inner:.4g}; of F + x: {whole:.4g} = F' + 1",
    )
    return FigureResult(lines, {"x": X, "value": value, "weights": [FIRST, SECOND], "derivatives": [inner, whole]})


def block(option: Shortcut, weights: tuple[float, float] = (FIRST, SECOND)) -> BasicBlock:
    """A block of one channel without its norms, whose kernels are zero but for their middle."""
    module = BasicBlock(1, 1, 1, option, "relu").double()
    for norm in ("bn1", "bn2"):
        module.add_module(norm, nn.Identity())
    with torch.no_grad():
        for conv, weight in zip((module.conv1, module.conv2), weights, strict=True):
            conv.weight.zero_()
            conv.weight[0, 0, 1, 1] = weight
    return module


def run(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The output of a block for one pixel."""
    out: torch.Tensor = net(x.double().view(1, 1, 1, 1)).view(())
    return out


def derivative(option: Shortcut, weights: tuple[float, float] = (FIRST, SECOND)) -> float:
    """The derivative of one block, by autograd."""
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(run(block(option, weights), x), x)
    return float(gradient)


def _block(axes: "Axes", value: float) -> None:
    from matplotlib.patches import Circle

    for y, text in ((5.7, f"convolution: times {FIRST:g}"), (3.3, f"convolution: times {SECOND:g}")):
        _box(axes, y, text, CATEGORY_COLORS["convolution"])
    for y in (4.5, 1.0):
        _box(axes, y, "relu", "#d9d9d9")
    for start, end in ((7.0, 5.98), (5.42, 4.78), (4.22, 3.58), (3.02, 2.32), (1.68, 1.28), (0.72, 0.1)):
        _arrow(axes, (0, start), (0, end), INK)
    axes.plot([0, 2.3, 2.3], [6.6, 6.6, 2.0], color=BLUE, linewidth=1.2)
    _arrow(axes, (2.3, 2.0), (0.32, 2.0), BLUE)
    color = mixed(CATEGORY_COLORS["residual block"], "#ffffff", 0.4)
    axes.add_patch(Circle((0, 2.0), 0.32, facecolor=color, edgecolor=INK, zorder=3))
    axes.text(0, 1.98, "+", ha="center", va="center", fontsize=13, zorder=4)
    inner, slope = FIRST * X, SECOND * FIRST
    texts = (
        (6.85, f"x = {X:g}"), (5.1, f"{inner:g}"), (3.9, f"{max(inner, 0):g}"), (2.66, f"F(x) = {value - X:g}"),
        (0.35, f"{value:g}"),
    )  # fmt: skip
    for y, text in texts:
        axes.text(-0.12, y, text, fontsize=9, ha="right", va="center")
    axes.text(2.4, 4.4, f"shortcut: x = {X:g},\nderivative 1", fontsize=9, color=BLUE, va="center")
    text = f"derivative F' =\n{SECOND:g} x {FIRST:g} = {slope:g}"
    axes.text(-1.65, 4.5, text, fontsize=9, color=ORANGE, va="center", ha="right")
    axes.text(0.5, 1.55, f"derivative F' + 1 = {slope + 1:g}", fontsize=9, va="center", fontweight="bold")
    axes.set_xlim(-3.9, 4.3)
    axes.set_ylim(-0.1, 7.2)
    axes.set_aspect("equal")
    axes.axis("off")


def _box(axes: "Axes", y: float, text: str, color: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    fill, edge = mixed(color, "#ffffff", 0.5), mixed(color, INK, 0.35)
    style = "round,pad=0,rounding_size=0.1"
    axes.add_patch(FancyBboxPatch((-1.5, y - 0.28), 3.0, 0.56, boxstyle=style, facecolor=fill, edgecolor=edge, zorder=3))
    axes.text(0, y, text, ha="center", va="center", fontsize=9, zorder=4)


def _arrow(axes: "Axes", start: tuple[float, float], end: tuple[float, float], color: str) -> None:
    style = {"arrowstyle": "-|>", "color": color, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style)
