import numpy as np
import pytest

from striate.metrics.classification import calibration_error
from striate.metrics.reliability_diagram import bins, by_chance


def test_answers_are_gathered_by_their_probability():
    logits = np.log(np.array([[0.7, 0.3], [0.69, 0.31], [0.95, 0.05], [0.95, 0.05]]))
    rows = bins(logits, np.array([0, 1, 0, 0]))
    assert [row.images for row in rows] == [2, 2]
    assert (rows[0].low, rows[0].high) == (10 / 15, 11 / 15)
    assert rows[0].confidence == pytest.approx(0.695)
    assert rows[0].accuracy.value == 0.5
    assert rows[1].accuracy.value == 1.0
    error = sum(row.images * abs(row.accuracy.value - row.confidence) for row in rows) / 4
    assert error == pytest.approx(calibration_error(logits, np.array([0, 1, 0, 0])))


def test_probabilities_that_are_true_stay_below_what_chance_allows_nineteen_times_of_twenty():
    generator = np.random.default_rng(3)
    below = 0
    for _ in range(40):
        shares_N = generator.uniform(0.5, 1, 200)
        labels_N = (generator.random(200) >= shares_N).astype(np.int64)
        logits = np.log(np.stack([shares_N, 1 - shares_N], axis=1))
        below += calibration_error(logits, labels_N) <= by_chance(logits)
    assert below >= 35  # 38 expected


def test_answers_that_are_certain_leave_nothing_to_chance():
    assert by_chance(np.array([[0.0, 1000.0]] * 20)) == 0


def test_chance_does_less_to_more_images():
    few = np.log(np.tile([0.8, 0.2], (20, 1)))
    assert by_chance(np.tile(few, (25, 1))) < by_chance(few) / 3
