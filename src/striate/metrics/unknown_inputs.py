"""Unknown inputs: whether an image looks like none of the training set, by the Mahalanobis distance of its features.

Features are divided by their length first (Mueller & Hein 2025), which says how strong an image is, not what it shows. Those
of each class are taken to be normal around their mean with one covariance for all (Lee et al. 2018, section 2).
Its largest axes are estimated one by one; all others share the variance that is left (Tipping & Bishop 1999), so that it can be
inverted however few the images are. An image is unknown where the distance to the nearest class is larger than a threshold,
which all but a share of the validation images keep below: the rank of split conformal prediction, so on new images of the known
kind the share of false alarms is that, whatever the features are.

Legend: N images, V validation images, K classes, D features, R axes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from striate.metrics.classification import Labels

Values = NDArray[np.floating[Any]]
RATE = 0.05  # false alarms among images of the known kind
MOST_IMAGES = 2000  # training images that the statistics are of
_MOST_AXES = 64
_IMAGES_AN_AXIS = 4
_AT_ONCE = 1024
_EQUAL = 1e-12  # variance of features of length one, below which they do not differ
_MARGIN = 1e-5  # of the threshold: else the image whose distance it is lies above it by another batch or processor
_LEAST = 1e-6  # of the largest variance, which the variance of all other directions is not below


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """The means of classes and their common covariance.

    Attributes:
        centers_KD: the mean of each class.
        axes_RD: unit vectors, the directions in which images differ most from the mean of their class.
        variances_R: along these.
        rest: the variance along every other direction.

    """

    centers_KD: NDArray[np.float32]
    axes_RD: NDArray[np.float32]
    variances_R: NDArray[np.float32]
    rest: float

    def __post_init__(self) -> None:
        (rank, width), kinds = self.axes_RD.shape, (self.centers_KD, self.axes_RD, self.variances_R)
        fits = self.centers_KD.shape[1:] == (width,) and self.variances_R.shape == (rank,)
        if not (fits and all(np.isfinite(array).all() for array in kinds) and min(self.rest, *self.variances_R.tolist()) > 0):
            raise ValueError("expected statistics of features that fit each other, with variances above 0")

    def distances(self, features_ND: Values) -> NDArray[np.float64]:
        """The squared Mahalanobis distance of each image to the nearest class, divided by D; lengths do not count."""
        return self.mahalanobis(_unit(features_ND))

    def mahalanobis(self, values_ND: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same of values that are taken as they are."""
        axes_RD, centers_KD = self.axes_RD.astype(np.float64), self.centers_KD.astype(np.float64)
        weights_R = 1 / self.variances_R.astype(np.float64) - 1 / self.rest
        parts = [np.empty(0)]
        for start in range(0, len(values_ND), _AT_ONCE):
            part_ND = values_ND[start : start + _AT_ONCE]
            everywhere_NK = _distances2(part_ND, centers_KD) / self.rest
            along_NK = _distances2(part_ND @ axes_RD.T, centers_KD @ axes_RD.T, weights_R)
            parts.append((everywhere_NK + along_NK).min(axis=1) / values_ND.shape[1])
        return np.maximum(np.concatenate(parts), 0)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As arrays by name, for a file."""
        rest_1 = np.array([self.rest])
        return {"centers": self.centers_KD, "axes": self.axes_RD, "variances": self.variances_R, "rest": rest_1}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        """The statistics that `arrays` gave."""
        return cls(arrays["centers"], arrays["axes"], arrays["variances"], float(arrays["rest"][0]))


def fit(features_ND: Values, labels_N: Labels) -> FeatureStatistics | None:
    """The statistics of training images; None where there are too few, or where their features do not differ.

    There is one axis for four images at the most: of fewer images the variance along an axis is known too badly.
    """
    _, labels_N = np.unique(labels_N, return_inverse=True)
    counts_K = np.bincount(labels_N)
    left = len(labels_N) - len(counts_K)  # degrees of freedom
    rank = min(_MOST_AXES, left // _IMAGES_AN_AXIS, features_ND.shape[1] - 1)
    if rank < 1 or not np.isfinite(features_ND).all():
        return None
    features_ND = _unit(features_ND)
    centers_KD = np.zeros((len(counts_K), features_ND.shape[1]))
    np.add.at(centers_KD, labels_N, features_ND)
    centers_KD /= counts_K[:, None]
    residuals_ND = features_ND - centers_KD[labels_N]
    variances_R, axes_RD = _main_axes(residuals_ND, rank)
    variances_R = variances_R / left
    total, largest = float((residuals_ND**2).sum()) / left, float(variances_R[0])
    if largest < _EQUAL:
        return None
    rest = max((total - float(variances_R.sum())) / (features_ND.shape[1] - rank), _LEAST * largest)
    variances_R = np.maximum(variances_R, rest).astype(np.float32)
    return FeatureStatistics(centers_KD.astype(np.float32), axes_RD.astype(np.float32), variances_R, rest)


def _main_axes(residuals_ND: NDArray[np.float64], rank: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The sums of squares along the main axes, largest first, and these axes as unit vectors, R x D."""
    if len(residuals_ND) >= residuals_ND.shape[1]:
        sums_D, axes_DD = np.linalg.eigh(residuals_ND.T @ residuals_ND)
        return sums_D[::-1][:rank], axes_DD.T[::-1][:rank]
    sums_N, shares_NN = np.linalg.eigh(residuals_ND @ residuals_ND.T)
    sums_R, axes_RD = np.maximum(sums_N[::-1][:rank], 0), shares_NN.T[::-1][:rank] @ residuals_ND
    return sums_R, axes_RD / np.maximum(np.linalg.norm(axes_RD, axis=1, keepdims=True), 1e-300)


def images_needed(rate: float) -> int:
    """The least number of validation images for a threshold with this share of false alarms.

    >>> images_needed(0.05), images_needed(0.01)
    (19, 99)

    """
    return ceil(1 / Fraction(str(rate))) - 1


def threshold(distances_V: Values, rate: float) -> float | None:
    """The ceil((V + 1)(1 - rate))-th smallest distance; None of fewer images than `images_needed(rate)`."""
    count = len(distances_V)
    if count < images_needed(rate):
        return None
    return float(np.sort(distances_V)[ceil((count + 1) * (1 - Fraction(str(rate)))) - 1])


class Flagged(NamedTuple):
    """How many of some images are unknown to a model."""

    flagged: int
    n: int


@dataclass(frozen=True, eq=False)
class UnknownInputs:
    """How a model tells images that look like none of its training set.

    Attributes:
        statistics: of the features of its training images.
        threshold: the largest distance of an image that is taken for a known one, more than that of a validation image by what
            its last digits may differ.
        rate: the share of images of the known kind that are flagged all the same.
        tested: what was flagged of the test images of its training; None where there were none.

    """

    statistics: FeatureStatistics
    threshold: float
    rate: float
    tested: Flagged | None = None

    def flags(self, features_ND: Values) -> NDArray[np.bool_]:
        """Which images are unknown."""
        return self.flags_of(self.statistics.distances(features_ND))

    def flags_of(self, distances_N: Values) -> NDArray[np.bool_]:
        """Which distances are those of unknown images; one that is no number is."""
        return ~(distances_N <= self.threshold)

    def count(self, distances_N: Values) -> Flagged:
        """How many images of these distances are unknown."""
        return Flagged(int(self.flags_of(distances_N).sum()), len(distances_N))

    def as_json(self) -> dict[str, Any]:
        """All but the statistics, for JSON."""
        tested = None if self.tested is None else self.tested._asdict()
        return {"rate": self.rate, "threshold": self.threshold, "tested": tested}

    @classmethod
    def of_artifact(cls, described: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """What `as_json` and the arrays of the statistics describe."""
        tested = None if described["tested"] is None else Flagged(**described["tested"])
        return cls(FeatureStatistics.of_arrays(arrays), described["threshold"], described["rate"], tested)


def calibrated(statistics: FeatureStatistics, val_V: Values, rate: float, test_N: Values | None = None) -> UnknownInputs | None:
    """With the threshold of the distances of validation images, tried on test images; None where they are too few."""
    limit = threshold(val_V, rate)
    if limit is None:
        return None
    unknown = UnknownInputs(statistics, limit * (1 + _MARGIN), rate)
    return unknown if test_N is None else replace(unknown, tested=unknown.count(test_N))


def _unit(values_ND: Values) -> NDArray[np.float64]:
    """Each row divided by its length."""
    wide_ND = values_ND.astype(np.float64)
    unit_ND: NDArray[np.float64] = wide_ND / np.maximum(np.linalg.norm(wide_ND, axis=1, keepdims=True), 1e-12)
    return unit_ND


def _distances2(a_ND: Values, b_KD: Values, weights_D: Values | float = 1.0) -> NDArray[np.float64]:
    """N x K: the sum of the weighted squared differences."""
    weighted_KD = b_KD * weights_D
    own_N, own_K = (a_ND**2 * weights_D).sum(axis=1), (b_KD * weighted_KD).sum(axis=1)
    distances_NK: NDArray[np.float64] = own_N[:, None] - 2 * a_ND @ weighted_KD.T + own_K
    return distances_NK
