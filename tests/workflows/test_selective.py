"""What is said of predictions that are left out by their probability."""

import numpy as np

from striate.workflows import selective

SHARES_42 = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])


def test_the_curve_as_json():
    described = selective.describe_curve(selective.curve_of(SHARES_42, np.array([0, 1, 1, 1])))  # errors 0, 0, 1/3, 1/4
    assert described["area"] == (1 / 3 + 1 / 4) / 4
    assert described["at_error"] == [
        {"max_error": most, "threshold": 0.8, "coverage": 0.5} for most in (0.005, 0.01, 0.02, 0.05)
    ]
    assert described["points"][-1] == {"threshold": 0.6, "coverage": 1.0, "error": 0.25}


def test_errors_that_all_images_keep_to_are_left_out():
    assert selective.describe_curve(selective.curve_of(SHARES_42, np.array([0, 1, 0, 1])))["at_error"] == []
    (first, *_) = selective.describe_curve(selective.curve_of(SHARES_42, np.array([1, 1, 0, 1])))["at_error"]
    assert first == {"max_error": 0.005, "threshold": None, "coverage": 0.0}
