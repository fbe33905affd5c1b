"""Drawings of convolution: kernels with their numbers, the window on its way, the flip, and how many weights."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.plots.image_panels import SIDE, height, show
from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
WINDOWS = ("#0072b2", "#d55e00", "#009e73")  # of the places shown, first to last
_NUMBERED = 9  # largest side whose numbers are legible


class Shown(NamedTuple):
    """A panel: its name, its values, and whether they are written into it."""

    name: str
    values_HW: Floats
    numbers: bool = False


def panels(title: str, rows: Sequence[Sequence[Shown | None]], path: Path) -> None:
    """Draw images, kernels and maps in rows, None for an empty place; where there is something below 0, gray is 0.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    across = max(map(len, rows))
    heights = [SIDE * max(height(shown.values_HW) for shown in row if shown) + 0.45 for row in rows]
    figure = Figure(figsize=(SIDE * across + 0.4, sum(heights) + 0.4), layout="constrained")
    grid = figure.subplots(len(rows), across, squeeze=False, height_ratios=heights)
    for axes in grid.flat:
        axes.axis("off")
    for line, row in zip(grid, rows, strict=True):
        for axes, shown in zip(line, row, strict=False):
            if shown is None:
                continue
            show(axes, shown.values_HW)
            axes.set_title("\n".join(wrap(shown.name, 34)), fontsize=8)
            if shown.numbers and max(shown.values_HW.shape) <= _NUMBERED:
                _write(axes, shown.values_HW)
    figure.suptitle("\n".join(wrap(title, int(12 * SIDE * across))), fontsize=10)
    save(figure, path)


def _write(axes: "Axes", values_HW: Floats) -> None:
    """The numbers into their cells, black on bright ones and white on dark."""
    least, most = axes.images[0].get_clim()
    size = min(9.0, 52 / max(values_HW.shape))
    for (row, column), value in np.ndenumerate(values_HW):
        bright = value > ((least or 0.0) + (most or 0.0)) / 2
        axes.text(column, row, weight(value), fontsize=size, ha="center", va="center", color="black" if bright else "white")


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


class StepLike(Protocol):
    """What is drawn of a step: `striate.history.convolution.model.Step` has it."""

    @property
    def row(self) -> int:
        """Of the map."""

    @property
    def column(self) -> int:
        """Of the map."""

    @property
    def top(self) -> int:
        """Of the window, in the padded image."""

    @property
    def left(self) -> int:
        """Of the window, in the padded image."""

    @property
    def total(self) -> float:
        """The value of the map."""


class Walk(NamedTuple):
    """A kernel on its way over a patch: three of its places are shown, and the map that comes out.

    Attributes:
        stride: pixels from one window to the next.
        padding: rows and columns of zeros on each side.
        padded_HW: the patch with them.
        shown: the places, at most three.
        map_YX: of all places.

    """

    stride: int
    padding: int
    padded_HW: Floats
    shown: Sequence[StepLike]
    map_YX: Floats


def walks(title: str, kernel_FG: Floats, rows: Sequence[Walk], path: Path) -> None:
    """Draw a window at several places, with the products and their sum written out, a row for each stride and padding.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    tall = 3.2 * len(rows) + 0.7
    figure = Figure(figsize=(11.2, tall))  # laid out by hand, since hundreds of numbers are slow to measure
    grid = figure.subplots(
        len(rows), 4, squeeze=False,
        gridspec_kw={
            "left": 0.04, "right": 0.985, "top": 1 - 0.65 / tall, "bottom": 0.68 / tall, "wspace": 0.12, "hspace": 0.36,
        },
    )  # fmt: skip
    kernel_height, width = kernel_FG.shape
    for line, walk in zip(grid, rows, strict=True):
        for axes in line:
            axes.axis("off")
        for axes, step, color in zip(line, walk.shown, WINDOWS, strict=False):
            _cells(axes, walk.padded_HW, walk.padding)
            window = Rectangle(
                (step.left - 0.5, step.top - 0.5), width, kernel_height, facecolor=color, alpha=0.22, edgecolor="none"
            )
            axes.add_patch(window)
            frame = Rectangle((step.left - 0.5, step.top - 0.5), width, kernel_height, fill=False, edgecolor=color, linewidth=2)
            axes.add_patch(frame)
            axes.set_xlabel(_sum(walk.padded_HW, kernel_FG, step), fontsize=7, color=color)
            axes.set_title(f"row {step.row}, column {step.column} of the map", fontsize=8, color=color)
        line[0].set_ylabel(f"stride {walk.stride}, padding {walk.padding}", fontsize=9)
        _cells(line[3], walk.map_YX, 0)
        for step, color in zip(walk.shown, WINDOWS, strict=False):
            line[3].add_patch(
                Rectangle((step.column - 0.5, step.row - 0.5), 1, 1, facecolor=color, alpha=0.25, edgecolor=color, linewidth=2)
            )
        rows_out, columns_out = walk.map_YX.shape
        side = (
            f"floor(({walk.padded_HW.shape[0] - 2 * walk.padding} - {kernel_height} + 2 x {walk.padding}) / {walk.stride}) + 1"
        )
        line[3].set_title(f"the map: {rows_out} x {columns_out}", fontsize=8)
        line[3].set_xlabel(f"{side} = {rows_out}", fontsize=7)
    figure.suptitle(title, fontsize=10, y=1 - 0.22 / tall)
    save(figure, path)


def _cells(axes: "Axes", values_HW: Floats, padding: int) -> None:
    """A sheet of squares with their numbers; what is padding is gray."""
    height, width = values_HW.shape
    shade = np.ones((height, width))
    if padding:
        shade[:] = 0.82
        shade[padding:-padding, padding:-padding] = 1
    axes.axis("on")
    axes.imshow(shade, cmap="gray", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.hlines(np.arange(0.5, height - 1), -0.5, width - 0.5, color="#999999", linewidth=0.5)
    axes.vlines(np.arange(0.5, width - 1), -0.5, height - 0.5, color="#999999", linewidth=0.5)
    for (row, column), value in np.ndenumerate(values_HW):
        axes.text(column, row, number(value), fontsize=7, ha="center", va="center")


def _sum(padded_HW: Floats, kernel_FG: Floats, step: StepLike) -> str:
    """The products of a window, a line for each row of the kernel, and their sum."""
    height, width = kernel_FG.shape
    pixels_FG = padded_HW[step.top : step.top + height, step.left : step.left + width]
    lines = []
    for pixels, factors in zip(pixels_FG, kernel_FG, strict=True):
        terms = (
            f"{number(pixel)}·{weight(factor) if factor >= 0 else f'({weight(factor)})'}"
            for pixel, factor in zip(pixels, factors, strict=True)
        )
        lines.append(" + ".join(terms))
    return " +\n".join(lines) + f"\n= {number(step.total)}"


def weights(title: str, counts: Mapping[str, int], path: Path) -> None:
    """Draw how many weights there are as bars on a logarithmic scale, with the numbers beside them.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.2, 0.5 * len(counts) + 1.3), layout="constrained")
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
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.suptitle(title, fontsize=10)
    save(figure, path)
