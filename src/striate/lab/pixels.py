"""Numbers as pixels: gray levels, and two hues around zero."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
BELOW, ABOVE = (0, 90, 170), (196, 78, 0)  # blue and orange of equal lightness, as the page has them
_RULE = 128


def gray(values: NDArray[Any], low: float, high: float) -> Pixels:
    """Black at `low` and below, white at `high` and above.

    >>> gray(np.array([[0.0, 0.5, 2.0]]), 0, 1).tolist()
    [[0, 128, 255]]

    """
    share = np.clip((np.asarray(values, float) - low) / (high - low), 0, 1) if high > low else np.zeros(np.shape(values))
    return np.rint(255 * share).astype(np.uint8)


def two_hues(values_HW: NDArray[Any], high: float | None = None) -> Pixels:
    """White at zero, blue at -high and below, orange at `high` and above; H x W x 3."""
    high = float(np.abs(values_HW).max()) if high is None else high
    share_HW1 = np.clip(np.asarray(values_HW, float) / (high or 1), -1, 1)[..., None]
    hue_HW3 = np.where(share_HW1 < 0, np.array(BELOW), np.array(ABOVE))
    pixels_HW3: Pixels = np.rint(255 + (hue_HW3 - 255) * np.abs(share_HW1)).astype(np.uint8)
    return pixels_HW3


def mosaic(planes_KHW: Pixels, across: int, gap: int = 1) -> Pixels:
    """Planes of one size in rows of `across`, with a gray rule of `gap` pixels between them."""
    count, height, width = planes_KHW.shape
    rows = -(-count // across)
    sheet_HW = np.full((rows * (height + gap) - gap, across * (width + gap) - gap), _RULE, np.uint8)
    for place, plane_HW in enumerate(planes_KHW):
        row, column = divmod(place, across)
        top, left = row * (height + gap), column * (width + gap)
        sheet_HW[top : top + height, left : left + width] = plane_HW
    return sheet_HW
