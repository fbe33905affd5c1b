from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from striate.metrics.confidence import Confidence, of_artifact, predictions

LOGITS_13 = np.log(np.array([[0.5, 0.2, 0.3]], np.float32))
CLASSES = ("a", "b", "c")


def test_the_temperature_divides_the_logits():
    logits_12 = np.array([[np.log(4), 0]])
    assert Confidence(temperature=2).probabilities(logits_12).tolist() == [pytest.approx([2 / 3, 1 / 3])]
    assert Confidence().probabilities(logits_12).tolist() == [pytest.approx([4 / 5, 1 / 5])]


def test_no_temperature_changes_a_prediction():
    logits_NK = np.random.default_rng(0).normal(size=(1000, 10)).astype(np.float32)
    logits_NK[:, 1] = np.nextafter(logits_NK[:, 0], np.float32(np.inf))
    for temperature in (1e-3, 0.7, 3.0, 1e3):
        scaled_NK = Confidence(temperature=temperature).scaled(logits_NK)
        assert np.array_equal(scaled_NK.argmax(axis=1), logits_NK.argmax(axis=1))


def test_below_the_threshold_a_model_abstains():
    (plain,) = predictions(LOGITS_13, CLASSES, Confidence())
    assert (plain.label, plain.probability, plain.set, plain.abstained) == ("a", pytest.approx(0.5), None, False)
    assert [name for name, _ in plain.top] == ["a", "c", "b"]
    for threshold, abstained in ((0.499, False), (0.501, True)):
        (prediction,) = predictions(LOGITS_13, CLASSES, Confidence(threshold=threshold))
        assert prediction == plain._replace(abstained=abstained)


def test_where_no_threshold_keeps_to_the_error_a_model_abstains_always():
    assert Confidence(max_error=0.02).abstains(1.0)
    assert not Confidence(max_error=0.02, threshold=0.9).abstains(0.9)


@pytest.mark.parametrize(("least", "names"), [(0.1, "acb"), (0.25, "ac"), (0.45, "a"), (0.9, "a")])
def test_a_set_has_the_classes_that_are_probable_enough_and_always_the_first(least: float, names: str):
    (prediction,) = predictions(LOGITS_13, CLASSES, Confidence(coverage=0.9, set_threshold=least))
    assert prediction.set == tuple(names)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temperature": 0.0}, "expected a temperature above 0; got 0.0"),
        ({"temperature": float("nan")}, "expected a temperature above 0; got nan"),
        ({"threshold": 1.5}, "expected a threshold from 0 to 1; got 1.5"),
        ({"set_threshold": -0.1}, "expected a set_threshold from 0 to 1; got -0.1"),
    ],
)
def test_what_is_no_share_is_refused(values: Any, message: str):
    with pytest.raises(ValueError, match=message):
        replace(Confidence(), **values)


def test_the_first_artifacts_have_a_threshold_alone():
    assert of_artifact({"threshold": 0.4}) == Confidence(threshold=0.4)
    assert of_artifact({"confidence": {"temperature": 2.0}}) == Confidence(temperature=2.0)
