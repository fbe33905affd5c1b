"""An inception module as GoogLeNet has it, and the same without its 1 x 1 reductions: channels and multiply-adds.

Legend: C channels, H x W places.
"""

from pathlib import Path

import torch
from torch import nn

from striate.figures import inception_plot as drawing
from striate.figures.inception_plot import Box
from striate.figures.table import Drawn
from striate.nets.architectures.googlenet import TABLE, Inception
from striate.nets.summary import macs_of

NAME, SIDE = "3a", 28


def draw(path: Path) -> Drawn:
    """Draw module 3a with and without its reductions."""
    into = TABLE[NAME][0]
    with_branches, without = reduced(), naive()
    drawing.draw(NAME, into, SIDE, with_branches, without, path)
    cost, dear = (sum(box.macs for branch in branches for box in branch) for branches in (with_branches, without))
    channels = [sum(branch[-1].channels for branch in branches) for branches in (with_branches, without)]
    weights = sum(parameter.numel() for parameter in Inception(TABLE[NAME], bn=False, act="relu").parameters())
    five, naked = (branches[2][-1].macs + sum(box.macs for box in branches[2][:-1]) for branches in (with_branches, without))
    return Drawn(
        (
            f"inception{NAME}: {into} x {SIDE} x {SIDE} -> {channels[0]} x {SIDE} x {SIDE}, {weights:,} parameters, {cost:,} "
            "multiply-adds",
            f"without reductions: {channels[1]} channels, {dear:,} multiply-adds, {dear / cost:.2f} times as many",
            f"its 5 x 5 branch: {five:,} with the reduction, {naked:,} without",
        ),
        {
            "module": NAME, "input": [into, SIDE, SIDE], "channels": channels[0], "parameters": weights, "macs": cost,
            "without_reductions": {"channels": channels[1], "macs": dear}, "branch_5x5": {"macs": five, "without": naked},
        },
    )  # fmt: skip


def reduced() -> list[list[Box]]:
    """The four branches of the module, each as its layers from the input on."""
    module = Inception(TABLE[NAME], bn=False, act="relu")
    plan = (("1x1",), ("3x3_reduce", "3x3"), ("5x5_reduce", "5x5"), ("pool", "_pool_proj"))
    return [
        [_pool(TABLE[NAME][0]) if name == "pool" else _box(getattr(module, f"conv{name}")) for name in branch]
        for branch in plan
    ]


def naive() -> list[list[Box]]:
    """The same branches without 1 x 1 convolutions before the large ones or after the pool."""
    into, one, _, three, _, five, _ = TABLE[NAME]
    with torch.device("meta"):
        convs = [nn.Conv2d(into, width, side) for width, side in ((one, 1), (three, 3), (five, 5))]
    return [*([_box(conv)] for conv in convs), [_pool(into)]]


def _box(conv: nn.Conv2d) -> Box:
    side = conv.kernel_size[0]
    return Box(f"{side} x {side} conv", conv.out_channels, macs_of(conv, (conv.out_channels, SIDE, SIDE)), side)


def _pool(channels: int) -> Box:
    return Box("3 x 3 max pool", channels, 0, 3)
