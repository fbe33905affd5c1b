"""The correlation of two small gray images after the best shift and scale of each axis.

Least squares by Gauss and Newton, as Lucas & Kanade 1981 ("An iterative image registration technique"): the difference of
the images is explained by the slopes of one of them, a factor and a constant. The factor and the constant make it indifferent
to contrast and brightness.

Legend: P pairs of images, S x S pixels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_STEPS = 3
_MOST_SHIFT = 0.12  # of the side
_BORDER = 16  # one pixel in so many at each edge is left out: a crop has no counterpart there


def slopes(images_PSS: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """How pixels change with the shift and the scale of the columns, then of the rows."""
    down, across = (np.asarray(slope, np.float32) for slope in np.gradient(images_PSS, axis=(1, 2)))
    places = _places(images_PSS.shape[1])
    return across, across * places, down, down * places[:, None]


def correlation(first_PSS: Floats, second_PSS: Floats, enough: float = 1.0, steps: int = _STEPS) -> NDArray[np.float64]:
    """The largest correlation that was met while the second images were aligned with the first.

    Pairs that reach `enough` are not aligned further.
    """
    pairs, side = first_PSS.shape[:2]
    border = max(1, side // _BORDER)
    inner = np.zeros((side, side), bool)
    inner[border:-border, border:-border] = True
    target_PM = first_PSS[:, inner].astype(np.float64)
    moved_P4, best_P, rows = np.zeros((pairs, 4)), np.full(pairs, -1.0), np.arange(pairs)
    for step in range(steps + 1):
        warped = second_PSS[rows] if step == 0 else _warped(second_PSS[rows], moved_P4[rows])
        values = warped[:, inner].astype(np.float64)
        best_P[rows] = np.maximum(best_P[rows], _correlation(target_PM[rows], values))
        left = best_P[rows] < enough
        rows = rows[left]
        if step == steps or not len(rows):
            break
        target, values = target_PM[rows], values[left]
        causes = np.stack([*(slope[:, inner] for slope in slopes(warped[left])), -target, -np.ones_like(target)], axis=2)
        moved_P4[rows] -= _least_squares(causes, values)[:, :4]
        moved_P4[rows] = moved_P4[rows].clip(-_MOST_SHIFT * side, _MOST_SHIFT * side)
    return best_P


def _least_squares(causes: NDArray[Any], values: NDArray[np.float64]) -> NDArray[np.float64]:
    causes = causes.astype(np.float64)
    products = causes.transpose(0, 2, 1) @ causes
    diagonal = np.arange(causes.shape[2])
    products[:, diagonal, diagonal] *= 1.001  # so that flat images have a solution too
    products[:, diagonal, diagonal] += 1e-3
    solution: NDArray[np.float64] = np.linalg.solve(products, causes.transpose(0, 2, 1) @ values[:, :, None])[:, :, 0]
    return solution


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    first, second = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    lengths = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    cosine: NDArray[np.float64] = (first * second).sum(axis=1) / np.maximum(lengths, 1e-9)
    return cosine


def _places(side: int) -> Floats:
    """Where pixels lie, from -1 to 1."""
    return ((np.arange(side) - (side - 1) / 2) / (side / 2)).astype(np.float32)


def _warped(images_PSS: Floats, moved_P4: NDArray[np.float64]) -> Floats:
    """Images sampled bilinearly after a shift and a scale of the columns, and of the rows; in pixels at the edge."""
    side = images_PSS.shape[1]
    across, down = (
        (np.arange(side) + moved_P4[:, shift, None] + moved_P4[:, shift + 1, None] * _places(side)).clip(0, side - 1.001)
        for shift in (0, 2)
    )
    low = down.astype(np.int64)[:, :, None]
    part = (down[:, :, None] - low).astype(np.float32)
    rows = np.take_along_axis(images_PSS, low, 1) * (1 - part) + np.take_along_axis(images_PSS, low + 1, 1) * part
    left = across.astype(np.int64)[:, None, :]
    part = (across[:, None, :] - left).astype(np.float32)
    warped: NDArray[Any] = np.take_along_axis(rows, left, 2) * (1 - part) + np.take_along_axis(rows, left + 1, 2) * part
    return warped.astype(np.float32, copy=False)
