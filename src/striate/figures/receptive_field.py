"""Three 3 x 3 convolutions at stride 1 see 7 x 7 pixels, as one 7 x 7 does: fields, weights, and how often a pixel counts.

Legend: H x W pixels.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.figures.catalogue import Drawn
from striate.plots.canvas import GRAY, INK
from striate.plots.number_grid import WINDOWS, numbers
from striate.plots.save_figure import check_ending, save
from striate.workflows import nets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
_NAMES = ("image: 7 x 7", "conv1: 5 x 5", "conv2: 3 x 3", "conv3: 1 unit")
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
    plot(ways_HW.numpy(), {name: (stack.field, stack.jump, stack.weights) for name, stack in stacks.items()}, CHANNELS, path)
    lines = [
        f"{name}: sees {stack.field} px, its neighbor {stack.jump} px further; {stack.weights:,} weights"
        for name, stack in stacks.items()
    ]
    middle, corner = int(ways_HW[3, 3]), int(ways_HW[0, 0])
    return Drawn(
        (
            *lines,
            f"weights: 27 C² = {sums[0]:,} against 49 C² = {sums[1]:,}, {sums[0] / sums[1]:.0%}, with two more ReLUs",
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


def plot(ways_HW: NDArray[Any], stacks: Mapping[str, tuple[int, int, int]], channels: int, path: Path) -> None:
    """Draw the layers, the ways of each pixel, and a table.

    Args:
        ways_HW: by how many ways each pixel of the 7 x 7 reaches the unit.
        stacks: by name, what a unit sees and how far its neighbor's view is shifted in pixels, and weights.
        channels: in and out, that the weights are for.
        path: .svg, .png or .pdf.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.4, 4.9), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(5.6, 5.8))[0]
    _layers(left.subplots())
    upper, lower = right.subplots(2, 1, height_ratios=(3, 1.35))
    most = float(ways_HW.max())
    numbers(upper, ways_HW, size=8)
    upper.imshow(ways_HW, extent=(0, len(ways_HW), len(ways_HW), 0), cmap="Blues", vmin=0, vmax=1.6 * most, zorder=1.5)
    for frame in upper.patches:
        frame.set_zorder(2 if not frame.get_fill() else 1)
    for text in upper.texts:
        text.set_zorder(3)
    upper.set_title("by how many ways each pixel reaches the unit:\nthe field is 7 x 7, its middle counts most", fontsize=9)
    lower.axis("off")
    heads = ["", "sees", "next one", f"weights, C = {channels}"]
    rows = [
        [name, f"{field} x {field} px", f"{jump} px further", f"{weights:,}"] for name, (field, jump, weights) in stacks.items()
    ]
    table = lower.table(
        cellText=[heads, *rows], loc="center", cellLoc="center", edges="horizontal", colWidths=(0.31, 0.18, 0.23, 0.28)
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(1.0, 1.35)
    figure.suptitle(
        "Three 3 x 3 convolutions at stride 1 see what one 7 x 7 at stride 1 sees, with 27/49 of its weights", fontsize=11
    )
    save(figure, path)


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
        for reach in (side / 2,) if level < 3 else ():  # the whole of a sheet is what the unit at the top sees
            upper = reach - 1
            for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                (x0, y0), (x1, y1) = at(x * reach, y * reach, level), at(x * upper, y * upper, level + 1)
                axes.plot([x0, x1], [y0, y1], color=INK, linewidth=0.8, linestyle=":", zorder=2 * level + 1)
        axes.text(6.1, 3.9 * level, _NAMES[level], fontsize=9, va="center")
    axes.set_xlim(-5.6, 10.6)
    axes.set_ylim(-2, 12.6)
    axes.set_aspect("equal")
    axes.axis("off")
