"""A sheet of many small images: a title, a line that says what the scale is, a grid with captions, and a bar of colors."""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.canvas import GRAY, Canvas, width_of

FRAME = "#e69f00"  # Okabe & Ito's orange
MARGIN, GAP, LINE = 0.2, 0.06, 0.115  # inches; LINE is one of captions
CAPTION, NOTE, TITLE = 6.0, 8.0, 10.0  # points
_FEWEST_INCHES = 4.2

Values = NDArray[Any]


class Scale(NamedTuple):
    """What colors mean: from `low` to `high`; around zero, white, where some are negative, else from dark to bright."""

    low: float
    high: float

    @property
    def colors(self) -> str:
        """The name of the color map."""
        return "RdBu_r" if self.low < 0 else "viridis"


@lru_cache(8)
def _color_map(scale: Scale) -> tuple[Any, Any]:
    """Color map and norm of a scale, the same for all of its images."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    return colormaps[scale.colors], Normalize(scale.low, scale.high)


class Tile(NamedTuple):
    """An image of a sheet, with what stands below it and a part to frame."""

    image: Values  # H x W, to be colored by a scale, or H x W x 3 or H x W x 1 in [0, 1]
    caption: str = ""  # one line or several
    box: tuple[int, int, int, int] | None = None  # top, left, bottom, right in pixels


def scale_of(values: Values) -> Scale:
    """From the least to the largest, with zero at one end where none is negative, else in the middle."""
    if not values.size:
        return Scale(0.0, 1.0)
    low, high = float(np.min(values)), float(np.max(values))
    most = max(abs(low), abs(high), 1e-30)
    return Scale(-most, most) if low < 0 else Scale(0.0, most)


class Sheet:
    """A canvas with a title, a note below it on how it is shown, and below both `width` x `height` inches to draw on."""

    def __init__(self, title: str, note: str, width: float, height: float) -> None:
        whole = max(width + 2 * MARGIN, _FEWEST_INCHES)
        inner = whole - 2 * MARGIN
        titles = wrap(title, max(20, int(inner / width_of("n", TITLE, bold=True)))) or [""]
        notes = wrap(note, max(20, int(inner / width_of("n", NOTE))))
        self.top = MARGIN + 0.19 * len(titles) + 0.15 * len(notes) + 0.12
        self.left = MARGIN
        self.canvas = Canvas(whole, self.top + height + MARGIN)
        for number, line in enumerate(titles):
            self.canvas.text(MARGIN, MARGIN + 0.08 + 0.19 * number, line, TITLE, bold=True, anchor="left")
        below = MARGIN + 0.19 * len(titles) + 0.08
        for number, line in enumerate(notes):
            self.canvas.text(MARGIN, below + 0.15 * number, line, NOTE, color=GRAY, anchor="left")

    def image(self, left: float, top: float, width: float, height: float, tile: Tile, scale: Scale | None) -> None:
        """One image with its frame and caption."""
        pixels, extent = tile.image, (left, left + width, top + height, top)
        if scale is not None and pixels.ndim == 2:
            self.canvas.image(pixels, extent, *_color_map(scale))
        else:
            self.canvas.image(pixels.repeat(3, axis=-1) if pixels.shape[-1] == 1 else pixels, extent)
        self.canvas.frame(left, top, width, height, "#9a9a9a", 0.4)
        if tile.box is not None:
            y, x = height / tile.image.shape[0], width / tile.image.shape[1]
            upper, first, lower, last = tile.box
            for color, thick in (("#ffffff", 2.2), (FRAME, 1.2)):
                self._outline(left + first * x, top + upper * y, (last - first) * x, (lower - upper) * y, color, thick)
        for number, line in enumerate(tile.caption.splitlines()):
            self.canvas.text(left + width / 2, top + height + 0.065 + LINE * number, line, CAPTION)

    def _outline(self, left: float, top: float, width: float, height: float, color: str, line: float) -> None:
        corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
        self.canvas.polygon(corners, "none", color, line)

    def bar(self, left: float, top: float, width: float, scale: Scale, label: str) -> None:
        """The colors of a scale, its ends and its middle named below, what it measures above."""
        steps = np.linspace(scale.low, scale.high, 128)[None]
        self.canvas.text(left, top + 0.05, label, NOTE - 1, anchor="left")
        self.image(left, top + 0.14, width, 0.11, Tile(steps), scale)
        below, size, middle = top + 0.34, CAPTION + 0.5, (scale.low + scale.high) / 2
        self.canvas.text(left, below, f"{scale.low:.3g}", size, anchor="left")
        self.canvas.text(left + width / 2, below, f"{middle:.3g}", size)
        self.canvas.text(left + width, below, f"{scale.high:.3g}", size, anchor="right")


class Grid(NamedTuple):
    """Where the images of a grid lie, all but the count in inches; `size` is the width and height of each."""

    size: tuple[float, float]
    across: int
    width: float
    height: float
    step_x: float
    step_y: float


def grid_of(tiles: Sequence[Tile], side: float, across: int) -> Grid:
    """A grid of images of one shape, whose longer side is `side`; the longest caption and the most lines have room."""
    width, height = sized(tiles[0].image, side)
    lines = max(len(tile.caption.splitlines()) for tile in tiles)
    step_x = max(width, *(width_of(tile.caption, CAPTION) for tile in tiles)) + GAP
    step_y = height + (LINE * lines + 0.03 if lines else 0) + GAP
    rows, across = ceil(len(tiles) / across), min(across, len(tiles))
    return Grid((width, height), across, step_x * across - GAP, step_y * rows - GAP, step_x, step_y)


def put(sheet: Sheet, tiles: Sequence[Tile], grid: Grid, left: float, top: float, scale: Scale | None) -> None:
    """Draw the images of a grid: values by their scale, images in [0, 1] without."""
    for number, tile in enumerate(tiles):
        x = left + (number % grid.across) * grid.step_x + (grid.step_x - GAP - grid.size[0]) / 2
        y = top + (number // grid.across) * grid.step_y
        sheet.image(x, y, *grid.size, tile, scale)


def sized(image: Values, side: float) -> tuple[float, float]:
    """(width, height) in inches of an image whose longer side is `side`."""
    h, w = image.shape[:2]
    return side * w / max(h, w), side * h / max(h, w)


def draw_images(title: str, note: str, tiles: Sequence[Tile], path: Path) -> None:
    """A sheet of images in [0, 1] of one shape, six in a row, as those that maximize the activation of units."""
    grid = grid_of(tiles, 1.0, 6)
    sheet = Sheet(title, note, grid.width, grid.height)
    put(sheet, tiles, grid, sheet.left, sheet.top, None)
    sheet.canvas.save(path)
