"""An inception module as GoogLeNet has it, and the same without its 1 x 1 reductions: channels and multiply-adds.

Legend: C channels, H x W places.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from striate.figures.catalogue import Drawn
from striate.nets.architectures.googlenet import TABLE, Inception
from striate.nets.summary import macs_of
from striate.plots.canvas import CATEGORY_COLORS, GRAY, INK, Canvas, mixed
from striate.plots.save_figure import check_ending, save

BOX, HIGH, GAP, LEVEL = 1.42, 0.62, 0.2, 1.15  # inches
REDUCTION = "#e69f00"
NAME, SIDE = "3a", 28


class Box(NamedTuple):
    """A layer of a branch: what it is, the channels that it puts out, its multiply-adds, the side of its window."""

    kind: str
    channels: int
    macs: int
    side: int


def draw(path: Path) -> Drawn:
    """Draw module 3a with and without its reductions."""
    into = TABLE[NAME][0]
    with_branches, without = reduced(), naive()
    plot(NAME, into, SIDE, with_branches, without, path)
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


def plot(name: str, into: int, side: int, reduced: Sequence[Sequence[Box]], naive: Sequence[Sequence[Box]], path: Path) -> None:
    """Draw both modules side by side, from the input at the top to where the branches are joined.

    Args:
        name: of the module.
        into: channels of its input.
        side: of its maps.
        reduced: the branches, each from the input on.
        naive: likewise.
        path: .svg, .png or .pdf.

    """
    check_ending(path)
    wide = 4 * BOX + 3 * GAP
    canvas = Canvas(2 * wide + 1.2, 4.8)
    canvas.text(
        0.35, 0.32, f"Inception {name}: 1 x 1 reductions (orange) make the large windows cheap", 12, bold=True, across="left"
    )
    _module(canvas, 0.35, "with reductions, as in GoogLeNet", f"{into} x {side} x {side}", reduced)
    _module(canvas, wide + 0.85, "without reductions", f"{into} x {side} x {side}", naive)
    save(canvas.figure, path)


def _module(canvas: Canvas, left: float, title: str, given: str, branches: Sequence[Sequence[Box]]) -> None:
    wide = 4 * BOX + 3 * GAP
    total, channels = sum(box.macs for branch in branches for box in branch), sum(branch[-1].channels for branch in branches)
    canvas.text(left + wide / 2, 0.75, title, 10, bold=True)
    canvas.text(left + wide / 2, 0.98, f"{total / 1e6:,.1f} million multiply-adds", 9, color=GRAY)
    _bar(canvas, left, 1.2, wide, f"input {given}", CATEGORY_COLORS["input"])
    bottom = 1.2 + 0.36 + 2 * LEVEL + 0.3
    for number, branch in enumerate(branches):
        x, y = left + number * (BOX + GAP), 1.2 + 0.36
        tops = [y + 0.42, y + 0.42 + LEVEL] if len(branch) == 2 else [y + 0.42 + LEVEL / 2]
        for top, box in zip(tops, branch, strict=True):
            canvas.line([(x + BOX / 2, y), (x + BOX / 2, top)], GRAY, 1.0, arrow=True)
            _draw_box(canvas, x, top, box, len(branch) == 2)
            y = top + HIGH
        canvas.line([(x + BOX / 2, y), (x + BOX / 2, bottom)], GRAY, 1.0, arrow=True)
    label = " + ".join(str(branch[-1].channels) for branch in branches)
    _bar(canvas, left, bottom, wide, f"joined along the channels: {label} = {channels}", CATEGORY_COLORS["inception module"])


def _bar(canvas: Canvas, left: float, top: float, wide: float, text: str, color: str) -> None:
    canvas.rounded(left, top, wide, 0.36, mixed(color, "#ffffff", 0.35), INK)
    canvas.text(left + wide / 2, top + 0.18, text, 8.5, bold=True)


def _draw_box(canvas: Canvas, left: float, top: float, box: Box, of_two: bool) -> None:
    color = (
        CATEGORY_COLORS["pool"] if box.macs == 0 else REDUCTION if of_two and box.side == 1 else CATEGORY_COLORS["convolution"]
    )
    canvas.rounded(left, top, BOX, HIGH, mixed(color, "#ffffff", 0.55), mixed(color, INK, 0.35))
    canvas.text(left + BOX / 2, top + 0.14, box.kind, 8.5, bold=True)
    canvas.text(left + BOX / 2, top + 0.31, f"{box.channels} channels", 8)
    label = f"{box.macs / 1e6:,.1f} M multiply-adds" if box.macs else "no weights"
    canvas.text(left + BOX / 2, top + 0.48, label, 7.5, color=GRAY)
