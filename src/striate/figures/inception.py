"""An inception module as GoogLeNet has it, and the same without its 1 x 1 reductions: channels and multiply-adds."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from striate.figures.catalogue import FigureResult
from striate.nets.architectures.googlenet import TABLE, Inception
from striate.nets.summary import macs_of
from striate.plots.canvas import CATEGORY_COLORS, GRAY, INK, Canvas, mixed

BOX, HIGH, GAP, LEVEL = 1.42, 0.62, 0.2, 1.15  # inches
WIDE = 4 * BOX + 3 * GAP
REDUCTION = "#e69f00"
NAME, SIDE = "3a", 28


class Box(NamedTuple):
    """A layer of a branch; `side` is that of its window."""

    kind: str
    channels: int
    macs: int
    side: int


Branches = Sequence[Sequence[Box]]  # each from the input on


def draw(path: Path) -> FigureResult:
    """Draw module 3a with and without its reductions."""
    channels_in = TABLE[NAME][0]
    modules = reduced(), naive()
    _plot(*modules, path)
    reduced_macs, naive_macs = map(macs, modules)
    channels, naive_channels = (sum(branch[-1].channels for branch in branches) for branches in modules)
    weights = sum(parameter.numel() for parameter in Inception(TABLE[NAME], bn=False, act="relu").parameters())
    macs_5x5, naive_5x5 = (macs(branches[2:3]) for branches in modules)
    lines = (
        f"inception{NAME}: {channels_in} x {SIDE} x {SIDE} -> {channels} x {SIDE} x {SIDE}, {weights:,} parameters, "
        f"{reduced_macs:,} multiply-adds",
        f"without reductions: {naive_channels} channels, {naive_macs:,} multiply-adds, {naive_macs / reduced_macs:.2f} times "
        "as many",
        f"its 5 x 5 branch: {macs_5x5:,} with the reduction, {naive_5x5:,} without",
    )
    numbers = {
        "module": NAME, "input": [channels_in, SIDE, SIDE], "channels": channels, "parameters": weights, "macs": reduced_macs,
        "without_reductions": {"channels": naive_channels, "macs": naive_macs},
        "branch_5x5": {"macs": macs_5x5, "without": naive_5x5},
    }  # fmt: skip
    return FigureResult(lines, numbers)


def macs(branches: Branches) -> int:
    """Multiply-adds of all layers."""
    return sum(box.macs for branch in branches for box in branch)


def reduced(widths: tuple[int, ...] = TABLE[NAME], side: int = SIDE) -> list[list[Box]]:
    """The four branches of a module with these widths, as a row of the table has them, on maps of this side."""
    with torch.device("meta"):
        module = Inception(widths, bn=False, act="relu")
    convolutions = (("1x1",), ("3x3_reduce", "3x3"), ("5x5_reduce", "5x5"), ("_pool_proj",))
    branches = [[_box(getattr(module, f"conv{name}"), side) for name in branch] for branch in convolutions]
    branches[3].insert(0, _pool(widths[0]))
    return branches


def naive(widths: tuple[int, ...] = TABLE[NAME], side: int = SIDE) -> list[list[Box]]:
    """The same branches without 1 x 1 convolutions before the large ones or after the pool."""
    channels_in, width_1, _, width_3, _, width_5, _ = widths
    with torch.device("meta"):
        convs = [nn.Conv2d(channels_in, width, window) for width, window in ((width_1, 1), (width_3, 3), (width_5, 5))]
    return [*([_box(conv, side)] for conv in convs), [_pool(channels_in)]]


def _box(conv: nn.Conv2d, side: int) -> Box:
    window = conv.kernel_size[0]
    return Box(f"{window} x {window} conv", conv.out_channels, macs_of(conv, (conv.out_channels, side, side)), window)


def _pool(channels: int) -> Box:
    return Box("3 x 3 max pool", channels, 0, 3)


def _plot(reduced: Branches, naive: Branches, path: Path) -> None:
    """Both modules side by side, from the input at the top to where the branches are joined."""
    canvas = Canvas(2 * WIDE + 1.2, 4.8)
    title = f"Inception {NAME}: 1 x 1 reductions (orange) make the large windows cheap"
    canvas.text(0.35, 0.32, title, 12, bold=True, anchor="left")
    _module(canvas, 0.35, "with reductions, as in GoogLeNet", reduced)
    _module(canvas, WIDE + 0.85, "without reductions", naive)
    canvas.save(path)


def _module(canvas: Canvas, left: float, title: str, branches: Branches) -> None:
    middle = left + WIDE / 2
    canvas.text(middle, 0.75, title, 10, bold=True)
    canvas.text(middle, 0.98, f"{macs(branches) / 1e6:,.1f} million multiply-adds", 9, color=GRAY)
    _bar(canvas, left, 1.2, f"input {TABLE[NAME][0]} x {SIDE} x {SIDE}", CATEGORY_COLORS["input"])
    bottom = 1.2 + 0.36 + 2 * LEVEL + 0.3
    for number, branch in enumerate(branches):
        x, y = left + number * (BOX + GAP), 1.2 + 0.36
        tops = [y + 0.42, y + 0.42 + LEVEL] if len(branch) == 2 else [y + 0.42 + LEVEL / 2]
        for top, box in zip(tops, branch, strict=True):
            canvas.line([(x + BOX / 2, y), (x + BOX / 2, top)], GRAY, 1.0, arrow=True)
            _draw_box(canvas, x, top, box, reduces=len(branch) == 2 and box.side == 1)
            y = top + HIGH
        canvas.line([(x + BOX / 2, y), (x + BOX / 2, bottom)], GRAY, 1.0, arrow=True)
    channels = [branch[-1].channels for branch in branches]
    text = f"concatenated along the channels: {' + '.join(map(str, channels))} = {sum(channels)}"
    _bar(canvas, left, bottom, text, CATEGORY_COLORS["inception module"])


def _bar(canvas: Canvas, left: float, top: float, text: str, color: str) -> None:
    canvas.rounded(left, top, WIDE, 0.36, mixed(color, "#ffffff", 0.35), INK)
    canvas.text(left + WIDE / 2, top + 0.18, text, 8.5, bold=True)


def _draw_box(canvas: Canvas, left: float, top: float, box: Box, reduces: bool) -> None:
    color = CATEGORY_COLORS["pool"] if box.macs == 0 else REDUCTION if reduces else CATEGORY_COLORS["convolution"]
    canvas.rounded(left, top, BOX, HIGH, mixed(color, "#ffffff", 0.55), mixed(color, INK, 0.35))
    canvas.text(left + BOX / 2, top + 0.14, box.kind, 8.5, bold=True)
    canvas.text(left + BOX / 2, top + 0.31, f"{box.channels} channels", 8)
    cost = f"{box.macs / 1e6:,.1f} M multiply-adds" if box.macs else "no weights"
    canvas.text(left + BOX / 2, top + 0.48, cost, 7.5, color=GRAY)
