"""Images in groups, each with a caption: those that two classifiers disagree on, or pairs of near-duplicates.

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
    """Images that have something in common."""

    title: str
    images: Sequence[tuple[NDArray[np.uint8], str]]  # H x W x C, all of one shape, with a caption


def draw(title: str, note: str, groups: Sequence[Group], path: Path, side: float = _SIDE, across: int = _ACROSS) -> None:
    """A sheet with the first 12 images of each group below its title, the longer side of each so many inches."""
    tiles = [[Tile(image_HWC / 255.0, caption) for image_HWC, caption in group.images[:MOST]] for group in groups]
    grids = [grid_of(row, side, across) if row else None for row in tiles]
    heights = [_HEAD + (0.0 if grid is None else grid.height + 0.15) for grid in grids]
    width = max((grid.width for grid in grids if grid is not None), default=5 * side)
    sheet = Sheet(title, note, width, sum(heights))
    y = sheet.top
    for group, row, grid, height in zip(groups, tiles, grids, heights, strict=True):
        sheet.canvas.text(sheet.left, y + 0.08, group.title, NOTE + 1, anchor="left", bold=True)
        if grid is not None:
            put(sheet, row, grid, sheet.left, y + _HEAD, None)
        y += height
    sheet.canvas.save(path)
