"""Three 3 x 3 convolutions at stride 1 see 7 x 7 pixels, as one 7 x 7 does: fields, weights, and how often a pixel counts.

Legend: H x W pixels.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from striate.figures import receptive_field_plot as drawing
from striate.figures.table import Drawn
from striate.workflows import nets

CHANNELS = 64


class Stack(NamedTuple):
    """Convolutions one after the other: what the last sees, how it moves, and what it costs at 64 channels in and out."""

    line: str
    field: int
    jump: int
    weights: int


def draw(path: Path) -> Drawn:
    """Compare three 3 x 3 with one 7 x 7, at strides 1 and 4."""
    stacks = {
        "three 3 x 3, stride 1": measured(3, (1, 1, 1)),
        "one 7 x 7, stride 1": measured(7, (1,)),
        "one 7 x 7, stride 4": measured(7, (4,)),
    }
    ways_HW, sums = paths(3, 3), [3 * 9 * CHANNELS**2, 49 * CHANNELS**2]
    drawing.draw(
        ways_HW.numpy(), {name: (stack.field, stack.jump, stack.weights) for name, stack in stacks.items()}, CHANNELS, path
    )
    lines = [
        f"{name}: sees {stack.field} px, its neighbor {stack.jump} px further; {stack.weights:,} weights"
        for name, stack in stacks.items()
    ]
    middle, corner = int(ways_HW[3, 3]), int(ways_HW[0, 0])
    return Drawn(
        (
            *lines,
            f"weights: 27 C² = {sums[0]:,} against 49 C² = {sums[1]:,}, {sums[0] / sums[1]:.0%}, with two more rectifiers",
            f"of the 7 x 7 pixels the middle one leads up by {middle} ways and a corner by {corner}",
        ),
        {
            "channels": CHANNELS, "paths": ways_HW.int().tolist(),
            "stacks": {name: {"field": s.field, "jump": s.jump, "weights": s.weights} for name, s in stacks.items()},
        },
    )  # fmt: skip


def measured(side: int, strides: tuple[int, ...]) -> Stack:
    """A stack by the layer table of a network of one line."""
    line = ", ".join(f"conv {side}x{side}x{CHANNELS} stride {stride} pad 0" for stride in strides)
    rows = [row for row in nets.layers(f"{line}, globalpool, fc 2", size_px=31, channels=CHANNELS) if row.kind == "Conv2d"]
    biases = CHANNELS * len(rows)
    return Stack(line, rows[-1].receptive_field, rows[-1].jump, sum(row.parameters for row in rows) - biases)


def paths(side: int, layers: int) -> Tensor:
    """By how many ways each pixel reaches one unit: the gradient through kernels of ones."""
    net = nn.Sequential(*(nn.Conv2d(1, 1, side, bias=False) for _ in range(layers)))
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    seen = 1 + layers * (side - 1)
    image_11HW = torch.zeros(1, 1, seen, seen, requires_grad=True)
    (ways_11HW,) = torch.autograd.grad(net(image_11HW).sum(), image_11HW)
    ways_HW: Tensor = ways_11HW[0, 0]
    return ways_HW
