import numpy as np
import pytest

from striate.base.errors import DataError
from striate.metrics.choice_optimism import corrected_best


def test_of_trials_that_guess_the_best_is_worth_no_more_than_a_guess():
    generator = np.random.default_rng(0)
    best, corrected = [], []
    for _ in range(20):
        right_TN = generator.random((20, 60)) < 0.5
        best.append(right_TN.mean(axis=1).max())
        corrected.append(corrected_best(right_TN))
    assert np.mean(best) > 0.6
    assert abs(np.mean(corrected) - 0.5) < 0.04


def test_where_one_trial_is_clearly_best_nothing_is_taken_away():
    right_TN = np.zeros((3, 100), bool)
    right_TN[0, :40] = right_TN[1, :90] = right_TN[2, :50] = True
    assert corrected_best(right_TN) == pytest.approx(0.9, abs=0.01)


def test_there_must_be_something_to_choose_from():
    with pytest.raises(DataError, match="expected trials x images, at least one and two"):
        corrected_best(np.ones((2, 1), bool))
