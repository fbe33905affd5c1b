"""A paired test of two classifiers on the same images: McNemar's exact test.

Legend: N images.
"""

from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError


class Comparison(NamedTuple):
    """How many images both, one or none of two classifiers, a and b, classified correctly."""

    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    p_value: float  # how often a difference this large would arise if both were equally good


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
