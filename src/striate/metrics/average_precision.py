"""Average precision of each label, and its mean over the labels (mAP), with bootstrap intervals.

Legend: N images, K labels, D bootstrap draws, G groups of images whose scores of a label are equal.
"""

from math import asin, pi, sin, sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, ShapeError
from striate.metrics.intervals import Interval

_DRAWS, _FEWEST, _MOST = 1000, 200, 100_000_000  # draws, the least of them, and weights that are added up in all
_AT_ONCE = 1_000_000
_WIDER = 1.1  # measured: without it, 91 of 100 intervals cover, since high scores vary too little in the draws

Scores = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


class MeanAveragePrecision(NamedTuple):
    """The mean over the labels that an image has, and each of them; None for a label that no image has."""

    mean: Interval
    per_label: tuple[Interval | None, ...]


class MapDifference(NamedTuple):
    """How much higher one mAP is than another on the same images."""

    interval: Interval
    p_value: float  # how often a difference this large would arise if both were equally good


class _Ranking(NamedTuple):
    """The images by falling score of a label, and the last place of each group of equal scores."""

    order_N: NDArray[np.int64]
    end_G: NDArray[np.int64]

    def average_precision(self, weights_DN: Floats, positive_DN: Floats) -> Floats:
        """Of D weightings: the precision at the end of each group, weighted by the recall that it adds."""
        hits_DG = np.cumsum(positive_DN[:, self.order_N], axis=1)[:, self.end_G]
        precision_DG = hits_DG / np.cumsum(weights_DN[:, self.order_N], axis=1)[:, self.end_G]
        steps_DG = np.diff(hits_DG, axis=1, prepend=0.0)
        mean_D: Floats = (precision_DG * steps_DG).sum(axis=1) / hits_DG[:, -1]
        return mean_D


def _ranking(scores_N: Scores) -> _Ranking:
    order_N = np.argsort(-scores_N, kind="stable")
    sorted_N = scores_N[order_N]
    return _Ranking(order_N, np.append(np.flatnonzero(sorted_N[1:] != sorted_N[:-1]), len(scores_N) - 1))


def average_precision(scores_N: Scores, true_N: Flags) -> float:
    """The area under the steps of precision over recall: sum of (R_g - R_g-1) P_g over the groups of equal scores.

    A positive at rank 1 and one at rank 3 of three images:

    >>> round(average_precision(np.array([0.9, 0.6, 0.3]), np.array([True, False, True])), 4)  # (1/1 + 2/3) / 2
    0.8333

    Raises:
        DataError: no image is positive.

    """
    if not true_N.any():
        raise DataError("expected at least one image with the label; got none, so its average precision is not defined.")
    return float(_ranking(scores_N).average_precision(np.ones((1, len(true_N))), true_N[None].astype(np.float64))[0])


def mean_average_precision(scores_NK: Scores, true_NK: Flags, level: float = 0.95, seed: int = 0) -> MeanAveragePrecision:
    """The mean over the labels, and the average precision of each, with their intervals.

    The standard deviation is that of a Bayesian bootstrap of the images (Rubin 1981); the interval is symmetric on the arcsine
    scale, so it stays between 0 and 1. One image is added to each label, ranked as precisely as all images with a label are on
    average, so that an interval has a width where every order is perfect.
    `bench/map_intervals.py` measures how often the intervals cover.

    Raises:
        DataError, ShapeError: no image has a label; scores and labels of other shapes.

    """
    _check(scores_NK, true_NK)
    measured = _measure(scores_NK, true_NK, seed)
    labels, n = len(measured.there_K), len(true_NK)
    std_K = np.sqrt(measured.draws_DK.var(axis=0) + measured.added_K)
    std = sqrt(measured.draws_DK.mean(axis=1).var() + measured.added_K.sum() / labels**2)
    columns = (measured.there_K, measured.value_K, measured.center_K, std_K)
    each = {
        k: _interval(value, center, spread, n, level)
        for k, value, center, spread in zip(*(column_K.tolist() for column_K in columns), strict=True)
    }
    mean = _interval(float(measured.value_K.mean()), float(measured.center_K.mean()), std, n, level)
    return MeanAveragePrecision(mean, tuple(each.get(k) for k in range(true_NK.shape[1])))


def map_difference(a_NK: Scores, b_NK: Scores, true_NK: Flags, level: float = 0.95, seed: int = 0) -> MapDifference:
    """The mAP of b less that of a on the same images.

    The standard deviation is that of a Bayesian bootstrap in which both have the same weights, so what makes the images easy or
    hard for both cancels; the image that is added to each label, as in `mean_average_precision`, is ranked by each
    independently. Interval and p-value are those of a normal distribution, so they agree: p < 0.05 where 0 is outside the
    interval of 95 %.
    `bench/map_intervals.py` measures how often the intervals cover.

    Raises:
        DataError, ShapeError: no image has a label; scores and labels of other shapes.

    """
    _check(a_NK, true_NK)
    _check(b_NK, true_NK)
    a, b = (_measure(scores_NK, true_NK, seed) for scores_NK in (a_NK, b_NK))
    added = float((a.added_K + b.added_K).sum()) / len(a.there_K) ** 2
    std = sqrt((b.draws_DK - a.draws_DK).mean(axis=1).var() + added)
    value, normal = float((b.value_K - a.value_K).mean()), NormalDist()
    reach = normal.inv_cdf(0.5 + level / 2) * std
    interval = Interval(value, max(-1.0, value - reach), min(1.0, value + reach), len(true_NK))
    return MapDifference(interval, 2 * normal.cdf(-abs(value) / std))


def _check(scores_NK: Scores, true_NK: Flags) -> None:
    if scores_NK.ndim != 2 or scores_NK.shape != true_NK.shape:
        raise ShapeError(f"expected scores and labels N x K; got {scores_NK.shape} and {true_NK.shape}.")
    if not true_NK.any():
        raise DataError("expected at least one image with a label to score; got none.")


class _Measured(NamedTuple):
    """Average precisions of the labels that an image has, and how much they vary; K counts these labels alone."""

    there_K: NDArray[np.int64]  # their positions among all labels
    value_K: Floats
    center_K: Floats  # with the image that is added
    added_K: Floats  # variance by that image
    draws_DK: Floats


def _measure(scores_NK: Scores, true_NK: Flags, seed: int) -> _Measured:
    """Draws are of the same images for every classifier with the same seed."""
    there_K = np.flatnonzero(true_NK.any(axis=0))
    rankings = [_ranking(scores_NK[:, k]) for k in there_K.tolist()]
    positives_KN = np.ascontiguousarray(true_NK[:, there_K].T.astype(np.float64))
    ones_1N = np.ones((1, len(true_NK)))
    pairs = list(zip(rankings, positives_KN, strict=True))
    value_K = np.array([ranking.average_precision(ones_1N, true_N[None])[0] for ranking, true_N in pairs])
    count_K = true_NK.sum(axis=0)[there_K].astype(np.float64)
    expected = float(((value_K * count_K).sum() + 1) / (count_K.sum() + 2))  # of an image that is added
    draws_DK = _draw(pairs, len(true_NK), np.random.default_rng(seed))
    center_K = np.minimum(value_K, (value_K * count_K + expected) / (count_K + 1))
    added_K = 2 * expected * (1 - expected) / (count_K + 1) ** 2  # by a weight whose square is 2 on average
    return _Measured(there_K, value_K, center_K, added_K, draws_DK)


def _draw(pairs: list[tuple[_Ranking, Floats]], count: int, rng: np.random.Generator) -> Floats:
    """D x K average precisions of weighted images; all labels of a draw are of the same weights."""
    draws = max(_FEWEST, min(_DRAWS, _MOST // (count * len(pairs))))
    drawn_DK, at_once = np.empty((draws, len(pairs))), max(1, _AT_ONCE // count)
    for start in range(0, draws, at_once):
        rows = slice(start, min(draws, start + at_once))
        weights_DN = rng.standard_exponential((rows.stop - start, count))
        for at, (ranking, true_N) in enumerate(pairs):
            drawn_DK[rows, at] = ranking.average_precision(weights_DN, weights_DN * true_N)
    return drawn_DK


def _interval(value: float, center: float, std: float, n: int, level: float) -> Interval:
    """The interval on the arcsine scale, on which the variance of a share hardly depends on the share."""
    reach = NormalDist().inv_cdf(0.5 + level / 2) * _WIDER * std / (2 * sqrt(center * (1 - center)))
    low, high = (sin(max(0.0, min(pi / 2, asin(sqrt(center)) + way * reach))) ** 2 for way in (-1, 1))
    return Interval(value, min(value, low), max(value, high if value < 1 else 1.0), n)
