import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import DataError, ShapeError
from striate.metrics import label_thresholds
from striate.metrics.label_thresholds import best, fit


def test_the_cut_with_the_largest_f1_by_hand():
    # cuts after 1, 2, 3, 4: F1 = 2/4, 2/5, 4/6, 6/7; then 6/8
    shares_N, true_N = np.array([0.9, 0.8, 0.6, 0.5, 0.2]), np.array([1, 0, 1, 1, 0], bool)
    assert best(shares_N, true_N) == pytest.approx((0.5 + 0.2) / 2)


def test_equal_probabilities_are_on_one_side_and_the_last_cut_is_half_of_the_lowest():
    assert best(np.array([0.4, 0.4, 0.4]), np.array([1, 0, 1], bool)) == pytest.approx(0.2)


def test_of_equally_good_cuts_the_highest_is_taken():
    # after 1: 2/3; after 2: 2/4; after 3: 4/5; after 4: 4/6; and so on: one best. With a miss between: 2/3 twice
    assert best(np.array([0.9, 0.5, 0.3, 0.1]), np.array([1, 0, 0, 1], bool)) == pytest.approx((0.9 + 0.5) / 2)


def test_a_rare_label_takes_the_threshold_of_all_labels_together():
    shares_NK = np.array([[0.9, 0.35], [0.8, 0.3], [0.7, 0.2], [0.6, 0.2], [0.55, 0.1], [0.2, 0.1]])
    true_NK = np.array([[1, 0], [1, 1], [1, 0], [1, 0], [1, 0], [0, 0]], bool)
    assert true_NK[:, 0].sum() == label_thresholds.FEWEST
    # together: 0.55 and above are right; the next is 0.35, wrong; then 0.3, right: F1 10/11 after five, 12/13 after seven
    assert fit(shares_NK, true_NK) == (pytest.approx((0.55 + 0.2) / 2), pytest.approx((0.3 + 0.2) / 2))


@given(
    st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=12).filter(lambda row: any(b for _, b in row))
)
def test_no_other_threshold_has_a_larger_f1(rows: list[tuple[int, bool]]):
    shares_N, true_N = np.array([share / 6 for share, _ in rows]), np.array([flag for _, flag in rows])

    def f1(threshold: float) -> float:
        chosen_N = shares_N >= threshold
        return float(2 * (chosen_N & true_N).sum() / (chosen_N.sum() + true_N.sum()))

    assert f1(best(shares_N, true_N)) == pytest.approx(max(f1(share) for share in shares_N))


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(DataError) as refused:
        fit(np.zeros((2, 2)), np.zeros((2, 2), bool))
    assert str(refused.value) == "expected at least one image with a label to fit thresholds on; got none."
    with pytest.raises(ShapeError, match="probabilities and labels N x K"):
        fit(np.zeros((2, 2)), np.zeros((2, 1), bool))
