"""Two neighboring pixels of many images as clouds of points, step by step from raw levels to whitened ones.

Legend: M training images, N of them as points.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.hash_rng import permute
from striate.data.on_the_fly import PixelRows

POINTS = 1000
_EPSILON = {"std": 1e-6, "whitening": 1e-5}

Rebuild = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # N x H x W x C: bytes to centered levels from some components


class Cloud(NamedTuple):
    """N points after one more step."""

    name: str  # of the step
    points_N2: NDArray[np.float64]  # in units of [0, 1], or of standard deviations once they are divided
    covariance_22: NDArray[np.float64]  # of the points, divided by N


class Pair(NamedTuple):
    """The two pixels, and their clouds."""

    row: int  # of both, from the top
    column: int  # of the left one; the other is its right neighbor
    channel: int  # of both
    clouds: tuple[Cloud, ...]  # one for each step


def clouds(
    pixels_NHWC: PixelRows, rows_M: NDArray[np.int64], what: str, epsilon: float | None = None, seed: int = 0,
    rebuild: Rebuild | None = None,
) -> Pair:  # fmt: skip
    """The clouds that lead to `what`: raw and centered (mean); scaled (std); decorrelated and whitened (whitening).

    The pair is that of the largest covariance among neighbors in a row, over up to 1,000 of the M images. With `rebuild`, what
    follows the centered cloud is of the two pixels as they are rebuilt, which is a step of its own: reduced.
    """
    sample = np.sort(rows_M[permute(np.arange(len(rows_M)), len(rows_M), seed, "clouds")[:POINTS]])
    bytes_NHWC = pixels_NHWC[sample]
    levels_NHWC = bytes_NHWC / 255.0
    centered_NHWC = levels_NHWC - levels_NHWC.mean(axis=0)
    together_HWC = (centered_NHWC[:, :, :-1] * centered_NHWC[:, :, 1:]).mean(axis=0)
    row, column, channel = (int(index) for index in np.unravel_index(int(together_HWC.argmax()), together_HWC.shape))
    raw_N2 = levels_NHWC[:, row, column : column + 2, channel]
    centered_N2 = raw_N2 - raw_N2.mean(axis=0)
    steps = [("raw", raw_N2), ("centered", centered_N2)]
    if rebuild is not None:
        rebuilt_N2 = rebuild(bytes_NHWC)[:, row, column : column + 2, channel].astype(np.float64)
        centered_N2 = rebuilt_N2 - rebuilt_N2.mean(axis=0)
        steps.append(("reduced", centered_N2))
    if what != "mean":
        steps += _divided(centered_N2, what, epsilon or _EPSILON[what])
    return Pair(row, column, channel, tuple(Cloud(name, points_N2, _covariance(points_N2)) for name, points_N2 in steps))


def _divided(centered_N2: NDArray[np.float64], what: str, epsilon: float) -> list[tuple[str, NDArray[np.float64]]]:
    """The steps after centering that divide by a standard deviation, or lead to it."""
    covariance_22 = _covariance(centered_N2)
    scaled = ("scaled", centered_N2 / np.sqrt(np.diag(covariance_22) + epsilon))
    if what == "std":
        return [scaled]
    variances_2, vectors_22 = np.linalg.eigh(covariance_22)
    turned_N2 = centered_N2 @ vectors_22[:, ::-1]
    whitened_N2 = turned_N2 / np.sqrt(np.maximum(variances_2[::-1], 0.0) + epsilon)
    return [scaled, ("decorrelated", turned_N2), ("whitened", whitened_N2)]


def _covariance(points_N2: NDArray[np.float64]) -> NDArray[np.float64]:
    centered_N2 = points_N2 - points_N2.mean(axis=0)
    covariance_22: NDArray[np.float64] = centered_N2.T @ centered_N2 / len(points_N2)
    return covariance_22
