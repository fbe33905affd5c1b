"""Statistics of images, summed in whole numbers: the same whatever parts they are summed in, and in whatever order.

A sum of floating-point numbers depends on its order in the last digits. So the mean and the mean square of each channel are
rounded to multiples of 2^-52 before they are summed, which changes them by less than 2e-16, and sides are counted.

Legend: N images.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BITS = 52
_FIT = 2**10  # images whose sum fits into 64 bits
_AT_ONCE = 2**16  # images


@dataclass(frozen=True)
class ImageStatistics:
    """Sums over some images."""

    images: int = 0
    gray: int = 0  # images without color
    levels: tuple[int, int, int] = (0, 0, 0)  # sums of the mean of each channel, in units of 2^-52
    squares: tuple[int, int, int] = (0, 0, 0)  # the same of the mean square
    heights: Counter[int] = field(default_factory=Counter)  # images by height in pixels
    widths: Counter[int] = field(default_factory=Counter)

    def __add__(self, other: "ImageStatistics") -> "ImageStatistics":
        """Those of the images of both."""
        return ImageStatistics(
            self.images + other.images, self.gray + other.gray, _added(self.levels, other.levels),
            _added(self.squares, other.squares), self.heights + other.heights, self.widths + other.widths,
        )  # fmt: skip

    @property
    def mean(self) -> tuple[float, ...]:
        """Of each channel in [0, 1], each image weighing the same; of one channel where all images are gray."""
        return tuple(float(Fraction(level, self.images << _BITS)) for level in self._channels(self.levels))

    @property
    def std(self) -> tuple[float, ...]:
        """The standard deviation of each channel."""
        unit, pairs = self.images << _BITS, zip(self._channels(self.levels), self._channels(self.squares), strict=True)
        return tuple(float(Fraction(max(square * unit - level**2, 0), unit**2)) ** 0.5 for level, square in pairs)

    def _channels(self, sums: tuple[int, int, int]) -> tuple[int, ...]:
        return sums[:1] if self.gray == self.images else sums


def of_columns(columns: Mapping[str, NDArray[Any]]) -> ImageStatistics:
    """Those of N images; columns are those of `CachedPixels`, and may be mapped from files."""
    total = ImageStatistics()
    for start in range(0, len(columns["gray_N"]), _AT_ONCE):
        some = {name: columns[name][start : start + _AT_ONCE] for name in ("gray_N", "sizes_N2", "means_N3", "squares_N3")}
        total += ImageStatistics(
            len(some["gray_N"]), int(some["gray_N"].sum()), _units(some["means_N3"]), _units(some["squares_N3"]),
            _counted(some["sizes_N2"][:, 0]), _counted(some["sizes_N2"][:, 1]),
        )  # fmt: skip
    return total


def spread(sides: Counter[int]) -> list[int]:
    """Least, median and most, in pixels."""
    places, count = sorted(sides), sides.total()
    ends = np.cumsum([sides[side] for side in places])
    middle = [places[int(np.searchsorted(ends, place, "right"))] for place in ((count - 1) // 2, count // 2)]
    return [places[0], sum(middle) // 2, places[-1]]


def _added(first: tuple[int, int, int], second: tuple[int, int, int]) -> tuple[int, int, int]:
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]


def _units(levels_N3: NDArray[np.float64]) -> tuple[int, int, int]:
    units_N3 = np.rint(levels_N3 * 2.0**_BITS).astype(np.int64)
    sums = np.add.reduceat(units_N3, np.arange(0, len(units_N3), _FIT), axis=0).tolist()
    red, green, blue = (sum(column) for column in zip(*sums, strict=True))
    return red, green, blue


def _counted(sides_N: NDArray[np.int32]) -> Counter[int]:
    sides, counts = np.unique(sides_N, return_counts=True)
    return Counter(dict(zip(sides.tolist(), counts.tolist(), strict=True)))
