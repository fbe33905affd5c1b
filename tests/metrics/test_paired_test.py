from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from striate.base.errors import DataError
from striate.metrics.intervals import wilson
from striate.metrics.paired_test import difference, paired

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


def test_the_interval_of_the_difference_is_that_of_a_published_table():
    # Fagerland, Lydersen & Laake 2014, airway hyper-responsiveness of 21 children before and after a transplantation:
    # both 1, before alone 1, after alone 7, neither 12; Tango's interval is -0.517 to -0.026
    result = difference(*cases(1, 7, both=1, neither=12))
    assert result == pytest.approx((-6 / 21, -0.517, -0.026, 21), abs=5e-4)


def test_where_no_image_differs_the_interval_is_that_of_none_of_n():
    # q = 0, so the score is n d / sqrt(n d (1 - d)), which is z at d = z2 / (n + z2), as Wilson's of 0 of n
    result = difference(*cases(0, 0, both=90, neither=10))
    assert result.value == 0
    assert (-result.low, result.high) == pytest.approx((wilson(0, 100).high,) * 2)


@given(RIGHT)
def test_the_interval_holds_the_difference_and_turns_with_the_sides(right_a_N: np.ndarray):
    right_b_N = np.roll(right_a_N, 1) & (np.arange(len(right_a_N)) % 3 > 0)
    one, other = difference(right_a_N, right_b_N), difference(right_b_N, right_a_N)
    assert -1 <= one.low <= one.value <= one.high <= 1
    assert one.low < one.high
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
    wide = difference(right_a_N, right_b_N, 0.99)
    assert wide.low <= one.low
    assert one.high <= wide.high


def test_the_interval_covers_the_true_difference_as_often_as_it_says():
    # 1,000 test sets of 200 images; 90 % against 85 % of them, drawn together. bench/intervals.py has more, and other methods
    sets = np.random.default_rng(0).multinomial(200, (0.80, 0.10, 0.05, 0.05), 1000)
    intervals = {(a, b): difference(*cases(a, b, 200 - a - b)) for a, b in {(int(a), int(b)) for _, a, b, _ in sets}}
    inside = [intervals[a, b].low <= 0.05 <= intervals[a, b].high for a, b in sets[:, 1:3].tolist()]
    assert 0.93 <= np.mean(inside) <= 0.97


@pytest.mark.parametrize("counts", [(0, 0), (3, 4)])
def test_predictions_for_other_images_are_refused(counts: tuple[int, int]):
    with pytest.raises(DataError) as refused:
        paired(np.ones(counts[0], bool), np.ones(counts[1], bool))
    assert str(refused.value) == f"expected predictions for the same images; got {counts[0]} and {counts[1]}."
