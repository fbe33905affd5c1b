import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import DataError
from striate.metrics.classification import log_loss, softmax
from striate.metrics.temperature_scaling import scale, scale_label_sets


def test_two_classes_by_hand():
    # right in three of four by a margin of 1: labels count as 5/6, so the mean target of the larger is (3 * 5 + 1) / 24 = 2/3
    logits_NK = np.array([[1.0, 0.0]] * 4)
    factor = scale(logits_NK, np.array([0, 0, 0, 1]))
    assert softmax(factor * logits_NK)[0, 0] == pytest.approx(2 / 3, abs=1e-6)
    assert factor == pytest.approx(np.log(2), abs=1e-6)


def test_logits_that_are_too_sure_are_scaled_back():
    draws = np.random.default_rng(0)
    true_NK = draws.normal(size=(4000, 5)) * 2
    labels_N = np.array([draws.choice(5, p=shares) for shares in softmax(true_NK)])
    assert scale(3 * true_NK, labels_N) == pytest.approx(1 / 3, rel=0.07)
    assert scale(true_NK, labels_N) == pytest.approx(1, rel=0.07)


def test_no_scale_nearby_has_a_smaller_loss():
    draws = np.random.default_rng(1)
    logits_NK = draws.normal(size=(3000, 4))
    labels_N = np.where(draws.random(3000) < 0.6, logits_NK.argmax(1), draws.integers(0, 4, 3000))
    factor = scale(logits_NK, labels_N)
    best = log_loss(factor * logits_NK, labels_N)
    assert best <= min(log_loss(factor * nearby * logits_NK, labels_N) for nearby in (0.9, 1.1)) + 1e-4


@given(st.floats(1e-3, 1e4))
def test_the_unit_of_the_logits_does_not_matter(unit: float):
    logits_NK = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 0.0, 0.5]])
    labels_N = np.array([0, 1, 2])
    assert unit * scale(unit * logits_NK, labels_N) == pytest.approx(scale(logits_NK, labels_N), rel=1e-4)


def test_answers_that_are_all_right_stay_below_certainty():
    logits_NK = np.eye(3)[[0, 1, 2, 0]]
    factor = scale(logits_NK, np.array([0, 1, 2, 0]))
    assert softmax(factor * logits_NK).max() == pytest.approx(5 / 6, abs=1e-4)


def test_equal_logits_and_single_classes_are_left_alone():
    assert np.isfinite(scale(np.zeros((3, 2)), np.array([0, 1, 0])))
    assert scale(np.ones((3, 1)), np.zeros(3, np.int64)) == 1.0


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(DataError, match="expected at least one image to score; got none"):
        scale(np.zeros((0, 2)), np.zeros(0, np.int64))


def test_equal_logits_are_left_as_they_are():
    assert scale(np.zeros((3, 4)), np.array([0, 1, 2])) == 1.0


def test_sigmoids_of_several_labels_are_scaled_to_the_share_that_is_right():
    """Logits of +-9 of which 3 in 4 are right: the odds are log 3 but for the smoothing, (6 + 1) / (8 + 2) and 1 / 10."""
    logits_NK = np.array([[9.0, -9.0]] * 8)
    labels_NK = np.array([[1, 0]] * 6 + [[0, 1]] * 2)
    targets = np.where(labels_NK > 0, 9 / 10, 1 / 10)  # 8 present and 8 absent of 16
    right = (6 * 0.9 + 2 * 0.1) / 8
    assert 9 * scale_label_sets(logits_NK, labels_NK) == pytest.approx(np.log(right / (1 - right)), rel=1e-4)
    assert targets.mean() == pytest.approx(0.5)
    assert scale_label_sets(np.zeros((4, 2)), labels_NK[:4]) == 1.0
