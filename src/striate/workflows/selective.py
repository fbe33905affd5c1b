"""What a model answers where it may leave images out by their probability: what `evaluate` and the report say of that.

Legend: N images, K classes.
"""

import numpy as np
from numpy.typing import NDArray

from striate.base.events import Json
from striate.metrics import risk_coverage
from striate.metrics.classification import Labels
from striate.metrics.risk_coverage import Curve

_ERRORS = (0.005, 0.01, 0.02, 0.05)


def curve_of(shares_NK: NDArray[np.float64], labels_N: Labels) -> Curve:
    """The risk-coverage curve of calibrated probabilities."""
    return risk_coverage.curve(shares_NK.max(axis=1), shares_NK.argmax(axis=1) == labels_N)


def describe_curve(curve: Curve) -> Json:
    """The curve as `evaluate --json` and report.json have it.

    `at_error` has the largest share of the images that is answered with at most `max_error` of the answers wrong, for errors
    below that of all images; `threshold` is None where no threshold has so few.
    """
    rows = [(most, curve.at_error(most)) for most in _ERRORS if most < curve.error_N[-1]]
    return {
        "area": curve.area,
        "at_error": [
            {"max_error": most, "threshold": point and point.threshold, "coverage": 0.0 if point is None else point.coverage}
            for most, point in rows
        ],
        "points": [point._asdict() for point in curve.points()],
    }
