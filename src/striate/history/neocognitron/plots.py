"""Images of a neocognitron: exemplars of its planes, responses of every plane, its table, the winners, the confusion matrix.

Legend: P planes, H x W cells or pixels, S seeds, M patterns, K classes.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from striate.plots.axes import confusion_matrix, image
from striate.plots.canvas import GRAY, INK, SERIES_COLORS
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from striate.history.neocognitron.net import Row

Array = NDArray[np.float32]
_GAP = "#e6e6e6"  # between planes
_ACROSS = 20  # planes in a row of responses
_MAX_PLANES, _STRONGEST = 400, 100  # of a layer with more planes, so many are drawn
_TILE, _NAME, _LABEL, _BETWEEN, _HEAD = 0.6, 0.22, 1.5, 0.14, 0.5  # inches: plane, its name, text on the left, gap, title
_TEMPLATE, _EXEMPLAR = 0.78, 0.58  # inches: a row of exemplars with its name, and without


def draw_templates(title: str, planes: Sequence[tuple[str, Sequence[Array]]], path: Path, columns: int = 4) -> None:
    """Draw the exemplars of each plane, each H x W, under its number and the name of its group; `columns` planes in a row."""
    rows, most = ceil(len(planes) / columns), max(len(images) for _, images in planes)
    width = max(0.52 * most, 0.95)
    whole, total = width * columns + 0.3, _TEMPLATE * rows + 0.4
    with new_figure(path, whole, total, layout=None) as figure:
        # One pair of axes, in inches from the upper left: one for each plane would take ten times as long
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        for number, (name, images) in enumerate(planes):
            row, column = divmod(number, columns)
            left, top = 0.15 + width * column, 0.45 + _TEMPLATE * row
            sheet, widest = mosaic(np.stack(images)), mosaic(np.stack([images[0]] * most)).shape[1]
            scale = min(_EXEMPLAR / sheet.shape[0], (width - 0.08) / widest)
            _show(axes, sheet, 1.0, left, top, scale)
            axes.text(left, top - 0.03, f"{number} {name}", fontsize=6, ha="left", va="bottom")
        axes.set_xlim(0, whole)
        axes.set_ylim(total, 0)
        figure.text(0.5, 1 - 0.16 / total, title, ha="center", va="center", fontsize=9)


def draw_activations(
    title: str, image_HW: Array, responses: Mapping[str, Array], names: Mapping[str, Sequence[str]], path: Path
) -> None:
    """Draw every plane of every layer, P x H x W, for one image, each layer on a scale from 0 to its largest response.

    Above each plane stands its name, of the P `names` of its layer. Of a layer with more than 400 planes the 100 that respond
    most are drawn, the strongest first, and its caption says so.
    """
    layers = {"u0": image_HW[None], **responses}
    chosen = {name: _strongest(maps_PHW) for name, maps_PHW in layers.items()}
    width, step = _LABEL + _TILE * _ACROSS + 0.15, _TILE + _NAME
    total = sum(step * ceil(len(planes) / _ACROSS) + _BETWEEN for planes in chosen.values()) + _HEAD
    with new_figure(path, width, total, layout=None) as figure:
        figure.text(0.5, 1 - 0.22 / total, title, ha="center", va="center", fontsize=10)
        top = total - _HEAD
        for name, maps_PHW in layers.items():
            planes, h, w = maps_PHW.shape
            largest, active = float(maps_PHW.max()), int((maps_PHW > 0).any(axis=(1, 2)).sum())
            caption = f"{planes:,} of {h} x {w}\nactive {active:,}\nlargest {largest:.2f}"
            if len(chosen[name]) < planes:
                caption += f"\nstrongest {len(chosen[name])}"
            y = (top - _NAME - _TILE / 2) / total
            figure.text(0.1 / width, y, name, ha="left", va="center", fontsize=10, fontweight="bold", color=INK)
            figure.text((_LABEL - 0.1) / width, y, caption, ha="right", va="center", fontsize=6, color=GRAY)
            for start in range(0, len(chosen[name]), _ACROSS):
                row = chosen[name][start : start + _ACROSS]
                axes = figure.add_axes((_LABEL / width, (top - step) / total, _TILE * len(row) / width, _TILE / total))
                axes.set_axis_off()
                _show(axes, mosaic(maps_PHW[row]), max(largest, 1e-9))
                for column, plane in enumerate(row):
                    x, text = (_LABEL + _TILE * (column + 0.5)) / width, fill(names[name][plane], 12) if name in names else ""
                    figure.text(x, (top - _NAME + 0.03) / total, text, ha="center", va="bottom", fontsize=5, color=INK)
                top -= step
            top -= _BETWEEN


def _strongest(maps_PHW: Array) -> NDArray[np.int64]:
    """The planes that are drawn."""
    if len(maps_PHW) <= _MAX_PLANES:
        return np.arange(len(maps_PHW))
    return np.argsort(-maps_PHW.max(axis=(1, 2)), kind="stable")[:_STRONGEST]


def mosaic(tiles_PHW: Array) -> Array:
    """Planes side by side, with a gap of nan, a twelfth of a tile, around each.

    >>> mosaic(np.ones((3, 12, 12), np.float32)).shape
    (14, 40)
    """
    repeats = ceil(12 / tiles_PHW.shape[1])  # so that gaps can be thin
    tiles_PHW = tiles_PHW.repeat(repeats, 1).repeat(repeats, 2)
    gap = max(1, tiles_PHW.shape[1] // 12)
    row = np.hstack([*np.pad(tiles_PHW, ((0, 0), (gap, gap), (gap, 0)), constant_values=np.nan)])
    sheet: Array = np.pad(row, ((0, 0), (0, gap)), constant_values=np.nan)
    return sheet


def _show(axes: "Axes", sheet: Array, largest: float, left: float = 0, top: float = 0, scale: float = 1) -> None:
    """The sheet in axes whose y points down: its corner, and the side of one of its pixels."""
    from matplotlib import colormaps

    colors = colormaps["Blues"].with_extremes(bad=_GAP)
    extent = (left, left + scale * sheet.shape[1], top + scale * sheet.shape[0], top)
    values = np.ma.masked_invalid(sheet)
    axes.imshow(values, cmap=colors, vmin=0, vmax=largest, interpolation="nearest", aspect="auto", extent=extent)


def draw_table(title: str, rows: Sequence["Row"], path: Path) -> None:
    """Draw the table of a network, from the input on: sides, planes, windows, cells and the weights that learn, with sums."""
    heads = ("layer", "size x planes", "window", "cells", "V-cells", "weights a", "weights b")
    lines = [
        (
            row.name, f"{row.side} x {row.side} x {row.planes}", f"{row.window} x {row.window}" if row.window else "",
            f"{row.cells:,}", *(f"{count:,}" if count else "" for count in (row.v_cells, row.a, row.b)),
        )
        for row in rows
    ]  # fmt: skip
    sums = [f"{sum(getattr(row, name) for row in rows):,}" for name in ("cells", "v_cells", "a", "b")]
    lines.append(("all", "", "", *sums))
    height = 0.27 * (len(lines) + 1) + 0.6
    with new_figure(path, 7.2, height, layout=None) as figure:
        from matplotlib.transforms import Bbox

        axes = figure.add_axes((0.03, 0.04, 0.94, 0.96 - 0.5 / height))
        axes.set_axis_off()
        table = axes.table(lines, colLabels=heads, bbox=Bbox.unit(), cellLoc="right", edges="horizontal")
        table.auto_set_font_size(False)
        table.set_fontsize(9)
        for (row, column), cell in table.get_celld().items():
            cell.set_linewidth(0.5)
            cell.set_text_props(
                fontweight="bold" if row in (0, len(lines)) else "normal", ha="left" if column == 0 else "right"
            )
        figure.suptitle(title, fontsize=10, y=1 - 0.12 / height, va="top")


def draw_winners(title: str, patterns_MHW: Array, outputs_SMP: Array, seeds: Sequence[int], path: Path) -> None:
    """Draw the response of each plane of the last layer, from 0 to 1, to each pattern, for each seed; winners are framed."""
    across = min(2, len(seeds))
    rows = ceil(len(seeds) / across)
    with new_figure(path, 4.6 * across, 1.6 + 1.75 * rows, title) as figure:
        from matplotlib.patches import Rectangle

        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.3, 1.75 * rows))[:, 0]
        for number, axes in enumerate(above.subplots(1, len(patterns_MHW), squeeze=False).flat):
            image(axes, patterns_MHW[number], cmap="Blues", vmin=0, vmax=1)
            axes.set_title(f"pattern {number}", fontsize=8)
        panels = list(below.subplots(rows, across, squeeze=False).flat)
        for axes in panels[len(seeds) :]:
            axes.set_axis_off()
        for axes, outputs_MP, seed in zip(panels, outputs_SMP, seeds, strict=False):
            colors = axes.imshow(outputs_MP, cmap="Blues", vmin=0, vmax=1, aspect="auto")
            winners = {pattern: int(row.argmax()) for pattern, row in enumerate(outputs_MP) if row.max() > 0}
            for pattern, plane in winners.items():
                frame = Rectangle((plane - 0.5, pattern - 0.5), 1, 1, fill=False, edgecolor=SERIES_COLORS[1], linewidth=1.6)
                axes.add_patch(frame)
            axes.set_title(f"seed {seed}: {len(set(winners.values()))} planes win {len(outputs_MP)} patterns", fontsize=8)
            axes.set_yticks(range(len(outputs_MP)))
            axes.set_xticks(range(0, outputs_MP.shape[1], 4))
            axes.tick_params(labelsize=7)
        below.supxlabel("plane of the last layer", fontsize=8)
        below.supylabel("pattern shown", fontsize=8)
        bar = below.colorbar(colors, ax=panels, shrink=0.6, pad=0.01)
        bar.set_label("response", fontsize=8)
        bar.ax.tick_params(labelsize=7)


def draw_confusion(title: str, counts_KK: NDArray[np.int64], names: Sequence[str], path: Path) -> None:
    """Draw the confusion matrix, true classes by predicted; the correct predictions, far more, are left white."""
    with new_figure(path, 5.2, 4.9) as figure:
        confusion_matrix(figure.subplots(), counts_KK, names, title)
