"""A sentence where a baseline is as good as the network, by hand."""

import pytest

from striate.metrics.baseline_findings import compare
from striate.metrics.intervals import Interval

NETWORK = Interval(0.8, 0.7, 0.88, 50)


def measured(nearest: float, linear: float) -> dict[str, object]:
    return {"side_px": 16, "nearest_pixels": {"accuracy": nearest}, "linear_pixels": {"accuracy": linear}}


@pytest.mark.parametrize(
    ("nearest", "linear", "majority", "expected"),
    [
        (0.8, 0.6, 0.5, ("warning", "a method that needs none: the nearest training image by 16 x 16 pixels gets 80")),
        (0.6, 0.9, 0.5, ("warning", "a linear model on 16 x 16 pixels gets 90.00 %, the network 80.00 %. Train longer, or")),
        (0.6, 0.6, 0.95, ("warning", "always predicting the largest class gets 95.00 %")),
        (0.75, 0.6, 0.5, ("note", "by 16 x 16 pixels gets 75.00 %, the network 80.00 % (95 % interval 70.00 % to 88.00 %).")),
    ],
)  # fmt: skip
def test_the_best_baseline_is_named_where_it_is_as_good(
    nearest: float, linear: float, majority: float, expected: tuple[str, str]
):
    finding = compare(NETWORK, measured(nearest, linear), majority)
    assert finding is not None
    assert finding.level == expected[0]
    assert expected[1] in finding.sentence


def test_nothing_is_said_of_baselines_that_are_worse():
    assert compare(NETWORK, measured(0.6, 0.69), 0.5) is None
    assert compare(NETWORK, None, 0.5) is None
    assert compare(NETWORK, None) is None
