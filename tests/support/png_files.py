"""PNG files of every kind of pixels, interlaced or not, written byte by byte: Pillow writes but a few of them."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_BITS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


class Kind(NamedTuple):
    """What the header of a PNG says of its pixels, and whether some of them are transparent by a chunk of their own."""

    color: int
    bits: int
    interlaced: bool
    hidden: bool

    def __str__(self) -> str:
        return f"{self.color}-{self.bits}{'-interlaced' * self.interlaced}{'-hidden' * self.hidden}"


def kinds() -> Iterator[Kind]:
    """All that the format has."""
    for color, all_bits in _BITS.items():
        for bits in all_bits:
            for interlaced in (False, True):
                yield from (Kind(color, bits, interlaced, hidden) for hidden in (False, True)[: 1 if color > 3 else 2])


def png(kind: Kind, width: int, height: int, seed: int = 0) -> bytes:
    """A file of random pixels, every row by another filter."""
    draw = np.random.default_rng(seed)
    channels = _CHANNELS[kind.color]
    samples_HWC = draw.integers(0, 2**kind.bits, (height, width, channels), np.uint16)
    header = struct.pack(">IIBBBBB", width, height, kind.bits, kind.color, 0, 0, kind.interlaced)
    content = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
    if kind.color == 3:
        content += _chunk(b"PLTE", draw.integers(0, 256, 3 * 2**kind.bits, np.uint8).tobytes())
    if kind.hidden:
        color = samples_HWC[0, 0].astype(">u2").tobytes()
        content += _chunk(b"tRNS", draw.integers(0, 256, 2**kind.bits, np.uint8).tobytes() if kind.color == 3 else color)
    passes = _ADAM7 if kind.interlaced else ((0, 0, 1, 1),)
    parts = [samples_HWC[y::down, x::across] for x, y, across, down in passes]
    rows = b"".join(_filtered(part, kind.bits) for part in parts if part.size)
    packed = zlib.compress(rows)
    half = len(packed) // 2
    return content + _chunk(b"IDAT", packed[:half]) + _chunk(b"IDAT", packed[half:]) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _filtered(samples_HWC: NDArray[np.uint16], bits: int) -> bytes:
    height = len(samples_HWC)
    if bits == 16:
        rows = samples_HWC.astype(">u2").reshape(height, -1).view(np.uint8)
    elif bits == 8:
        rows = samples_HWC.astype(np.uint8).reshape(height, -1)
    else:
        binary = np.unpackbits(samples_HWC.astype(np.uint8)[..., None], axis=-1)[..., -bits:]
        rows = np.packbits(binary.reshape(height, -1), axis=1)
    step, written, above = max(1, samples_HWC.shape[2] * bits // 8), b"", np.zeros(rows.shape[1], int)
    for y, row in enumerate(rows.astype(int)):
        left, corner = (np.concatenate([np.zeros(step, int), line])[: len(line)] for line in (row, above))
        sums = left + above - corner
        near = np.abs(np.stack([sums - left, sums - above, sums - corner])).argmin(axis=0)
        paeth = np.choose(near, [left, above, corner])
        guess = (0, left, above, (left + above) // 2, paeth)[y % 5]
        written += bytes([y % 5]) + ((row - guess) % 256).astype(np.uint8).tobytes()
        above = row
    return written
