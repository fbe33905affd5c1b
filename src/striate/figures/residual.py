"""A residual block of one channel, whose slope can be worked out by hand: F' without the shortcut, F' + 1 with it."""

from pathlib import Path

import torch
from torch import nn

from striate.figures import residual_plot as drawing
from striate.figures.table import Drawn
from striate.nets.architectures.residual_blocks import BasicBlock, Shortcut

FIRST, SECOND = 0.5, 0.3  # the middle weights of the two convolutions, so that F' = 0.15 where the rectifier is on
X = 2.0
BLOCKS = 20


def draw(path: Path) -> Drawn:
    """Slopes of one block, and of 1 to 20 in a row."""
    with_slope = [slope(count, "B") for count in range(1, BLOCKS + 1)]
    plain = [slope(count, "none") for count in range(1, BLOCKS + 1)]
    with torch.no_grad():
        value = float(run(block("B"), torch.tensor(X)))
    drawing.draw(FIRST, SECOND, X, value, plain, with_slope, path)
    return Drawn(
        (
            f"F(x) = {SECOND:g} relu({FIRST:g} x); at x = {X:g}: F = {value - X:g}, F + x = {value:g}",
            f"slope of F: {plain[0]:.4g}; of F + x: {with_slope[0]:.4g} = F' + 1",
            f"ten blocks in a row: {plain[9]:.3g} without shortcuts, {with_slope[9]:.3g} with them; "
            f"twenty: {plain[19]:.3g} and {with_slope[19]:.3g}",
        ),
        {"x": X, "value": value, "weights": [FIRST, SECOND], "plain": plain, "residual": with_slope},
    )


def block(option: Shortcut) -> BasicBlock:
    """A block of one channel without its norms, whose kernels are zero but for their middle."""
    made = BasicBlock(1, 1, 1, option, "relu").double()
    for norm in ("bn1", "bn2"):
        made.add_module(norm, nn.Identity())
    with torch.no_grad():
        for conv, weight in ((made.conv1, FIRST), (made.conv2, SECOND)):
            conv.weight.zero_()
            conv.weight[0, 0, 1, 1] = weight
    return made


def run(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What the block, or several, make of one pixel."""
    out: torch.Tensor = net(x.double().view(1, 1, 1, 1)).view(())
    return out


def slope(count: int, option: Shortcut) -> float:
    """The slope through so many blocks in a row, by autograd."""
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(run(nn.Sequential(*(block(option) for _ in range(count))), x), x)
    return float(found)
