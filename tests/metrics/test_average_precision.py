import importlib.util
from pathlib import Path

import numpy as np
import pytest

from striate.base.errors import DataError, ShapeError
from striate.metrics.average_precision import average_precision, map_difference, mean_average_precision

_spec = importlib.util.spec_from_file_location("map_intervals", Path(__file__).parents[2] / "bench" / "map_intervals.py")
assert _spec is not None
assert _spec.loader is not None
map_intervals = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(map_intervals)


def flags(text: str) -> np.ndarray:
    return np.array([letter == "1" for letter in text])


def test_the_mean_of_the_precision_at_each_positive_by_hand():
    # ranks 1, 3 and 4 of five are positive: (1/1 + 2/3 + 3/4) / 3
    assert average_precision(np.array([5.0, 4.0, 3.0, 2.0, 1.0]), flags("10110")) == pytest.approx(29 / 36)


def test_equal_scores_are_one_step():
    # all three are at one threshold, where precision is 2/3
    assert average_precision(np.zeros(3), flags("101")) == pytest.approx(2 / 3)


def test_the_mean_is_over_labels_that_an_image_has():
    scores_NK = np.array([[3.0, 1.0, 0.0], [2.0, 2.0, 0.0], [1.0, 3.0, 0.0]])
    ranked = mean_average_precision(scores_NK, np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0]], bool))
    assert ranked.mean.value == pytest.approx((5 / 6 + 1 / 3) / 2)
    assert ranked.mean.n == 3
    first, second, third = ranked.per_label
    assert third is None
    assert first is not None
    assert second is not None
    assert (first.value, second.value) == (pytest.approx(5 / 6), pytest.approx(1 / 3))
    assert first.low <= first.value <= first.high


def test_a_perfect_order_has_an_interval_with_a_width_and_more_images_a_narrower_one():
    few, many = (mean_average_precision(np.tile([[1.0], [0.0]], (n, 1)), np.tile([[True], [False]], (n, 1))) for n in (8, 80))
    assert few.mean.value == few.mean.high == many.mean.high == 1
    assert few.mean.low < many.mean.low < 1


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(0)
    scores_NK, true_NK = rng.standard_normal((60, 3)), rng.random((60, 3)) < 0.3
    first, again, other = (mean_average_precision(scores_NK, true_NK, seed=seed).mean for seed in (0, 0, 1))
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)


def test_the_difference_of_two_on_the_same_images():
    rng = np.random.default_rng(0)
    true_NK = rng.random((200, 3)) < 0.3
    worse_NK = rng.standard_normal((200, 3)) + true_NK
    better_NK = worse_NK + 2 * true_NK
    interval, p_value = map_difference(worse_NK, better_NK, true_NK)
    first, second = (mean_average_precision(scores_NK, true_NK).mean.value for scores_NK in (worse_NK, better_NK))
    assert interval.value == pytest.approx(second - first)
    assert 0 < interval.low < interval.value < interval.high < 1
    assert p_value < 0.001
    back, same_p_value = map_difference(better_NK, worse_NK, true_NK)
    assert (back.low, back.high, same_p_value) == (pytest.approx(-interval.high), pytest.approx(-interval.low), p_value)
    none, p_value = map_difference(worse_NK, worse_NK, true_NK)
    assert none.low < 0 == none.value < none.high
    assert p_value == 1
    with pytest.raises(ShapeError):
        map_difference(worse_NK, better_NK[:, :2], true_NK)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(DataError) as refused:
        mean_average_precision(np.zeros((4, 2)), np.zeros((4, 2), bool))
    assert str(refused.value) == "expected at least one image with a label to score; got none."
    with pytest.raises(DataError, match="its average precision is not defined"):
        average_precision(np.zeros(4), np.zeros(4, bool))
    with pytest.raises(ShapeError) as refused_shape:
        mean_average_precision(np.zeros((4, 2)), np.zeros((4, 3), bool))
    assert str(refused_shape.value) == "expected scores and labels N x K; got (4, 2) and (4, 3)."


@pytest.mark.soak
def test_intervals_cover():
    for situation in map_intervals.situations():
        assert map_intervals.coverage(situation, 300) >= 0.92, situation.name
        equal = map_intervals.comparison(situation, 0.0, 100)
        assert equal.covered >= 0.9, situation.name
        assert equal.alarms <= 0.1, situation.name
