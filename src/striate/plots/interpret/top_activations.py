"""The images that excite units most, with the patch that the unit sees framed, and the patches beside each other below.

Legend: k images of a unit, H x W pixels, C channels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.mosaic import GAP, LINE, Sheet, Tile, sized

_SIDE, _NAME = 0.8, 0.75  # inches


class Row(NamedTuple):
    """The k images that excite one unit most, the strongest first."""

    name: str
    images_kHWC: NDArray[np.float64]  # in [0, 1], with one channel or three
    boxes_k4: NDArray[np.int64]  # the patch that the unit sees of each: top, left, bottom, right in pixels
    values_k: Sequence[float]  # the unit's responses
    captions: Sequence[str] = ()  # a word for each, as its class


def draw(title: str, rows: Sequence[Row], path: Path) -> None:
    """Draw a line of images for each unit, all of one shape, and below it their patches where these are less than the image."""
    h, w = rows[0].images_kHWC.shape[1:3]
    width, height = sized(rows[0].images_kHWC[0], _SIDE)
    enlarge = any(tuple(box) != (0, 0, h, w) for row in rows for box in row.boxes_k4)
    below = LINE * (2 if any(row.captions for row in rows) else 1) + 0.05
    step_x, step_y = _SIDE + GAP, height + below + (_SIDE + GAP if enlarge else 0) + 2 * GAP
    note = "The strongest first, with the unit's response; "
    note += "framed is the patch that it sees, which is enlarged below." if enlarge else "each unit sees the whole image."
    sheet = Sheet(title, note, _NAME + max(len(row.images_kHWC) for row in rows) * step_x, len(rows) * step_y)
    for number, row in enumerate(rows):
        y = sheet.top + number * step_y
        sheet.canvas.text(sheet.left, y + height / 2, row.name, 7.5, anchor="left", bold=True)
        for k, (image_HWC, box) in enumerate(zip(row.images_kHWC, row.boxes_k4, strict=True)):
            x = sheet.left + _NAME + k * step_x
            caption = f"{row.values_k[k]:.3g}" + (f"\n{_short(row.captions[k])}" if row.captions else "")
            top, left, bottom, right = (int(side) for side in box)
            frame = (top, left, bottom, right) if enlarge and bottom > top and right > left else None
            sheet.image(x + (_SIDE - width) / 2, y, width, height, Tile(image_HWC, caption, frame), None)
            if frame is not None:
                patch = image_HWC[top:bottom, left:right]
                size = sized(patch, _SIDE)
                sheet.image(x + (_SIDE - size[0]) / 2, y + height + below + (_SIDE - size[1]) / 2, *size, Tile(patch), None)
    sheet.canvas.save(path)


def _short(word: str) -> str:
    return word if len(word) <= 16 else f"{word[:14]}…"
