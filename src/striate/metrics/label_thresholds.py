"""The least probability of each label at which an image gets it, fitted on validation images.

Legend: N images, K labels.
"""

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, ShapeError

FEWEST = 5  # validation images with a label, below which it takes the threshold that is best for all labels together

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def fit(shares_NK: Floats, true_NK: Flags) -> tuple[float, ...]:
    """The threshold of each label with the largest F1 on these images, half-way between two probabilities.

    A label that fewer than `FEWEST` images have takes the one threshold that is best where all labels are counted together,
    since a choice by so few is mostly chance (Yang 2001, section 2).

    Raises:
        DataError, ShapeError: no image has a label; probabilities and labels of other shapes.

    """
    if shares_NK.ndim != 2 or shares_NK.shape != true_NK.shape:
        raise ShapeError(f"expected probabilities and labels N x K; got {shares_NK.shape} and {true_NK.shape}.")
    if not true_NK.any():
        raise DataError("expected at least one image with a label to fit thresholds on; got none.")
    together = best(shares_NK.ravel(), true_NK.ravel())
    images_K = true_NK.sum(axis=0).tolist()
    return tuple(best(shares_NK[:, k], true_NK[:, k]) if images >= FEWEST else together for k, images in enumerate(images_K))


def best(shares_N: Floats, true_N: Flags) -> float:
    """The threshold with the largest F1; of equally good ones the highest.

    >>> best(np.array([0.9, 0.7, 0.4, 0.1]), np.array([True, True, False, False]))  # F1 is 1 from 0.4 to 0.7
    0.55
    """
    order_N = np.argsort(-shares_N, kind="stable")
    falling_N = shares_N[order_N]
    end_G = np.append(np.flatnonzero(falling_N[1:] != falling_N[:-1]), len(falling_N) - 1)
    f1_G = 2 * np.cumsum(true_N[order_N])[end_G] / (end_G + 1 + true_N.sum())
    last = int(end_G[int(f1_G.argmax())])
    below = float(falling_N[last + 1]) if last + 1 < len(falling_N) else 0.0
    return (float(falling_N[last]) + below) / 2
