from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from striate.metrics.classification import calibration_error
from striate.metrics.confidence import Confidence, fitted, of_artifact, predictions

LOGITS_13 = np.log(np.array([[0.5, 0.2, 0.3]], np.float32))
CLASSES = ("a", "b", "c")


def test_the_temperature_divides_the_logits():
    logits_12 = np.array([[np.log(4), 0]])
    assert Confidence(temperature=2).probabilities(logits_12).tolist() == [pytest.approx([2 / 3, 1 / 3])]
    assert Confidence().probabilities(logits_12).tolist() == [pytest.approx([4 / 5, 1 / 5])]


def test_the_temperature_is_fitted_by_the_log_loss_of_the_images_given():
    # three of four correct, all by a margin of 1: labels count as 5/6, so the share that fits is (3 * 5 + 1) / 24 = 2/3
    confidence = fitted(np.array([[1.0, 0.0]] * 4), np.array([0, 0, 0, 1]))
    assert confidence.temperature == pytest.approx(1 / np.log(2), rel=1e-5)
    assert confidence.probabilities(np.array([[1.0, 0.0]]))[0, 0] == pytest.approx(2 / 3, abs=1e-5)


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_scaling_lowers_the_calibration_error_of_other_images(factor: float):
    draws = np.random.default_rng(0)
    true_NK = 2 * draws.normal(size=(4000, 5))
    labels_N = np.array([draws.choice(5, p=shares_K) for shares_K in Confidence().probabilities(true_NK)])
    confidence = fitted(factor * true_NK[:2000], labels_N[:2000])
    before = calibration_error(factor * true_NK[2000:], labels_N[2000:])
    after = calibration_error(confidence.scaled(factor * true_NK[2000:]), labels_N[2000:])
    assert before > 0.1
    assert after < 0.04


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
