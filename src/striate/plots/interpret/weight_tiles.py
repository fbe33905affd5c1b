"""The kernels of deeper layers as tiles: a row for each filter, a column for each map that it sees; or weights as one table.

Legend: F filters or units, C channels, D inputs, k x k a kernel.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.plots.canvas import GRAY
from striate.plots.mosaic import GAP, Scale, Sheet, Tile, grid_of, put, scale_of, sized
from striate.plots.save_figure import check_ending, save

MOST_FILTERS, MOST_CHANNELS, MOST_UNITS, MOST_INPUTS = 32, 32, 256, 1024
_SIDE, _SINGLE = 0.25, 0.5  # inches


def draw(title: str, weights: NDArray[np.float64], path: Path, *, each: bool = False) -> None:
    """Draw weights around a white zero: red above, blue below.

    Args:
        title: which layer of what.
        weights: F x C x k x k, of which at most 32 filters and 32 channels are drawn; or F x D, of which at most 256 units
            and 1,024 inputs; what is left out is said. Kernels over one channel are a grid, of at most 256.
        path: .svg, .png or .pdf.
        each: each filter has its own scale, in place of one for all; which of both is said.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    if weights.ndim == 2:
        _draw_table(title, weights, path, each)
        return
    if weights.shape[1] == 1:
        _draw_single(title, weights[:, 0], path, each)
        return
    shown = weights[:MOST_FILTERS, :MOST_CHANNELS]
    filters, channels, h, w = shown.shape
    width, height = _SIDE * w / max(h, w), _SIDE * h / max(h, w)
    step_x, step_y, names = width + GAP / 2, height + GAP / 2, 0.36
    whole = names + channels * step_x
    bar = 0.0 if each else 0.55
    of_F, of_C = _part(filters, len(weights), "filters"), _part(channels, weights.shape[1], "channels")
    scale = scale_of(shown)
    scale = Scale(-scale.high, scale.high)
    how = "each filter on its own scale" if each else "all on one scale"
    note = f"Kernels of {h} x {w}: {of_F} down, {of_C} across, {how}; red is above zero, blue below."
    sheet = Sheet(title, note, max(whole, 3.6), 0.2 + filters * step_y + bar)
    for c in range(channels):
        sheet.canvas.text(sheet.left + names + c * step_x + width / 2, sheet.top + 0.08, str(c), 5.5, color=GRAY)
    for f in range(filters):
        top = sheet.top + 0.18 + f * step_y
        sheet.canvas.text(sheet.left + names - 0.07, top + height / 2, str(f), 5.5, anchor="right", color=GRAY)
        most = max(float(np.abs(shown[f]).max()), 1e-30)
        own = Scale(-most, most) if each else scale
        for c in range(channels):
            sheet.image(sheet.left + names + c * step_x, top, width, height, Tile(shown[f, c]), own)
    if not each:
        sheet.bar(sheet.left + names, sheet.top + 0.28 + filters * step_y, 2.2, scale, "weight")
    sheet.save(path)


def _draw_single(title: str, kernels_Fkk: NDArray[np.float64], path: Path, each: bool) -> None:
    shown = kernels_Fkk[:MOST_UNITS]
    tiles = [Tile(kernel, str(f)) for f, kernel in enumerate(shown)]
    size = sized(shown[0], _SINGLE)
    grid = grid_of(tiles, *size, min(16, max(6, int(np.ceil(len(tiles) ** 0.5)))))
    count = _part(len(shown), len(kernels_Fkk), f"kernels of {shown.shape[1]} x {shown.shape[2]}")
    how = "each on its own scale" if each else "all on one scale"
    note = f"{count[0].upper()}{count[1:]} over one channel, {how}; red is above zero, blue below."
    most_F = np.maximum(np.abs(shown).max(axis=(1, 2)), 1e-30)
    sheet = Sheet(title, note, max(grid.width, 2.4), grid.height + (0.0 if each else 0.55))
    if each:
        tiles = [tile._replace(image=tile.image / most) for tile, most in zip(tiles, most_F, strict=True)]
    scale = Scale(-1.0, 1.0) if each else Scale(-float(most_F.max()), float(most_F.max()))
    put(sheet, tiles, grid, sheet.left, sheet.top, size, scale)
    if not each:
        sheet.bar(sheet.left, sheet.top + grid.height + 0.1, 2.2, scale, "weight")
    sheet.save(path)


def _part(shown: int, there: int, what: str) -> str:
    return f"{there:,} {what}" if shown == there else f"the first {shown:,} of {there:,} {what}"


def _draw_table(title: str, weights_FD: NDArray[np.float64], path: Path, each: bool) -> None:
    from matplotlib.figure import Figure

    shown = weights_FD[:MOST_UNITS, :MOST_INPUTS]
    most_F1 = np.abs(shown).max(axis=1, keepdims=True) if each else np.abs(shown).max(keepdims=True)
    most_F1 = np.maximum(most_F1, 1e-30)
    values = shown / most_F1 if each else shown
    most = 1.0 if each else float(most_F1[0, 0])
    figure = Figure(figsize=(9.0, 1.6 + min(5.0, max(1.2, len(shown) * 0.12))), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(values, cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
    axes.set_xlabel("input")
    axes.set_ylabel("unit")
    axes.tick_params(labelsize=8)
    if len(shown) <= 12:
        axes.set_yticks(range(len(shown)))
    figure.colorbar(drawn, ax=axes, label="weight over the unit's largest" if each else "weight", fraction=0.04, pad=0.01)
    how = "each unit on its own scale" if each else "all on one scale"
    of_F, of_D = _part(len(shown), len(weights_FD), "units"), _part(shown.shape[1], weights_FD.shape[1], "inputs")
    figure.suptitle(f"{title}: weights of {of_F} and {of_D}, {how}", fontsize=10, fontweight="bold", wrap=True)
    save(figure, path)
