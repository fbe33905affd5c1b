"""The kernels of deeper layers as tiles: a row for each filter, a column for each map that it sees; or weights as one table.

Legend: F filters or units, C channels, D inputs, k x k a kernel.
"""

from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.plots.canvas import GRAY
from striate.plots.mosaic import GAP, Scale, Sheet, Tile, grid_of, put, sized
from striate.plots.save_figure import new_figure

MOST_FILTERS, MOST_CHANNELS, MOST_UNITS, MOST_INPUTS = 32, 32, 256, 1024
_SIDE, _SINGLE = 0.25, 0.5  # inches
Weights = NDArray[np.float64]


def draw(title: str, weights: Weights, path: Path) -> None:
    """Draw weights around a white zero, red above and blue below, all on one scale.

    They are F x C x k x k, of which at most 32 filters and 32 channels are drawn, or at most 256 kernels over one channel; or
    F x D, of which at most 256 units and 1,024 inputs are drawn.
    """
    if weights.ndim == 2:
        _draw_table(title, weights, path)
    elif weights.shape[1] == 1:
        _draw_single(title, weights[:, 0], path)
    else:
        _draw_tiles(title, weights, path)


def _draw_tiles(title: str, weights_FCkk: Weights, path: Path) -> None:
    shown = weights_FCkk[:MOST_FILTERS, :MOST_CHANNELS]
    filters, channels, h, w = shown.shape
    width, height = sized(shown[0, 0], _SIDE)
    step_x, step_y, names = width + GAP / 2, height + GAP / 2, 0.36
    of_F = _part(filters, len(weights_FCkk), "filters")
    of_C = _part(channels, weights_FCkk.shape[1], "channels")
    note = f"Kernels of {h} x {w}: {of_F} down, {of_C} across, all on one scale; red is above zero, blue below."
    sheet = Sheet(title, note, max(names + channels * step_x, 3.6), 0.75 + filters * step_y)
    left = sheet.left + names
    for c in range(channels):
        sheet.canvas.text(left + c * step_x + width / 2, sheet.top + 0.08, str(c), 5.5, color=GRAY)
    scale = _around_zero(shown)
    for f, kernels_Ckk in enumerate(shown):
        top = sheet.top + 0.18 + f * step_y
        sheet.canvas.text(left - 0.07, top + height / 2, str(f), 5.5, anchor="right", color=GRAY)
        for c, kernel in enumerate(kernels_Ckk):
            sheet.image(left + c * step_x, top, width, height, Tile(kernel), scale)
    sheet.bar(left, sheet.top + 0.28 + filters * step_y, 2.2, scale, "weight")
    sheet.canvas.save(path)


def _draw_single(title: str, kernels_Fkk: Weights, path: Path) -> None:
    shown = kernels_Fkk[:MOST_UNITS]
    scale = _around_zero(shown)
    tiles = [Tile(kernel, str(f)) for f, kernel in enumerate(shown)]
    grid = grid_of(tiles, _SINGLE, min(16, max(6, ceil(len(tiles) ** 0.5))))
    count = _part(len(shown), len(kernels_Fkk), f"kernels of {shown.shape[1]} x {shown.shape[2]}")
    note = f"{count[0].upper()}{count[1:]} over one channel, all on one scale; red is above zero, blue below."
    sheet = Sheet(title, note, max(grid.width, 2.4), grid.height + 0.55)
    put(sheet, tiles, grid, sheet.left, sheet.top, scale)
    sheet.bar(sheet.left, sheet.top + grid.height + 0.1, 2.2, scale, "weight")
    sheet.canvas.save(path)


def _draw_table(title: str, weights_FD: Weights, path: Path) -> None:
    shown = weights_FD[:MOST_UNITS, :MOST_INPUTS]
    scale = _around_zero(shown)
    with new_figure(path, 9.0, 1.6 + min(5.0, max(1.2, len(shown) * 0.12))) as figure:
        axes = figure.subplots()
        cells = axes.imshow(shown, scale.colors, vmin=scale.low, vmax=scale.high, aspect="auto", interpolation="nearest")
        axes.set_xlabel("input")
        axes.set_ylabel("unit")
        axes.tick_params(labelsize=8)
        if len(shown) <= 12:
            axes.set_yticks(range(len(shown)))
        figure.colorbar(cells, ax=axes, label="weight", fraction=0.04, pad=0.01)
        of_F, of_D = _part(len(shown), len(weights_FD), "units"), _part(shown.shape[1], weights_FD.shape[1], "inputs")
        text = f"{title}: weights of {of_F} and {of_D}, all on one scale"
        figure.suptitle(text, fontsize=10, fontweight="bold", wrap=True)


def _around_zero(values: Weights) -> Scale:
    most = max(float(np.abs(values).max()), 1e-30)
    return Scale(-most, most)


def _part(shown: int, count: int, noun: str) -> str:
    return f"{count:,} {noun}" if shown == count else f"the first {shown:,} of {count:,} {noun}"
