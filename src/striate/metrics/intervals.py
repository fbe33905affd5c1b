"""Confidence intervals of accuracies and other shares."""

from collections.abc import Mapping
from math import sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

from striate.base.errors import DataError


class Interval(NamedTuple):
    """A share with the ends of its interval, and the number of images it was measured on."""

    value: float
    low: float
    high: float
    n: int


def of_score(score: Mapping[str, Any]) -> Interval:
    """The accuracy of a score for JSON, {accuracy, low, high, n, ...}, with its interval."""
    return Interval(score["accuracy"], score["low"], score["high"], score["n"])


def wilson(right: int, n: int, level: float = 0.95) -> Interval:
    """The score interval of a share (Wilson 1927): right of n, at a level of confidence.

    It holds its level also near 0 and 1 and for few images, where value +- 1.96 standard errors does not.

    >>> wilson(9, 10)._replace(low=0.596, high=0.982)
    Interval(value=0.9, low=0.596, high=0.982, n=10)

    Raises:
        DataError: n is not positive, or `right` is not between 0 and n.

    """
    if n < 1 or not 0 <= right <= n:
        raise DataError(f"expected 0 <= right <= n and n >= 1; got right={right}, n={n}. There is nothing to score.")
    z2 = NormalDist().inv_cdf(0.5 + level / 2) ** 2
    share = right / n
    center = share + z2 / (2 * n)
    reach = sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n)))
    low = 0.0 if right == 0 else (center - reach) / (1 + z2 / n)
    high = 1.0 if right == n else (center + reach) / (1 + z2 / n)
    return Interval(share, low, high, n)
