"""Images of a neocognitron: what its planes were shown, how every plane answers, its table, what won, what is mistaken.

Legend: P planes, H x W cells or pixels, S seeds, M patterns, K classes.
"""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.plots.canvas import GRAY, INK
from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[np.float32]
WINNER = "#d55e00"
_GAP = "#e6e6e6"  # between planes


class Shown(NamedTuple):
    """What one plane was shown: its number, the name of its group, and the exemplars, each H x W."""

    plane: int
    name: str
    exemplars: Sequence[Array]


class Sheet(NamedTuple):
    """How one layer answers: its name and the outputs of its planes, P x H x W."""

    name: str
    maps_PHW: Array


class LayerRow(Protocol):
    """A row of the table: `striate.history.neocognitron.net.Row` has it."""

    @property
    def name(self) -> str:
        """Of the layer."""

    @property
    def planes(self) -> int:
        """How many."""

    @property
    def side(self) -> int:
        """Cells of a plane, in each direction."""

    @property
    def window(self) -> int:
        """Side of what a cell sees; 0 of the input."""

    @property
    def cells(self) -> int:
        """In all planes."""

    @property
    def v_cells(self) -> int:
        """Beside them."""

    @property
    def a(self) -> int:
        """Excitatory weights that learn."""

    @property
    def b(self) -> int:
        """Inhibitory weights that learn."""


def draw_templates(title: str, shown: Sequence[Shown], path: Path, columns: int = 4) -> None:
    """Draw the exemplars of each plane side by side, under the plane's number and name.

    Args:
        title: which layer.
        shown: its planes.
        path: .svg, .png or .pdf.
        columns: planes in a row.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    rows, most = ceil(len(shown) / columns), max(len(plane.exemplars) for plane in shown)
    wide = max(0.52 * most, 0.95)
    figure = Figure(figsize=(wide * columns + 0.3, 0.78 * rows + 0.5), layout="constrained")
    for number, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_axis_off()
        if number >= len(shown):
            continue
        plane = shown[number]
        tiles_EHW = np.stack(plane.exemplars)
        sheet = mosaic(tiles_EHW, most)
        _show(axes, sheet, 1.0)
        axes.set_xlim(-0.5, max(sheet.shape[1], mosaic(tiles_EHW[:1].repeat(most, 0), most).shape[1]) - 0.5)
        axes.set_aspect("equal", anchor="W")
        axes.set_title(f"{plane.plane} {plane.name}", fontsize=6, pad=2, loc="left")
    figure.suptitle(title, fontsize=9)
    save(figure, path)


def draw_activations(title: str, image_HW: Array, sheets: Sequence[Sheet], path: Path) -> None:
    """Draw every plane of every layer for one image, each layer on a scale of its own from 0 to its largest output.

    Of a layer with more than 400 planes the 100 that answer most are drawn, the strongest first, and that is said.

    Args:
        title: what is shown.
        image_HW: what the network saw.
        sheets: layers in forward order.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    everything = [Sheet("u0", image_HW[None]), *sheets]
    across = 20
    drawn = [_strongest(sheet.maps_PHW) for sheet in everything]
    heights = [_TILE * ceil(len(maps_PHW) / across) + 0.28 for maps_PHW in drawn]
    width = _LABEL + _TILE * across + 0.15
    total = sum(heights) + 0.5
    figure = Figure(figsize=(width, total))
    figure.text(0.5, 1 - 0.22 / total, title, ha="center", va="center", fontsize=10)
    top = total - 0.5
    for sheet, maps_PHW, height in zip(everything, drawn, heights, strict=True):
        planes, h, w = sheet.maps_PHW.shape
        rows, columns = ceil(len(maps_PHW) / across), min(len(maps_PHW), across)
        box = (_LABEL / width, (top - height + 0.28) / total, _TILE * columns / width, _TILE * rows / total)
        axes = figure.add_axes(box)
        axes.set_axis_off()
        largest = float(sheet.maps_PHW.max())
        _show(axes, mosaic(maps_PHW, across), max(largest, 1e-9))
        middle = (top - (height - 0.28) / 2) / total
        active = int((sheet.maps_PHW > 0).any(axis=(1, 2)).sum())
        caption = f"{planes:,} of {h} x {w}\nactive {active:,}\nlargest {largest:.2f}"
        if len(maps_PHW) < planes:
            caption += f"\nstrongest {len(maps_PHW)}"
        figure.text(0.1 / width, middle, sheet.name, ha="left", va="center", fontsize=10, fontweight="bold", color=INK)
        figure.text((_LABEL - 0.1) / width, middle, caption, ha="right", va="center", fontsize=6, color=GRAY)
        top -= height
    save(figure, path)


def _strongest(maps_PHW: Array) -> Array:
    """All planes, or of more than 400 the 100 that answer most."""
    if len(maps_PHW) <= _MOST:
        return maps_PHW
    return maps_PHW[np.argsort(-maps_PHW.max(axis=(1, 2)), kind="stable")[:_FEW]]


_MOST, _FEW = 400, 100  # planes
_TILE, _LABEL = 0.5, 1.5  # inches: of a plane, and of what stands to the left


def mosaic(tiles_PHW: Array, columns: int) -> Array:
    """Planes side by side in rows, with a gap of a tenth of a tile around each: nan there, and -1 behind the last plane.

    >>> mosaic(np.ones((3, 12, 12), np.float32), 2).shape
    (27, 27)
    """
    planes, h, w = tiles_PHW.shape
    fine = ceil(12 / h)  # repeated, so that gaps can be thin
    tiles_PHW, h, w = tiles_PHW.repeat(fine, 1).repeat(fine, 2), fine * h, fine * w
    columns, gap = min(columns, planes), max(1, h // 12)
    rows = ceil(planes / columns)
    sheet = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap), np.nan, np.float32)
    for plane, tile_HW in enumerate(tiles_PHW):
        top, left = gap + plane // columns * (h + gap), gap + plane % columns * (w + gap)
        sheet[top : top + h, left : left + w] = tile_HW
    if planes % columns:
        sheet[-h - gap :, gap + planes % columns * (w + gap) :] = -1.0
    return sheet


def _show(axes: "Axes", sheet: Array, largest: float) -> None:
    from matplotlib import colormaps

    colors = colormaps["Blues"].with_extremes(bad=_GAP, under="white")
    axes.imshow(np.ma.masked_invalid(sheet), cmap=colors, vmin=0, vmax=largest, interpolation="nearest", aspect="auto")


def draw_table(title: str, rows: Sequence[LayerRow], path: Path) -> None:
    """Draw the table of a network: sides, planes, windows, cells and the weights that learn, with their sums.

    Args:
        title: which network.
        rows: from the input on.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    heads = ("layer", "size x planes", "sees", "cells", "V-cells", "weights a", "weights b")
    lines = [
        (
            row.name, f"{row.side} x {row.side} x {row.planes}", f"{row.window} x {row.window}" if row.window else "",
            f"{row.cells:,}", *(f"{count:,}" if count else "" for count in (row.v_cells, row.a, row.b)),
        )
        for row in rows
    ]  # fmt: skip
    sums = [f"{sum(getattr(row, name) for row in rows):,}" for name in ("cells", "v_cells", "a", "b")]
    lines.append(("all", "", "", *sums))
    figure = Figure(figsize=(7.2, 0.27 * (len(lines) + 1) + 0.6))
    axes = figure.add_axes((0.03, 0.04, 0.94, 0.96 - 0.5 / (0.27 * (len(lines) + 1) + 0.6)))
    axes.set_axis_off()
    table = axes.table(lines, colLabels=heads, loc="center", bbox=Bbox.unit(), cellLoc="right", edges="horizontal")
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    for (row, column), cell in table.get_celld().items():
        cell.set_linewidth(0.5)
        if row in (0, len(lines)):
            cell.set_text_props(fontweight="bold")
        if column == 0:
            cell.set_text_props(ha="left")
    figure.suptitle(title, fontsize=10, y=1 - 0.12 / figure.get_figheight(), va="top")
    save(figure, path)
