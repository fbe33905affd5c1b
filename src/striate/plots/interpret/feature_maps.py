"""What a layer makes of an image, beside the image: its maps as a sheet of small images, or its units as bars.

Legend: U units, H x W pixels of an image or places of a map, C channels.
"""

from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.plots.axes import image
from striate.plots.canvas import GRAY, SERIES_COLORS
from striate.plots.mosaic import GAP, Sheet, Tile, Values, grid_of, put, scale_of, sized
from striate.plots.save_figure import new_figure

MOST = 256
_SIDE, _INPUT = 0.62, 1.6  # inches
_BARS = 128
_BLUE, _RED = SERIES_COLORS[:2]


def draw_maps(title: str, layer: str, maps: Values, image_HWC: NDArray[np.float64], path: Path) -> None:
    """Draw the maps of one layer on one scale, U x H x W, beside their image in [0, 1]; or bars where it has none, U.

    Of more than 256 maps the first are drawn; maps of one place are bars.
    """
    if maps.ndim == 1 or maps.shape[1:] == (1, 1):
        _draw_units(title, layer, maps.reshape(len(maps)), image_HWC, path)
        return
    shown = maps[:MOST]
    tiles = [Tile(map_HW, str(u)) for u, map_HW in enumerate(shown)]
    size, grid = sized(image_HWC, _INPUT), grid_of(tiles, _SIDE, min(16, max(6, ceil(len(tiles) ** 0.5))))
    h, w = maps.shape[1:]
    part = "" if len(shown) == len(maps) else f"The first {MOST} of "
    beside, scale = size[0] + 3 * GAP, scale_of(shown)
    note = f"{part}{len(maps):,} maps of {h} x {w}, all on one scale."
    sheet = Sheet(title, note, beside + grid.width, max(grid.height, size[1] + 0.87))
    sheet.image(sheet.left, sheet.top, *size, Tile(image_HWC, "the image"), None)
    sheet.bar(sheet.left, sheet.top + size[1] + 0.24, size[0], scale, f"output of {layer}")
    put(sheet, tiles, grid, sheet.left + beside, sheet.top, scale)
    sheet.canvas.save(path)


def _draw_units(title: str, layer: str, units_U: Values, image_HWC: NDArray[np.float64], path: Path) -> None:
    with new_figure(path, 9.0, 2.9) as figure:
        left, bars = figure.subplots(1, 2, width_ratios=(1, 3.4))
        image(left, image_HWC.repeat(3, axis=-1) if image_HWC.shape[-1] == 1 else image_HWC)
        left.set_xlabel("the image", fontsize=8)
        colors, places = np.where(units_U < 0, _RED, _BLUE), np.arange(len(units_U))
        if len(units_U) <= _BARS:
            bars.bar(places, units_U, width=0.8, color=colors)
        else:
            bars.vlines(places, 0, units_U, colors=colors, linewidth=max(0.25, 400 / len(units_U)))
        bars.axhline(0, color=GRAY, linewidth=0.6)
        bars.set_xlim(-0.7, len(units_U) - 0.3)
        if len(units_U) <= 20:
            bars.set_xticks(places)
        bars.set_xlabel(f"the {len(units_U):,} units of {layer}")
        bars.set_ylabel(f"output of {layer}")
        bars.tick_params(labelsize=8)
        figure.suptitle(title, fontsize=10, fontweight="bold", wrap=True)
