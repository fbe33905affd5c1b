"""Checksums that notice a changed bit in a pixel cache: a CRC-32 for each block of whole images, about 4 MB.

Reading an entry to the end each time it is opened would cost a second for each gigabyte. So 256 MB are read: the whole of most
entries; of a larger one every second, third ... block, others each time it is used. It takes a fifth of a second, and every
change is found sooner or later.

Legend: N images, H x W pixels, C channels.
"""

import math
import zlib

import numpy as np
from numpy.typing import NDArray

_BLOCK_BYTES = 2**22
_CHECKED_BYTES = 2**28


def _rows(shape: tuple[int, ...]) -> int:
    """Images of a block."""
    return max(1, _BLOCK_BYTES // max(1, math.prod(shape[1:])))


class Sums:
    """CRC-32 of the images of an entry, which are added one by one; `shape` is N, H, W, C."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.rows = _rows(shape)
        self.sums: list[int] = []
        self.running, self.held = 0, 0

    def add(self, pixels_HWC: NDArray[np.uint8]) -> None:
        """The next image."""
        self.running, self.held = zlib.crc32(np.ascontiguousarray(pixels_HWC).data, self.running), self.held + 1
        if self.held == self.rows:
            self.done()

    def done(self) -> list[int]:
        """The sums of all that was added."""
        if self.held:
            self.sums.append(self.running)
            self.running, self.held = 0, 0
        return self.sums


def check(pixels_NHWC: NDArray[np.uint8], expected: list[int], turn: int) -> None:
    """Compare up to 256 MB of blocks with their sums: all of a small entry, of a large one those that are at their turn."""
    rows = _rows(pixels_NHWC.shape)
    blocks = -(-len(pixels_NHWC) // rows)
    if len(expected) != blocks:
        raise ValueError(f"{len(expected)} sums for {blocks} blocks of pixels")
    every = max(1, -(-pixels_NHWC.nbytes // _CHECKED_BYTES))
    for block in range(turn % every, blocks, every):
        first, end = block * rows, min((block + 1) * rows, len(pixels_NHWC))
        if zlib.crc32(np.ascontiguousarray(pixels_NHWC[first:end]).data) != expected[block]:
            raise ValueError(f"pixels.npy has changed between images {first:,} and {end:,}")
