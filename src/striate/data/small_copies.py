"""Small copies of images, by which near-duplicates are known: gray, and the color of 8 x 8 cells.

Two images of one photograph agree in color but for a factor and a constant, the same for all channels, since one may be
brighter, and for clipping: what the factor takes past white is white. A tint of the whole image is left out of the comparison.
Where either has no color nothing is compared, as a photograph may have been stored in gray.

Legend: N images, P pairs, S = 32 pixels, Q = 8 cells.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.data.image_facts import CELLS, THUMB_PX, Facts

Floats = NDArray[np.float32]

_FOLLOWING = 7.5  # levels of 256: most difference in color that goes with the brightness, as a shape in another color has ...
_ANYWHERE = 16.0  # ... and most in all, as the root of the mean square; JPEG of 32 px changes 5 to 13
_NO_COLOR = 3  # levels of chroma: an image with no more anywhere is gray
_CLIPPED = 247  # from here on a channel may be clipped
_FITS, _LEAST_SHARE = 3, 0.15  # rounds of fitting to what is not clipped, and its least share of the cells and channels
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601


class SmallCopies(NamedTuple):
    """Images as near-duplicates are looked for."""

    thumbs_NSS: NDArray[np.uint8]  # gray
    chroma_NQQ2: NDArray[np.uint8]  # Cb and Cr, 128 without color
    sizes_N2: NDArray[np.int32]  # height and width of the originals

    def of(self, chosen: Any) -> "SmallCopies":
        """Some of them."""
        return SmallCopies(*(column[chosen] for column in self))

    def joined(self, others: "SmallCopies") -> "SmallCopies":
        """These and after them the others."""
        return SmallCopies(
            np.concatenate([self.thumbs_NSS, others.thumbs_NSS]),
            np.concatenate([self.chroma_NQQ2, others.chroma_NQQ2]),
            np.concatenate([self.sizes_N2, others.sizes_N2]),
        )

    def cells_NQQ3(self) -> Floats:
        """Red, green and blue of each cell."""
        side = THUMB_PX // CELLS
        gray = self.thumbs_NSS.reshape(-1, CELLS, side, CELLS, side).mean(axis=(2, 4), dtype=np.float32)
        blue, red = (self.chroma_NQQ2[..., place] - np.float32(128) for place in (0, 1))
        return np.stack([gray + 1.402 * red, gray - 0.344136 * blue - 0.714136 * red, gray + 1.772 * blue], axis=3)


def of_facts(facts: Sequence[Facts]) -> SmallCopies:
    """Those of images that were decoded."""
    thumbs_NSS = np.frombuffer(b"".join(each.thumb for each in facts), np.uint8).reshape(-1, THUMB_PX, THUMB_PX)
    chroma_NQQ2 = np.frombuffer(b"".join(each.chroma for each in facts), np.uint8).reshape(-1, CELLS, CELLS, 2)
    sizes_N2 = np.array([(each.height, each.width) for each in facts], np.int32).reshape(-1, 2)
    return SmallCopies(thumbs_NSS, chroma_NQQ2, sizes_N2)


def have_color(chroma_NQQ2: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which images have color."""
    most_N: NDArray[np.int16] = np.abs(chroma_NQQ2.astype(np.int16) - 128).max(axis=(1, 2, 3))
    return most_N > _NO_COLOR


def color_difference(first_PQQ3: Floats, second_PQQ3: Floats) -> Floats:
    """How far the cells of both images, which lie in the same position, differ in color: from 1 on they are no one photograph.

    The darker image is brightened to the other, and what is left is compared: how much of it goes with the brightness, and how
    much there is.
    """
    first_PC3, second_PC3 = (cells[:, 1:-1, 1:-1].reshape(len(cells), -1, 3) for cells in (first_PQQ3, second_PQQ3))
    swapped = (first_PC3.mean(axis=(1, 2)) < second_PC3.mean(axis=(1, 2)))[:, None, None]
    bright_PC3, dark_PC3 = np.where(swapped, second_PC3, first_PC3), np.where(swapped, first_PC3, second_PC3)
    brightened_PC3, gain_P11 = _brightened(dark_PC3, bright_PC3)
    bright_PC, brightened_PC = bright_PC3 @ _LUMA, brightened_PC3 @ _LUMA
    gray_PC = _centered((bright_PC + brightened_PC) / 2)
    change_PC3 = (bright_PC3 - bright_PC[..., None] - brightened_PC3 + brightened_PC[..., None]) / np.sqrt(gain_P11)
    change_PC2 = _centered(change_PC3[..., [0, 2]])  # of red and blue against gray, halfway between the two brightnesses
    length_P = np.sqrt((gray_PC**2).mean(axis=1))
    following_P = np.hypot(*((change_PC2 * gray_PC[..., None]).mean(axis=1).T / np.maximum(length_P, 1.0)))
    anywhere_P = np.sqrt((change_PC2**2).mean(axis=1).sum(axis=1))
    difference_P: Floats = np.maximum(following_P / _FOLLOWING, anywhere_P / _ANYWHERE)
    return difference_P


def _brightened(dark_PC3: Floats, bright_PC3: Floats) -> tuple[Floats, Floats]:
    """The dark images as bright as the others, clipped, and the factor; fitted to what is clipped in neither."""
    free_PC3 = np.ones(dark_PC3.shape, bool)
    for _ in range(_FITS):
        mean_dark, mean_bright = (_mean(cells, free_PC3) for cells in (dark_PC3, bright_PC3))
        spread_dark = _mean((dark_PC3 - mean_dark) ** 2, free_PC3)
        spread_bright = _mean((bright_PC3 - mean_bright) ** 2, free_PC3)
        gain_P11 = np.sqrt(spread_bright / np.maximum(spread_dark, 1e-3)).clip(0.3, 4)
        brightened_PC3 = gain_P11 * (dark_PC3 - mean_dark) + mean_bright
        free_PC3 = (bright_PC3 < _CLIPPED) & (brightened_PC3 < _CLIPPED)
        free_PC3 |= free_PC3.mean(axis=(1, 2), keepdims=True) < _LEAST_SHARE
    return brightened_PC3.clip(0, 255), gain_P11


def _mean(cells_PC3: Floats, used_PC3: NDArray[np.bool_]) -> Floats:
    mean_P11: Floats = cells_PC3.mean(axis=(1, 2), keepdims=True, where=used_PC3)
    return mean_P11


def _centered(values: NDArray[Any]) -> Floats:
    centered: Floats = values - values.mean(axis=1, keepdims=True)
    return centered
