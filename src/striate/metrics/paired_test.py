"""Two classifiers on the same images: McNemar's exact test, and the interval of the difference of their accuracies.

Legend: N images.
"""

from collections.abc import Mapping
from math import comb, sqrt
from statistics import NormalDist
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError
from striate.metrics.intervals import Interval

Key = TypeVar("Key")


class Comparison(NamedTuple):
    """How many images both, one or none of two classifiers, a and b, classified correctly."""

    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    p_value: float  # how often a difference this large would arise if both were equally good


class ClassComparison(NamedTuple):
    """Two classifiers, a and b, on the images of one class."""

    n: int
    recall_a: float
    recall_b: float
    only_a: int  # images that only a classified correctly
    only_b: int
    p_value: float  # corrected for the number of classes


def paired(right_a_N: NDArray[np.bool_], right_b_N: NDArray[np.bool_]) -> Comparison:
    """McNemar's exact test, two-sided: each image that only one classified correctly is either's with probability 1/2.

    The other images say nothing about which is better (McNemar 1947; Dietterich 1998, section 3.1).

    >>> paired(np.array([1, 1, 1, 1, 0], bool), np.array([1, 0, 0, 0, 0], bool))
    Comparison(both_right=1, only_a=3, only_b=0, both_wrong=1, p_value=0.25)

    Raises:
        DataError: there are no images, or not as many of both.

    """
    if not len(right_a_N) or right_a_N.shape != right_b_N.shape:
        raise DataError(f"expected predictions for the same images; got {len(right_a_N)} and {len(right_b_N)}.")
    only_a, only_b = int((right_a_N & ~right_b_N).sum()), int((~right_a_N & right_b_N).sum())
    differ = only_a + only_b
    # Whole numbers until the division: 0.5 ** n is 0 from n = 1075 on
    tail = sum(comb(differ, k) for k in range(min(only_a, only_b) + 1))
    p_value = min(1.0, 2 * tail / 2**differ) if differ else 1.0
    return Comparison(int((right_a_N & right_b_N).sum()), only_a, only_b, int((~right_a_N & ~right_b_N).sum()), p_value)


def difference(right_a_N: NDArray[np.bool_], right_b_N: NDArray[np.bool_], level: float = 0.95) -> Interval:
    """How much more accurate a is than b on the same images, from -1 to 1, with its score interval (Tango 1998).

    The interval holds every difference that the images do not contradict: the variance is taken as it would be if that
    difference were true, so it keeps its level where few images differ and is not of width 0 where none does.

    >>> difference(np.array([1, 1, 1, 1, 0], bool), np.array([1, 0, 0, 0, 0], bool))._replace(low=-0.095, high=0.882)
    Interval(value=0.6, low=-0.095, high=0.882, n=5)

    Raises:
        DataError: there are no images, or not as many of both.

    """
    counts = paired(right_a_N, right_b_N)
    n, z = len(right_a_N), NormalDist().inv_cdf(0.5 + level / 2)
    value = (counts.only_a - counts.only_b) / n
    low = -_upper_end(counts.only_b, counts.only_a, n, z)
    return Interval(value, low, _upper_end(counts.only_a, counts.only_b, n, z), n)


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Each p-value corrected for their number (Holm 1979): the least by all, the next by one fewer, never falling.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    corrected, highest = dict[Key, float](), 0.0
    for number, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, p_values[name] * (len(p_values) - number)))
        corrected[name] = highest
    return corrected


def per_class(
    right_a_N: NDArray[np.bool_], right_b_N: NDArray[np.bool_], labels_N: NDArray[np.int64]
) -> dict[int, ClassComparison]:
    """For each class with images: the recalls of a and b, and McNemar's exact test on its images, corrected by Holm.

    >>> per_class(np.array([1, 1, 0, 0], bool), np.array([1, 0, 0, 1], bool), np.array([0, 0, 2, 2]))[2]
    ClassComparison(n=2, recall_a=0.0, recall_b=0.5, only_a=0, only_b=1, p_value=1.0)
    """
    pairs = {k: paired(right_a_N[labels_N == k], right_b_N[labels_N == k]) for k in np.unique(labels_N).tolist()}
    corrected = holm({k: pair.p_value for k, pair in pairs.items()})
    rows = dict[int, ClassComparison]()
    for k, pair in pairs.items():
        n = sum(pair[:4])
        recall_a, recall_b = (pair.both_right + pair.only_a) / n, (pair.both_right + pair.only_b) / n
        rows[k] = ClassComparison(n, recall_a, recall_b, pair.only_a, pair.only_b, corrected[k])
    return rows


def _upper_end(only_a: int, only_b: int, n: int, z: float) -> float:
    """The largest difference whose score is at most z, by bisection to the last digit."""
    low, high = (only_a - only_b) / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        # the share of images that only b has right, most likely where the difference is `middle` (Tango 1998, section 3.1)
        linear = (2 * n - only_a + only_b) * middle - only_a - only_b
        share_b = (sqrt(max(0.0, linear**2 + 8 * n * only_b * middle * (1 - middle))) - linear) / (4 * n)
        variance = n * (2 * share_b + middle * (1 - middle))
        if n * middle - only_a + only_b <= z * sqrt(max(0.0, variance)):
            low = middle
        else:
            high = middle
    return high
