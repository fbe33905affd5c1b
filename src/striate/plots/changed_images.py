"""Images that two classifiers disagree on, in groups, with what each predicted.

Legend: H x W pixels, C channels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.mosaic import NOTE, Sheet, Tile, grid_of, put

MOST = 12  # images of a group
_ACROSS, _SIDE, _HEAD = 6, 1.0, 0.25  # images in a row; inches


class Group(NamedTuple):
    """Images that changed in the same way."""

    title: str
    images: Sequence[tuple[NDArray[np.uint8], str]]  # H x W x C, all of one shape, with a caption


def draw(title: str, note: str, groups: Sequence[Group], path: Path) -> None:
    """A sheet with the first 12 images of each group below its title."""
    tiles = [[Tile(image_HWC / 255.0, caption) for image_HWC, caption in group.images[:MOST]] for group in groups]
    grids = [grid_of(row, _SIDE, _ACROSS) if row else None for row in tiles]
    heights = [_HEAD + (0.0 if grid is None else grid.height + 0.15) for grid in grids]
    width = max((grid.width for grid in grids if grid is not None), default=5 * _SIDE)
    sheet = Sheet(title, note, width, sum(heights))
    y = sheet.top
    for group, row, grid, height in zip(groups, tiles, grids, heights, strict=True):
        sheet.canvas.text(sheet.left, y + 0.08, group.title, NOTE + 1, anchor="left", bold=True)
        if grid is not None:
            put(sheet, row, grid, sheet.left, y + _HEAD, None)
        y += height
    sheet.canvas.save(path)
