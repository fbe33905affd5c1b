"""Histograms of oriented gradients: features of small gray images that need no training (Dalal & Triggs 2005).

Each cell of 4 x 4 px has a histogram of nine directions, 0 to 360 degrees, to which each pixel adds the length of its gradient,
shared between the two nearest directions. Each square of 2 x 2 cells is divided by its length, and the root is taken.

Legend: N images, H x W pixels, D features.
"""

import numpy as np
from numpy.typing import NDArray

CELL_PX, DIRECTIONS = 4, 9
_AT_ONCE = 1000  # images
_NOISE = 1e-2  # added to the squared length of a block, of values in [0, 1]


def of_images(pixels_NHW: NDArray[np.uint8]) -> NDArray[np.float32]:
    """N x D features; both sides must be multiples of 4 and at least 8 px."""
    if not len(pixels_NHW):
        raise ValueError("expected at least one image")
    starts = range(0, len(pixels_NHW), _AT_ONCE)
    return np.concatenate([_of_some(np.float32(1 / 255) * pixels_NHW[start : start + _AT_ONCE]) for start in starts])


def _of_some(values_NHW: NDArray[np.floating]) -> NDArray[np.float32]:
    count, height, width = values_NHW.shape
    down_NHW, right_NHW = np.zeros_like(values_NHW), np.zeros_like(values_NHW)
    down_NHW[:, 1:-1] = values_NHW[:, 2:] - values_NHW[:, :-2]
    right_NHW[:, :, 1:-1] = values_NHW[:, :, 2:] - values_NHW[:, :, :-2]
    length_NHW = np.hypot(down_NHW, right_NHW)
    place_NHW = np.arctan2(down_NHW, right_NHW) % (2 * np.pi) / (2 * np.pi) * DIRECTIONS
    lower_NHW = np.floor(place_NHW).astype(np.int64)
    share_NHW = place_NHW - lower_NHW
    votes_NHWB = np.zeros((*values_NHW.shape, DIRECTIONS), np.float32)
    for direction_NHW, vote_NHW in ((lower_NHW, length_NHW * (1 - share_NHW)), (lower_NHW + 1, length_NHW * share_NHW)):
        np.put_along_axis(votes_NHWB, direction_NHW[..., None] % DIRECTIONS, vote_NHW[..., None], axis=-1)
    rows, columns = height // CELL_PX, width // CELL_PX
    cells = votes_NHWB.reshape(count, rows, CELL_PX, columns, CELL_PX, DIRECTIONS).sum(axis=(2, 4))
    blocks = np.concatenate([cells[:, :-1, :-1], cells[:, 1:, :-1], cells[:, :-1, 1:], cells[:, 1:, 1:]], axis=-1)
    blocks /= np.sqrt(np.square(blocks).sum(axis=-1, keepdims=True) + _NOISE)
    return np.asarray(np.sqrt(blocks).reshape(count, -1), np.float32)
