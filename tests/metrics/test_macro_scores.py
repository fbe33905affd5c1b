import importlib.util
from pathlib import Path

import numpy as np
import pytest

from striate.base.errors import DataError
from striate.metrics import macro_scores
from striate.metrics.macro_scores import of_confusion

_spec = importlib.util.spec_from_file_location("intervals", Path(__file__).parents[2] / "bench" / "intervals.py")
assert _spec is not None
assert _spec.loader is not None
intervals = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(intervals)


def test_values_by_hand_over_classes_with_images():
    # recall 2/3, 1/2, 0 and F1 4/7, 1/2, 0; the fourth class has no image
    counts_KK = np.array([[2, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])
    scores = of_confusion(counts_KK)
    assert scores.balanced_accuracy.value == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert scores.macro_f1.value == pytest.approx((4 / 7 + 1 / 2 + 0) / 3)
    assert scores.balanced_accuracy.n == scores.macro_f1.n == 6


def test_the_interval_of_one_class_is_that_of_its_beta_distribution():
    # 90 of 100 are right; two more are expected right in (0.9 + 0.5) / 2 = 0.7 of cases: mean 91.4 / 102, Beta of 99 in all
    score = of_confusion(np.array([[90, 10], [0, 0]])).balanced_accuracy
    mean = 91.4 / 102
    std = np.sqrt(mean * (1 - mean) / 100)
    assert (score.low, score.high) == pytest.approx((mean - 1.96 * std, mean + 1.96 * std), abs=0.012)


def test_without_a_mistake_the_interval_still_has_a_width_and_with_more_images_a_smaller_one():
    few, many = (of_confusion(np.diag([n, n])) for n in (20, 200))
    assert few.balanced_accuracy.value == few.balanced_accuracy.high == few.macro_f1.high == 1
    assert 0.8 < few.balanced_accuracy.low < 0.93 < 0.98 < many.balanced_accuracy.low < 1


def test_always_predicting_the_largest_class_of_99_to_1_is_worth_half():
    scores = of_confusion(np.array([[990, 0], [10, 0]]))
    assert scores.balanced_accuracy.value == 0.5
    assert scores.macro_f1.value == pytest.approx(1980 / 1990 / 2)
    assert scores.balanced_accuracy.low == pytest.approx(0.5, abs=0.01)
    assert scores.balanced_accuracy.high < 0.7


def test_the_same_counts_give_the_same_interval_and_many_classes_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(macro_scores, "_DRAWS", 300)
    monkeypatch.setattr(macro_scores, "_AT_ONCE", 100_000)
    counts_KK = np.random.default_rng(0).integers(0, 3, (60, 60)) + 50 * np.eye(60, dtype=np.int64)
    first, second = of_confusion(counts_KK), of_confusion(counts_KK)
    assert first == second
    assert first.macro_f1.low < first.macro_f1.value < first.macro_f1.high
    assert first != of_confusion(counts_KK, seed=1)


def test_no_image_is_refused():
    with pytest.raises(DataError) as refused:
        of_confusion(np.zeros((2, 2), np.int64))
    assert str(refused.value) == "expected at least one image to score; got none."


@pytest.mark.parametrize("drawn", [False, True])
def test_intervals_cover_the_truth_19_times_of_20(drawn: bool):
    # bench/intervals.py has more situations and 1,000 test sets; of 150, 89 to 99 % hold where each does with 95 %
    situation = intervals.Situation("", np.array([0.8, 0.2]), np.array([0.9, 0.6]), 150, drawn)
    shares = intervals.coverage(situation, 150)
    assert all(0.89 <= share <= 0.993 for share in shares), dict(zip(intervals.METRICS, shares, strict=True))
