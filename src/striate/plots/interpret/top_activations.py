"""The images that excite units most, with the patch that the unit sees framed, and the patches beside each other below.

Legend: k images of a unit, H x W pixels, C channels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.plots.mosaic import GAP, LINE, Sheet, Tile, sized
from striate.plots.save_figure import check_ending

_SIDE, _NAME = 0.8, 0.75  # inches


class Row(NamedTuple):
    """What excites one unit most.

    Attributes:
        name: of the unit.
        images_kHWC: the images in [0, 1], the strongest first, with one channel or three.
        boxes_k4: the patch of each: top, left, bottom, right in pixels of these images.
        values_k: what the unit answers.
        captions: a word for each, as its class; empty for none.

    """

    name: str
    images_kHWC: NDArray[np.float64]
    boxes_k4: NDArray[np.int64]
    values_k: Sequence[float]
    captions: Sequence[str] = ()


def draw(title: str, rows: Sequence[Row], path: Path) -> None:
    """Draw a line of images for each unit, and below it a line of their patches where these are less than the image.

    Args:
        title: which layer of what, over which images.
        rows: the units, each with as many images or fewer than the first, of one shape.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    h, w = rows[0].images_kHWC.shape[1:3]
    width, height = sized(rows[0].images_kHWC[0], _SIDE)
    parts = any(tuple(box) != (0, 0, h, w) for row in rows for box in row.boxes_k4)
    words = any(row.captions for row in rows)
    below = LINE * (2 if words else 1) + 0.05
    step_x, step_y = _SIDE + GAP, height + below + (_SIDE + GAP if parts else 0) + 2 * GAP
    most = max(len(row.images_kHWC) for row in rows)
    note = "The strongest first, with the unit's answer; "
    note += "framed is the patch that it sees, which is enlarged below." if parts else "each unit sees the whole image."
    sheet = Sheet(title, note, _NAME + most * step_x, len(rows) * step_y)
    for number, row in enumerate(rows):
        top = sheet.top + number * step_y
        sheet.canvas.text(sheet.left, top + height / 2, row.name, 7.5, anchor="left", bold=True)
        for at, (image_HWC, box) in enumerate(zip(row.images_kHWC, row.boxes_k4, strict=True)):
            x = sheet.left + _NAME + at * step_x
            caption = f"{row.values_k[at]:.3g}" + (f"\n{_short(row.captions[at])}" if row.captions else "")
            t, le, b, r = (int(side) for side in box)
            frame = (t, le, b, r) if parts and b > t and r > le else None
            sheet.image(x + (_SIDE - width) / 2, top, width, height, Tile(image_HWC, caption, frame), None)
            if frame is not None:
                patch = image_HWC[t:b, le:r]
                size = sized(patch, _SIDE)
                sheet.image(x + (_SIDE - size[0]) / 2, top + height + below + (_SIDE - size[1]) / 2, *size, Tile(patch), None)
    sheet.save(path)


def _short(word: str) -> str:
    return word if len(word) <= 16 else f"{word[:14]}…"
