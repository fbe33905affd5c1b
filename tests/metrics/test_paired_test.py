from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from striate.base.errors import DataError
from striate.metrics.paired_test import paired

RIGHT = arrays.arrays(np.bool_, st.integers(1, 40))


def cases(only_a: int, only_b: int, both: int = 0, neither: int = 0) -> tuple[np.ndarray, np.ndarray]:
    a = np.repeat([True, False, True, False], [only_a, only_b, both, neither])
    b = np.repeat([False, True, True, False], [only_a, only_b, both, neither])
    return a, b


def test_counts_and_chance_by_hand():
    # 1 of 6 or fewer: (1 + 6) / 64 on either side
    comparison = paired(*cases(5, 1, both=80, neither=14))
    assert comparison == (80, 5, 1, 14, pytest.approx(14 / 64))


def test_the_chance_is_that_of_every_way_the_coins_can_fall():
    falls = [abs(sum(coins) - 3.5) for coins in product([0, 1], repeat=7)]
    for heads in range(8):
        share = np.mean([fall >= abs(heads - 3.5) for fall in falls])
        assert paired(*cases(heads, 7 - heads)).p_value == pytest.approx(share)


def test_equal_answers_are_no_evidence():
    assert paired(*cases(0, 0, both=9)).p_value == 1.0
    assert paired(*cases(4, 4)).p_value == 1.0


def test_thousands_of_differences_do_not_underflow():
    assert 0 < paired(*cases(1100, 1000)).p_value < 0.05
    assert paired(*cases(3000, 0)).p_value < 1e-300


@given(RIGHT)
def test_it_is_symmetric_and_a_probability(right_a_N: np.ndarray):
    right_b_N = np.roll(right_a_N, 1)
    one, other = paired(right_a_N, right_b_N), paired(right_b_N, right_a_N)
    assert 0 <= one.p_value <= 1
    assert (one.only_a, one.only_b, one.p_value) == (other.only_b, other.only_a, other.p_value)
    assert sum(one[:4]) == len(right_a_N)


@pytest.mark.parametrize("counts", [(0, 0), (3, 4)])
def test_predictions_for_other_images_are_refused(counts: tuple[int, int]):
    with pytest.raises(DataError) as refused:
        paired(np.ones(counts[0], bool), np.ones(counts[1], bool))
    assert str(refused.value) == f"expected predictions for the same images; got {counts[0]} and {counts[1]}."
