"""The image that a demonstration looks at: a file of the user's, or shapes drawn here.

Legend: H x W pixels, in [0, 1].
"""

from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, DecodeError
from striate.data import decode

Floats = NDArray[np.float64]
_FINE = 8  # points across a pixel at which a shape is sampled


class SampleImage(NamedTuple):
    """A gray image in [0, 1], and what it is, for titles and messages."""

    description: str
    levels_HW: Floats


def gray(image: Path | None, most_px: int) -> SampleImage:
    """The image of a file as gray levels (ITU-R 601), or shapes drawn here where none is given; DataError for no image.

    Blocks of pixels are averaged such that no side is longer than `most_px`.
    """
    if image is None:
        return SampleImage("shapes drawn here", shapes(64))
    try:
        levels_HWC = decode.decode_image(image, (255, 255, 255)).astype(float) / 255
    except DecodeError as error:
        raise DataError(f"expected an image at {str(image)!r}; it is refused: {error}.") from error
    weights_C = np.array([0.299, 0.587, 0.114]) if levels_HWC.shape[2] == 3 else np.ones(1)
    levels_HW, factor = levels_HWC @ weights_C, ceil(max(levels_HWC.shape[:2]) / most_px)
    if factor == 1:
        return SampleImage(image.name, levels_HW)
    height, width = (max(side // factor, 1) for side in levels_HW.shape)
    blocks = levels_HW[: height * factor, : width * factor].reshape(height, min(factor, levels_HW.shape[0]), width, -1)
    return SampleImage(f"{image.name}, reduced {factor} times", blocks.mean(axis=(1, 3)))


def shapes(side: int) -> Floats:
    """A disc, a square, a triangle and slanting stripes, bright on dark, `side` x `side`; edges are smooth by averaging."""
    y, x = (np.mgrid[: side * _FINE, : side * _FINE] + 0.5) / (side * _FINE)
    disc = np.hypot(x - 0.28, y - 0.27) < 0.17
    square = (abs(x - 0.74) < 0.15) & (abs(y - 0.27) < 0.15)
    triangle = (y < 0.9) & (y > 0.55 + 2 * abs(x - 0.28))
    stripes = (abs(x - 0.74) < 0.18) & (abs(y - 0.73) < 0.18) & ((x + y) % 0.12 < 0.06)
    fine = 0.1 + 0.8 * disc + 0.65 * square + 0.5 * triangle + 0.7 * stripes
    averaged: Floats = fine.reshape(side, _FINE, side, _FINE).mean(axis=(1, 3))
    return averaged
