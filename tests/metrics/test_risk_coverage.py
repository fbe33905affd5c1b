import numpy as np
import pytest

from striate.base.errors import DataError, ShapeError
from striate.metrics.risk_coverage import curve


def test_the_curve_by_hand():
    points = curve(np.array([0.6, 0.9, 0.8, 0.7]), np.array([False, True, False, True]))
    assert points.threshold_N.tolist() == [0.9, 0.8, 0.7, 0.6]
    assert points.coverage_N.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert points.error_N.tolist() == pytest.approx([0, 1 / 2, 1 / 3, 1 / 2])
    assert points.area == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_equal_probabilities_count_alike_in_any_order():
    probabilities_N, right_N = np.array([0.9, 0.5, 0.5, 0.5]), np.array([True, False, True, True])
    assert curve(probabilities_N, right_N).error_N.tolist() == pytest.approx([0, 1 / 6, 2 / 9, 1 / 4])
    assert curve(probabilities_N, right_N[[0, 2, 3, 1]]).area == curve(probabilities_N, right_N).area


def test_what_has_no_curve_is_refused():
    with pytest.raises(DataError, match="expected at least one prediction; got none"):
        curve(np.zeros(0), np.zeros(0, np.bool_))
    with pytest.raises(ShapeError, match=r"expected one probability for each prediction; got \(2,\) and \(3,\)"):
        curve(np.zeros(2), np.zeros(3, np.bool_))
