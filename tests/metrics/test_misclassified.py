import numpy as np
import pytest

from striate.base.errors import DataError
from striate.metrics.misclassified import confused, uncertain, wrong

# Probabilities of the three rows: 0.8 0.1 0.1; 0.2 0.5 0.3; 0.25 0.25 0.5
LOGITS = np.log(np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.25, 0.25, 0.5]]))


def test_mistakes_come_with_the_most_confident_first():
    predictions = wrong(LOGITS, np.array([1, 0, 2]), 5)
    assert [answer.row for answer in predictions] == [0, 1]
    assert (predictions[0].label, predictions[0].predicted) == (1, 0)
    assert predictions[0].probability == pytest.approx(0.8)
    assert predictions[0].true_probability == pytest.approx(0.1)
    assert predictions[0].margin == pytest.approx(0.7)
    assert [answer.row for answer in wrong(LOGITS, np.array([1, 0, 2]), 1)] == [0]
    assert wrong(LOGITS, np.array([0, 1, 2]), 5) == []


def test_the_least_certain_are_those_whose_two_best_lie_closest():
    predictions = uncertain(LOGITS, np.array([0, 1, 2]), 2)
    assert [answer.row for answer in predictions] == [1, 2]
    assert [answer.margin for answer in predictions] == pytest.approx([0.2, 0.25])


def test_two_equal_logits_leave_no_margin():
    assert uncertain(np.zeros((1, 2)), np.array([1]), 1)[0].margin == 0


def test_the_commonest_confusions_leave_out_what_is_right_and_what_never_happened():
    matrix = np.array([[5, 2, 0], [3, 9, 0], [0, 1, 4]])
    assert confused(matrix, 10) == [(1, 0, 3), (0, 1, 2), (2, 1, 1)]
    assert confused(matrix, 1) == [(1, 0, 3)]


def test_no_image_is_refused():
    with pytest.raises(DataError, match="at least one image"):
        wrong(np.zeros((0, 2)), np.zeros(0, np.int64), 3)
