"""Heat laid over a picture.

Legend: H x W pixels, C channels.
"""

import numpy as np
from numpy.typing import NDArray

_WARM = np.array([[0.0, 0.0, 0.0], [0.8, 0.1, 0.1], [1.0, 0.6, 0.0], [1.0, 1.0, 0.8]])  # from nothing to the most
_MOST = 0.65  # of the picture that the hottest place covers


def overlay(picture_HWC: NDArray[np.uint8], heat_HW: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A picture in colour with heat from 0, where the picture is as it was, to 1."""
    at = np.linspace(0, 1, len(_WARM))
    colour_HW3 = np.stack([np.interp(heat_HW, at, _WARM[:, c]) for c in range(3)], axis=-1)
    share_HW1 = _MOST * np.sqrt(np.clip(heat_HW, 0, 1))[..., None]
    plain_HW3 = np.broadcast_to(picture_HWC, (*picture_HWC.shape[:2], 3)) / 255
    return np.asarray(np.rint(255 * (plain_HW3 * (1 - share_HW1) + colour_HW3 * share_HW1)), np.uint8)
