"""A sheet of many small images: a title, a line that says what the scale is, a grid with captions, and a bar of colors.

Legend: H x W pixels.
"""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.canvas import GRAY, Canvas, width_of
from striate.plots.save_figure import check_ending, save

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


class Tile(NamedTuple):
    """An image of a sheet.

    Attributes:
        image: H x W values, to be colored by a scale, or H x W x 3 or H x W x 1 in [0, 1].
        caption: below it; lines of their own where it has more.
        box: a part of it to frame: top, left, bottom, right in pixels; None for none.

    """

    image: Values
    caption: str = ""
    box: tuple[int, int, int, int] | None = None


def scale_of(values: Values) -> Scale:
    """From the least to the largest, with zero as one end where none is negative, and in the middle where one is."""
    if not values.size:
        return Scale(0.0, 1.0)
    low, high = float(np.min(values)), float(np.max(values))
    most = max(abs(low), abs(high), 1e-30)
    return Scale(-most, most) if low < 0 else Scale(0.0, most)


class Sheet:
    """A canvas that is measured first: the title and the note take as many lines as they need above what follows.

    Args:
        title: what is shown.
        note: how it is shown; below the title.
        width: inches of what follows.
        height: inches of what follows.

    """

    def __init__(self, title: str, note: str, width: float, height: float) -> None:
        whole = max(width + 2 * MARGIN, _FEWEST_INCHES)
        titles = wrap(title, max(20, int((whole - 2 * MARGIN) / width_of("n", TITLE, bold=True)))) or [""]
        notes = wrap(note, max(20, int((whole - 2 * MARGIN) / width_of("n", NOTE))))
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
        axes = self.canvas.figure.axes[0]
        shown, how = tile.image, dict[str, Any]()
        if scale is not None and shown.ndim == 2:
            how = {"cmap": scale.colors, "vmin": scale.low, "vmax": scale.high}
        elif shown.shape[-1] == 1:
            shown = shown.repeat(3, axis=-1)
        axes.imshow(
            shown, extent=(left, left + width, top + height, top), aspect="auto", interpolation="nearest", origin="upper", **how
        )
        self._outline(left, top, width, height, "#9a9a9a", 0.4)
        if tile.box is not None:
            rows, columns = tile.image.shape[:2]
            t, le, b, r = tile.box
            y, x = height / rows, width / columns
            self._outline(left + le * x, top + t * y, (r - le) * x, (b - t) * y, "#ffffff", 2.2)
            self._outline(left + le * x, top + t * y, (r - le) * x, (b - t) * y, FRAME, 1.2)
        for number, line in enumerate(tile.caption.split("\n") if tile.caption else ()):
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

    def save(self, path: Path) -> None:
        """Write it."""
        save(self.canvas.figure, path)


class Grid(NamedTuple):
    """Where the images of a grid lie, in inches from its corner."""

    across: int
    rows: int
    width: float
    height: float
    step_x: float
    step_y: float


def grid_of(tiles: Sequence[Tile], width: float, height: float, across: int) -> Grid:
    """A grid of images of this size: as wide as the longest caption needs, as high as the one with most lines."""
    lines = max((tile.caption.count("\n") + 1 if tile.caption else 0) for tile in tiles)
    text = max(width_of(tile.caption, CAPTION) for tile in tiles)
    step_x = max(width, text) + GAP
    step_y = height + (LINE * lines + 0.03 if lines else 0) + GAP
    rows = ceil(len(tiles) / across)
    return Grid(min(across, len(tiles)), rows, step_x * min(across, len(tiles)) - GAP, step_y * rows - GAP, step_x, step_y)


def put(
    sheet: Sheet, tiles: Sequence[Tile], grid: Grid, left: float, top: float, size: tuple[float, float], scale: Scale | None
) -> None:
    """Draw the images of a grid, each `size` (width, height) inches; with a `scale` of None each on its own."""
    for number, tile in enumerate(tiles):
        x = left + (number % grid.across) * grid.step_x + (grid.step_x - GAP - size[0]) / 2
        y = top + (number // grid.across) * grid.step_y
        own = scale if scale is not None or tile.image.ndim != 2 else scale_of(tile.image)
        sheet.image(x, y, *size, tile, own)


def draw_images(title: str, note: str, tiles: Sequence[Tile], path: Path, *, side: float = 1.0, across: int = 6) -> None:
    """A sheet of images with captions, as the images that units like best.

    Args:
        title: what is shown.
        note: how; below the title.
        tiles: images in [0, 1], all of one shape.
        path: .svg, .png or .pdf.
        side: inches of the longer side of each.
        across: images in a row.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    size = sized(tiles[0].image, side)
    grid = grid_of(tiles, *size, across)
    sheet = Sheet(title, note, grid.width, grid.height)
    put(sheet, tiles, grid, sheet.left, sheet.top, size, None)
    sheet.save(path)


def sized(image: Values, side: float) -> tuple[float, float]:
    """(width, height) in inches of an image whose longer side is `side`."""
    h, w = image.shape[:2]
    return side * w / max(h, w), side * h / max(h, w)
