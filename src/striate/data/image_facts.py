"""What is known of a decoded image: size, color, moments, border, hashes, and small copies.

Legend: H x W pixels, C channels (1 gray, 3 color).
"""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from striate.data.file_facts import IN_MEMORY, FileFacts

THUMB_PX = 32
CELLS = 8  # across and down, of which the color is kept
BAND_PIXELS = 2**20  # an image at the limit is worked through in bands of so many, within the memory of a child

Pixels = NDArray[np.uint8]


class Facts(NamedTuple):
    """What the survey wants to know of an image; mean and mean square by channel in [0, 1], a gray value three times."""

    height: int
    width: int
    gray: bool
    pixel_hash: int
    mean: tuple[float, float, float]
    mean_square: tuple[float, float, float]
    border: tuple[float, float, float]  # mean by channel in [0, 1] of the outermost pixels
    file: FileFacts
    thumb: bytes  # the gray copy, 32 x 32 pixels of a byte
    chroma: bytes  # Cb and Cr of 8 x 8 cells


def measure(image_HWC: Pixels, file: FileFacts = IN_MEMORY) -> Facts:
    """Size, color, hash, moments and border of a decoded image; `file` is what its file says."""
    height, width, channels = image_HWC.shape
    values = np.arange(256) / 255
    shares = [_histogram(image_HWC[..., channel]) / (height * width) for channel in range(channels)] * (3 // channels)
    red, green, blue = (float(share @ values) for share in shares)
    red2, green2, blue2 = (float(share @ values**2) for share in shares)
    moments = (red, green, blue), (red2, green2, blue2)
    key, border = pixel_hash(image_HWC), _border(image_HWC)
    return Facts(height, width, channels == 1, key, *moments, border, file, *small_copies(image_HWC))


def _border(image_HWC: Pixels) -> tuple[float, float, float]:
    """Mean of the first and last row and column, where corners count twice."""
    sides = (image_HWC[0], image_HWC[-1], image_HWC[:, 0], image_HWC[:, -1])
    means = np.concatenate(sides).mean(axis=0) / 255
    red, green, blue = np.broadcast_to(means, 3).tolist()
    return red, green, blue


class Small(NamedTuple):
    """The whole image in small."""

    thumb: bytes
    chroma: bytes


def small_copies(image_HWC: Pixels) -> Small:
    """32 x 32 gray pixels (ITU-R 601 luma), and Cb and Cr of 8 x 8 cells; the area is averaged where it shrinks."""
    image = Image.fromarray(image_HWC[..., 0] if image_HWC.shape[2] == 1 else image_HWC)
    if image.size != (THUMB_PX, THUMB_PX):
        image = image.resize((THUMB_PX, THUMB_PX), Image.Resampling.BILINEAR, reducing_gap=3.0)
    cells = image.reduce(THUMB_PX // CELLS).convert("RGB").convert("YCbCr")
    return Small(image.convert("L").tobytes(), np.asarray(cells)[..., 1:].tobytes())


def pixel_hash(image_HWC: Pixels) -> int:
    """A 64-bit hash of size and pixels."""
    height, width, channels = image_HWC.shape
    hasher = hashlib.blake2b(f"{height} {width} {channels} ".encode(), digest_size=8)
    hasher.update(np.ascontiguousarray(image_HWC).data)
    return int.from_bytes(hasher.digest(), "little")


def hash_content(content: bytes) -> int:
    """A 64-bit hash of a file's bytes."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _histogram(levels_HW: Pixels) -> NDArray[np.int64]:
    rows = max(1, BAND_PIXELS // levels_HW.shape[1])
    counts = np.zeros(256, np.int64)
    for top in range(0, len(levels_HW), rows):
        counts += np.bincount(levels_HW[top : top + rows].ravel(), minlength=256)
    return counts
