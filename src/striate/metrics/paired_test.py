"""Two classifiers on the same images: whether one is better, or the difference is chance.

Legend: N images.
"""

from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError


class Comparison(NamedTuple):
    """How often two classifiers were right on the same images.

    Attributes:
        both_right: images that both had right.
        only_a: images that only the first had right.
        only_b: images that only the second had right.
        both_wrong: images that neither had right.
        p_value: probability of a difference at least as large where both are equally good.

    """

    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    p_value: float


def paired(right_a_N: NDArray[np.bool_], right_b_N: NDArray[np.bool_]) -> Comparison:
    """McNemar's test in its exact form, two-sided: of the images that only one had right, each is either's with chance 1/2.

    Images that both had right, or both wrong, say nothing about which is better (McNemar 1947; Dietterich 1998, section 3.1).

    >>> paired(np.array([1, 1, 1, 1, 0], bool), np.array([1, 0, 0, 0, 0], bool))
    Comparison(both_right=1, only_a=3, only_b=0, both_wrong=1, p_value=0.25)

    Raises:
        DataError: there are no images, or not as many of both.

    """
    if not len(right_a_N) or right_a_N.shape != right_b_N.shape:
        raise DataError(f"expected answers for the same images; got {len(right_a_N)} and {len(right_b_N)}.")
    only_a, only_b = int((right_a_N & ~right_b_N).sum()), int((~right_a_N & right_b_N).sum())
    differ = only_a + only_b
    # Whole numbers until the division: 0.5 ** n is nothing from n = 1075 on
    tail = sum(comb(differ, k) for k in range(min(only_a, only_b) + 1))
    p_value = min(1.0, 2 * tail / 2**differ) if differ else 1.0
    return Comparison(int((right_a_N & right_b_N).sum()), only_a, only_b, int((~right_a_N & ~right_b_N).sum()), p_value)
