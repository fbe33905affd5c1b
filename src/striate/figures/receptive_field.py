"""Three 3 x 3 convolutions at stride 1 see 7 x 7 pixels, as one 7 x 7 does: fields, weights, and how often a pixel counts.

Legend: H x W pixels.
"""

from collections.abc import Mapping
from itertools import accumulate
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.figures.catalogue import FigureResult
from striate.nets import factory
from striate.nets.summary import layer_table
from striate.plots.axes import table
from striate.plots.canvas import GRAY, INK
from striate.plots.number_grid import WINDOWS, numbers
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
_NAMES = ("image: 7 x 7", "conv1: 5 x 5", "conv2: 3 x 3", "conv3: 1 unit")
CHANNELS = 64


class Stack(NamedTuple):
    """Convolutions one after the other: what the last sees, how far its neighbor's view is shifted, and the weights."""

    field: int  # pixels
    jump: int  # pixels
    weights: int  # at 64 channels in and out


def draw(path: Path) -> FigureResult:
    """Compare three 3 x 3 with one 7 x 7, at strides 1 and 4."""
    stacks = {
        "three 3 x 3, stride 1": stack(3, (1, 1, 1)),
        "one 7 x 7, stride 1": stack(7, (1,)),
        "one 7 x 7, stride 4": stack(7, (4,)),
    }
    paths_HW, three, seven = paths(3, 3), 3 * 9 * CHANNELS**2, 49 * CHANNELS**2
    _plot(paths_HW.numpy(), stacks, path)
    lines = (
        *(f"{name}: sees {field} px, its neighbor {jump} px further; {weights:,} weights"
          for name, (field, jump, weights) in stacks.items()),
        f"weights: 27 C² = {three:,} against 49 C² = {seven:,}, {three / seven:.0%}, with two more ReLUs",
        f"of the 7 x 7 pixels the center reaches the unit by {int(paths_HW[3, 3])} paths and a corner by {int(paths_HW[0, 0])}",
    )  # fmt: skip
    rows = {name: row._asdict() for name, row in stacks.items()}
    return FigureResult(lines, {"channels": CHANNELS, "paths": paths_HW.int().tolist(), "stacks": rows})


def stack(side: int, strides: tuple[int, ...]) -> Stack:
    """A stack by the layer table of a network of one line."""
    return stacks(side, strides)[-1]


def stacks(side: int, strides: tuple[int, ...]) -> list[Stack]:
    """The stack as far as each of its layers."""
    line = ", ".join(f"conv {side}x{side}x{CHANNELS} stride {stride} pad 0" for stride in strides)
    image_px = max(31, 1 + sum((side - 1) * prod(strides[:layer]) for layer in range(len(strides))))
    net = factory.outline(f"{line}, globalpool, fc 2", (CHANNELS, image_px, image_px), 2)
    rows = [row for row in layer_table(net) if row.kind == "Conv2d"]
    weights = accumulate(row.parameters - CHANNELS for row in rows)  # without biases
    return [Stack(row.receptive_field, row.jump, total) for row, total in zip(rows, weights, strict=True)]


def paths(side: int, layers: int, stride: int = 1) -> Tensor:
    """By how many paths each pixel reaches one unit: the gradient through kernels of ones."""
    net = nn.Sequential(*(nn.Conv2d(1, 1, side, stride, bias=False) for _ in range(layers)))
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    field = 1 + sum((side - 1) * stride**layer for layer in range(layers))
    image_11HW = torch.zeros(1, 1, field, field, requires_grad=True)
    (paths_11HW,) = torch.autograd.grad(net(image_11HW).sum(), image_11HW)
    paths_HW: Tensor = paths_11HW[0, 0]
    return paths_HW


def _plot(paths_HW: NDArray[Any], stacks: Mapping[str, Stack], path: Path) -> None:
    """The layers, the paths of each pixel, and a table."""
    title = "Three 3 x 3 convolutions at stride 1 see what one 7 x 7 at stride 1 sees, with 27/49 of its weights"
    with new_figure(path, 11.4, 4.9, title) as figure:
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(5.6, 5.8))[0]
        _layers(left.subplots())
        upper, lower = right.subplots(2, 1, height_ratios=(3, 1.35))
        side, most = len(paths_HW), float(paths_HW.max())
        numbers(upper, paths_HW, size=8)
        upper.imshow(paths_HW, extent=(0, side, side, 0), cmap="Blues", vmin=0, vmax=1.6 * most, zorder=1.5)
        for frame in upper.patches:
            frame.set_zorder(2 if not frame.get_fill() else 1)
        for text in upper.texts:
            text.set_zorder(3)
        upper.set_title("paths from each pixel to the unit:\nthe field is 7 x 7, its center counts most", fontsize=9)
        heads = ["", "sees", "next one", f"weights, C = {CHANNELS}"]
        rows = [
            [name, f"{field} x {field} px", f"{jump} px further", f"{weights:,}"]
            for name, (field, jump, weights) in stacks.items()
        ]
        table(lower, [heads, *rows], (1.0, 1.35), colWidths=(0.31, 0.18, 0.23, 0.28))


def _layers(axes: "Axes") -> None:
    """Four squares of places as slanted sheets, the image lowest, with the window that each upper one looks through."""
    from matplotlib.patches import Polygon

    def at(x: float, y: float, level: int) -> tuple[float, float]:
        return x + 0.45 * y, 0.42 * y + 3.9 * level

    for level, side in enumerate((7, 5, 3, 1)):
        first, last = -side / 2, side / 2
        corners = [at(x, y, level) for x, y in ((first, first), (last, first), (last, last), (first, last))]
        axes.add_patch(Polygon(corners, facecolor=WINDOWS[level], alpha=0.22, edgecolor="none", zorder=2 * level))
        for step in range(side + 1):
            for start, end in (((first + step, first), (first + step, last)), ((first, first + step), (last, first + step))):
                (x0, y0), (x1, y1) = at(*start, level), at(*end, level)
                axes.plot([x0, x1], [y0, y1], color=GRAY, linewidth=0.7, zorder=2 * level + 0.5)
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)) if level < 3 else ():  # the whole sheet is what the top unit sees
            (x0, y0), (x1, y1) = at(x * last, y * last, level), at(x * (last - 1), y * (last - 1), level + 1)
            axes.plot([x0, x1], [y0, y1], color=INK, linewidth=0.8, linestyle=":", zorder=2 * level + 1)
        axes.text(6.1, 3.9 * level, _NAMES[level], fontsize=9, va="center")
    axes.set_xlim(-5.6, 10.6)
    axes.set_ylim(-2, 12.6)
    axes.set_aspect("equal")
    axes.axis("off")
