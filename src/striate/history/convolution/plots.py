"""Drawings of convolution: the window on its way over a patch, and how many weights there are."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.history.convolution.model import Step
from striate.plots.canvas import SERIES_COLORS
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
WINDOWS = SERIES_COLORS[:3]  # of the places shown, first to last


def number(value: float) -> str:
    """A value in few letters: whole numbers whole, others with two digits.

    >>> number(3.0), number(-0.1111), number(0.0004)
    ('3', '-0.11', '0')
    """
    return f"{round(value, 2):.3g}" if round(value, 2) else "0"


def weight(value: float) -> str:
    """A weight of a kernel: a fraction where it is one of few letters, so that sums can be checked by hand.

    >>> weight(1 / 9), weight(-2.0), weight(0.3217)
    ('1/9', '-2', '0.32')
    """
    fraction = Fraction(value).limit_denominator(25)
    exact = abs(float(fraction) - value) < 1e-12 and fraction.denominator % 5  # 0.2 reads better than 1/5
    return str(fraction) if exact and fraction.denominator > 2 else number(value)


class Walk(NamedTuple):
    """A kernel on its way over a patch: at most three of its places are shown, and the map that comes out."""

    stride: int
    padding: int
    padded_HW: Floats
    shown: Sequence[Step]
    map_YX: Floats  # of all places


def walks(title: str, kernel_FG: Floats, rows: Sequence[Walk], path: Path) -> None:
    """Draw a window at several places, with the products and their sum written out, a row for each stride and padding."""
    tall = 3.2 * len(rows) + 0.7
    grid_spec = {
        "left": 0.04, "right": 0.985, "top": 1 - 0.65 / tall, "bottom": 0.68 / tall, "wspace": 0.12, "hspace": 0.36,
    }  # fmt: skip
    # Laid out by hand, since hundreds of numbers are slow to measure
    with new_figure(path, 11.2, tall, title, layout=None) as figure:
        grid = figure.subplots(len(rows), 4, squeeze=False, gridspec_kw=grid_spec)
        for axes in grid.flat:
            axes.axis("off")
        for axes_row, walk in zip(grid, rows, strict=True):
            _walk(axes_row, kernel_FG, walk)


def _walk(axes_row: Sequence["Axes"], kernel_FG: Floats, walk: Walk) -> None:
    """The window at its places, then the map."""
    height, width = kernel_FG.shape
    *places, whole = axes_row
    _cells(whole, walk.map_YX, 0)
    for axes, step, color in zip(places, walk.shown, WINDOWS, strict=False):
        _cells(axes, walk.padded_HW, walk.padding)
        _frame(axes, step.top, step.left, height, width, color)
        axes.set_xlabel(_sum(walk.padded_HW, kernel_FG, step), fontsize=7, color=color)
        axes.set_title(f"row {step.row}, column {step.column} of the map", fontsize=8, color=color)
        _frame(whole, step.row, step.column, 1, 1, color)
    places[0].set_ylabel(f"stride {walk.stride}, padding {walk.padding}", fontsize=9)
    rows, columns = walk.map_YX.shape
    side = len(walk.padded_HW) - 2 * walk.padding
    whole.set_title(f"the map: {rows} x {columns}", fontsize=8)
    whole.set_xlabel(f"floor(({side} - {height} + 2 x {walk.padding}) / {walk.stride}) + 1 = {rows}", fontsize=7)


def _frame(axes: "Axes", top: int, left: int, height: int, width: int, color: str) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    corner = (left - 0.5, top - 0.5)
    axes.add_patch(Rectangle(corner, width, height, facecolor=to_rgba(color, 0.22), edgecolor=color, linewidth=2))


def _cells(axes: "Axes", values_HW: Floats, padding: int) -> None:
    """A sheet of squares with their numbers; what is padding is gray."""
    height, width = values_HW.shape
    inner_HW = np.ones((height - 2 * padding, width - 2 * padding))
    axes.axis("on")
    axes.imshow(np.pad(inner_HW, padding, constant_values=0.82), cmap="gray", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.hlines(np.arange(0.5, height - 1), -0.5, width - 0.5, color="#999999", linewidth=0.5)
    axes.vlines(np.arange(0.5, width - 1), -0.5, height - 0.5, color="#999999", linewidth=0.5)
    for (row, column), value in np.ndenumerate(values_HW):
        axes.text(column, row, number(value), fontsize=7, ha="center", va="center")


def _sum(padded_HW: Floats, kernel_FG: Floats, step: Step) -> str:
    """The products of a window, a line for each row of the kernel, and their sum."""
    lines = []
    for row, factors in enumerate(kernel_FG):
        pixels = padded_HW[step.top + row, step.left :]
        written = [weight(factor) if factor >= 0 else f"({weight(factor)})" for factor in factors]
        lines.append(" + ".join(f"{number(pixel)}·{factor}" for pixel, factor in zip(pixels, written, strict=False)))
    return " +\n".join(lines) + f"\n= {number(step.total)}"


def weights(title: str, counts: Mapping[str, int], path: Path) -> None:
    """Draw how many weights there are as bars on a logarithmic scale, with the numbers beside them."""
    with new_figure(path, 8.2, 0.5 * len(counts) + 1.3, title) as figure:
        axes = figure.subplots()
        places = range(len(counts))
        axes.barh(places, [*counts.values()], color=WINDOWS[0], height=0.62)
        for place, count in zip(places, counts.values(), strict=True):
            axes.text(count * 1.15, place, f"{count:,}", fontsize=8, va="center")
        axes.set_yticks(places, [*counts], fontsize=8)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlim(10, max(counts.values()) * 12)
        axes.set_xlabel("weights", fontsize=8)
        axes.tick_params(axis="x", labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
