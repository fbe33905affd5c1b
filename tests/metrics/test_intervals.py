import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import DataError
from striate.metrics.intervals import wilson

Z2 = 3.8414588  # the square of 1.959964, the 97.5 % point of the normal distribution


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 10**9))
    return draw(st.integers(0, n)), n


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_table_of_newcombe_1998_is_met(right: int, n: int, low: float, high: float):
    interval = wilson(right, n)  # table I, method 3
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)
    assert (interval.value, interval.n) == (right / n, n)


def test_nine_right_of_ten_worked_out_by_hand():
    # (0.9 + z2/20 -+ sqrt(z2 (0.009 + z2/400))) / (1 + z2/10) = (1.0920729 -+ 0.2673297) / 1.3841459
    assert wilson(9, 10) == pytest.approx((0.9, 0.5958500, 0.9821238, 10), abs=1e-7)


def test_half_right_of_four_worked_out_by_hand():
    # center 1/2; reach sqrt(z2 (1/16 + z2/64)) / (1 + z2/4) = sqrt(z2 / (4 (4 + z2)))
    reach = (Z2 / (4 * (4 + Z2))) ** 0.5
    assert wilson(2, 4) == pytest.approx((0.5, 0.5 - reach, 0.5 + reach, 4), abs=1e-7)


@pytest.mark.parametrize("n", [1, 7, 10_000])
def test_none_right_and_all_right_have_exact_ends(n: int):
    none, all_ = wilson(0, n), wilson(n, n)
    assert (none.value, none.low) == (0.0, 0.0)
    assert (all_.value, all_.high) == (1.0, 1.0)
    assert none.high == pytest.approx(Z2 / (n + Z2), rel=1e-6)
    assert all_.low == pytest.approx(n / (n + Z2), rel=1e-6)


def test_a_level_of_confidence_may_be_chosen():
    # z = 0.6744898 at 50 %: the quartiles of the normal distribution
    assert wilson(0, 10, level=0.5).high == pytest.approx(0.6744898**2 / (10 + 0.6744898**2), rel=1e-6)
    assert wilson(9, 10, level=0.99).low < wilson(9, 10).low < wilson(9, 10, level=0.5).low


@given(counts())
def test_the_interval_holds_its_value_and_stays_in_0_to_1(count: tuple[int, int]):
    interval = wilson(*count)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.low < interval.high


@given(counts())
def test_right_and_wrong_change_places(count: tuple[int, int]):
    right, n = count
    assert wilson(n - right, n).low == pytest.approx(1 - wilson(right, n).high, abs=1e-12)


@given(counts(), st.integers(2, 1000))
def test_more_images_with_the_same_share_narrow_it(count: tuple[int, int], times: int):
    right, n = count
    few, many = wilson(right, n), wilson(right * times, n * times)
    assert many.high - many.low < few.high - few.low


@pytest.mark.parametrize(("right", "n"), [(0, 0), (1, 0), (-1, 5), (6, 5)])
def test_what_is_no_share_is_refused(right: int, n: int):
    with pytest.raises(DataError) as refused:
        wilson(right, n)
    text = f"expected 0 <= right <= n and n >= 1; got right={right}, n={n}. There is nothing to score."
    assert str(refused.value) == text
