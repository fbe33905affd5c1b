"""Risk-coverage curve: the error among the most probable predictions, by the share of images that these are.

Legend: N images.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, ShapeError


class Curve(NamedTuple):
    """One point for each number of accepted predictions, from the most probable one to all N."""

    threshold_N: NDArray[np.float64]  # probability of the last prediction that is accepted
    coverage_N: NDArray[np.float64]  # share of the images whose predictions are accepted
    error_N: NDArray[np.float64]  # share of the accepted predictions that are wrong

    @property
    def area(self) -> float:
        """Mean error over all coverages, 0..1: the area under the curve (AURC; Geifman et al. 2019, section 2)."""
        return float(self.error_N.mean())


def curve(probabilities_N: NDArray[np.floating[Any]], right_N: NDArray[np.bool_]) -> Curve:
    """The curve of predictions with these probabilities, of which some are right (El-Yaniv & Wiener 2010).

    Predictions of equal probability cannot be told apart, so each of them counts with the error of all of them.

    >>> curve(np.array([0.9, 0.8, 0.6]), np.array([True, False, True])).error_N.round(2).tolist()
    [0.0, 0.5, 0.33]

    Raises:
        ShapeError, DataError: the two differ in length, or there are none.

    """
    if probabilities_N.ndim != 1 or probabilities_N.shape != right_N.shape:
        raise ShapeError(f"expected one probability for each prediction; got {probabilities_N.shape} and {right_N.shape}.")
    if not len(right_N):
        raise DataError("expected at least one prediction; got none.")
    order = np.argsort(-probabilities_N, kind="stable")
    sorted_N = probabilities_N[order].astype(np.float64)
    _, group_N, sizes = np.unique(-sorted_N, return_inverse=True, return_counts=True)
    wrong_N = (np.bincount(group_N, weights=~right_N[order]) / sizes)[group_N]
    count_N = np.arange(1, len(order) + 1)
    return Curve(sorted_N, count_N / len(order), np.cumsum(wrong_N) / count_N)
