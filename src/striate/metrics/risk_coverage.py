"""Risk-coverage curve: the error among the most probable predictions, by the share of images that these are.

Legend: N images.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, ShapeError


class Point(NamedTuple):
    """What a threshold on the probability does."""

    threshold: float  # least probability of a prediction that is accepted
    coverage: float  # share of the images whose predictions are accepted
    error: float  # share of the accepted predictions that are wrong


class Curve(NamedTuple):
    """One point for each number of accepted predictions, from the most probable one to all N."""

    threshold_N: NDArray[np.float64]  # probability of the last prediction that is accepted
    coverage_N: NDArray[np.float64]  # share of the images whose predictions are accepted
    error_N: NDArray[np.float64]  # share of the accepted predictions that are wrong

    @property
    def area(self) -> float:
        """Mean error over all coverages, 0..1: the area under the curve (AURC; Geifman et al. 2019, section 2)."""
        return float(self.error_N.mean())

    def at_error(self, most: float) -> Point | None:
        """The point of largest coverage whose error is at most `most`; None where every point has more."""
        ends_P = self._ends()
        fits_P = ends_P[self.error_N[ends_P] <= most]
        return self._point(int(fits_P[-1])) if len(fits_P) else None

    def points(self, most: int) -> list[Point]:
        """Points that a threshold can give, `most` of them, evenly over the coverage; always that of all predictions."""
        ends_P = self._ends()
        wanted = np.linspace(0, len(self.error_N) - 1, most).round()
        return [self._point(int(place)) for place in np.unique(ends_P[np.searchsorted(ends_P, wanted)])]

    def _point(self, place: int) -> Point:
        values = (self.threshold_N, self.coverage_N, self.error_N)
        threshold, coverage, error = (float(value_N[place]) for value_N in values)
        return Point(threshold, coverage, error)

    def _ends(self) -> NDArray[np.intp]:
        """Where a threshold can lie: after the last of predictions of equal probability."""
        return np.flatnonzero(np.append(np.diff(self.threshold_N) != 0, True))


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
