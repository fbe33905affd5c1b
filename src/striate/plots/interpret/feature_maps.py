"""What a layer makes of an image, beside the image: its maps as a sheet of small images, or its units as bars.

Legend: U units, H x W pixels of an image or places of a map, C channels.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.plots.mosaic import GAP, Sheet, Tile, Values, grid_of, put, scale_of, sized
from striate.plots.save_figure import check_ending, save

MOST = 256
_SIDE, _INPUT = 0.62, 1.6  # inches
_BARS = 128
_BLUE, _RED = "#0072b2", "#d55e00"


def draw_maps(title: str, layer: str, maps: Values, image_HWC: NDArray[np.float64], path: Path, *, each: bool = False) -> None:
    """Draw the maps of one layer for one image, or bars where it has none.

    Args:
        title: which layer of what, and which image.
        layer: its name.
        maps: U x H x W, or U; of more than 256 maps the first are drawn, and that is said. Maps of one place are bars.
        image_HWC: the image, in [0, 1], with one channel or three.
        path: .svg, .png or .pdf.
        each: each map has its own scale, in place of one for the layer; which of both is said.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    if maps.ndim == 1 or maps.shape[1:] == (1, 1):
        _draw_units(title, layer, maps.reshape(len(maps)), image_HWC, path)
        return
    shown = maps[:MOST]
    tiles = [Tile(one_HW, str(u)) for u, one_HW in enumerate(shown)]
    across = min(16, max(6, int(np.ceil(len(tiles) ** 0.5))))
    size, image = sized(shown[0], _SIDE), sized(image_HWC, _INPUT)
    grid = grid_of(tiles, *size, across)
    h, w = maps.shape[1:]
    part = "" if len(shown) == len(maps) else f"The first {MOST} of "
    count = f"{part}{len(maps):,} maps of {h} x {w}"
    scale = scale_of(shown)
    how = "each on its own scale, to the largest of its values" if each else "all on one scale"
    beside = image[0] + 3 * GAP
    bar = 0.0 if each else 0.62
    sheet = Sheet(title, f"{count}, {how}.", beside + grid.width, max(grid.height, image[1] + 0.25 + bar))
    sheet.image(sheet.left, sheet.top, *image, Tile(image_HWC, "the image"), None)
    if not each:
        sheet.bar(sheet.left, sheet.top + image[1] + 0.24, image[0], scale, f"output of {layer}")
    put(sheet, tiles, grid, sheet.left + beside, sheet.top, size, None if each else scale)
    sheet.save(path)


def _draw_units(title: str, layer: str, units_U: Values, image_HWC: NDArray[np.float64], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 2.9), layout="constrained")
    image, bars = figure.subplots(1, 2, width_ratios=(1, 3.4))
    shown = image_HWC.repeat(3, axis=-1) if image_HWC.shape[-1] == 1 else image_HWC
    image.imshow(shown, interpolation="nearest")
    image.set_xticks([])
    image.set_yticks([])
    image.set_xlabel("the image", fontsize=8)
    colors = np.where(units_U < 0, _RED, _BLUE)
    at = np.arange(len(units_U))
    if len(units_U) <= _BARS:
        bars.bar(at, units_U, width=0.8, color=colors)
    else:
        bars.vlines(at, 0, units_U, colors=colors, linewidth=max(0.25, 400 / len(units_U)))
    bars.axhline(0, color="#6b6b6b", linewidth=0.6)
    bars.set_xlim(-0.7, len(units_U) - 0.3)
    if len(units_U) <= 20:
        bars.set_xticks(at)
    bars.set_xlabel(f"the {len(units_U):,} units of {layer}")
    bars.set_ylabel(f"output of {layer}")
    bars.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=10, fontweight="bold", wrap=True)
    save(figure, path)
