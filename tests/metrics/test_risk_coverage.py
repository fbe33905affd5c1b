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


def test_the_largest_coverage_at_an_error():
    points = curve(np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([True, False, True, True, True]))  # 0, 1/2, 1/3, 1/4, 1/5
    assert points.at_error(0.19) == (0.9, 0.2, 0.0)
    assert points.at_error(0.2) == (0.5, 1.0, 0.2)
    assert curve(np.array([0.9, 0.8]), np.array([False, True])).at_error(0.4) is None


def test_no_threshold_lies_between_equal_probabilities():
    points = curve(np.array([0.9, 0.5, 0.5, 0.5]), np.array([True, False, True, True]))
    assert points.at_error(0.24) == (0.9, 0.25, 0.0)  # that of two of the three would be 1/6
    assert points.points(9) == [(0.9, 0.25, 0.0), (0.5, 1.0, 0.25)]


def test_points_lie_evenly_and_end_with_all_predictions():
    points = curve(np.linspace(1, 0.5, 101), np.ones(101, np.bool_)).points(5)
    assert [point.threshold for point in points] == pytest.approx([1, 0.875, 0.75, 0.625, 0.5])
    assert points[-1].coverage == 1


def test_what_has_no_curve_is_refused():
    with pytest.raises(DataError, match="expected at least one prediction; got none"):
        curve(np.zeros(0), np.zeros(0, np.bool_))
    with pytest.raises(ShapeError, match=r"expected one probability for each prediction; got \(2,\) and \(3,\)"):
        curve(np.zeros(2), np.zeros(3, np.bool_))
