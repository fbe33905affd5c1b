"""What a model answers where it may leave images out by their probability, or answer with several classes.

`evaluate` chooses a threshold and sets on images that chose nothing else, keeps them in the model, and says with the report
what they do.

Legend: N images, K classes.
"""

import logging
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, SettingError
from striate.base.events import Json
from striate.base.option_names import option
from striate.base.phrases import plural
from striate.metrics import abstention, conformal, risk_coverage
from striate.metrics.classification import Labels
from striate.metrics.confidence import Confidence
from striate.metrics.risk_coverage import Curve

log = logging.getLogger("striate")

_ERRORS = (0.005, 0.01, 0.02, 0.05)


class Promise(NamedTuple):
    """What threshold and sets are to keep to on new images."""

    max_error: float | None = None  # largest share of wrong answers among those that are given; None for no threshold
    confidence: float | None = None  # that it is kept to; None for 95 %
    coverage: float | None = None  # share of the sets that have the true class; None for no sets

    @property
    def level(self) -> float:
        """The confidence, also where none was given."""
        return abstention.LEVEL if self.confidence is None else self.confidence

    def check(self) -> None:
        """Refuse shares that are none, and a confidence of nothing, by a SettingError."""
        if self.confidence is not None and self.max_error is None:
            raise SettingError(
                f"{option('confidence', self.confidence)} is that of {option('max_error')}; give it too, as "
                f"{option('max_error', 0.02)}."
            )
        if self.max_error is not None:
            abstention.check_rate(self.max_error, self.level)
        if self.coverage is not None:
            conformal.check_share(self.coverage)

    def refuse_few(self, n: int, where: str) -> None:
        """Refuse what so many images cannot show, by a DataError with the number that is needed."""
        if self.max_error is not None:
            abstention.check(self.max_error, n, where, self.level)
        if self.coverage is not None:
            conformal.check(self.coverage, n, where)


class Scored(NamedTuple):
    """Predictions for labeled images."""

    shares_NK: NDArray[np.float64]  # calibrated probabilities
    labels_N: Labels
    images: str  # the fingerprint of the images

    @property
    def right_N(self) -> NDArray[np.bool_]:
        """Whether each image was classified correctly."""
        right: NDArray[np.bool_] = self.shares_NK.argmax(axis=1) == self.labels_N
        return right


class Answers(NamedTuple):
    """A model with its threshold and sets, and the images that they are described by."""

    confidence: Confidence
    everything: Scored  # all images, for the curve
    used: Scored  # those that threshold and sets come from, or are tried on

    def as_json(self, points: int = 11) -> Json:
        """For `evaluate --json`, with so many points of the curve."""
        return {
            "risk_coverage": describe_curve(curve_of(self.everything), points),
            "abstention": describe_abstention(self.confidence, self.used), "sets": describe_sets(self.confidence, self.used),
        }  # fmt: skip

    def to_save(self) -> Confidence:
        """What a model keeps: without a threshold that no prediction reaches, which a warning tells.

        Raises:
            DataError: there is no such threshold, and there are no sets.

        """
        confidence = self.confidence
        if confidence.threshold is not None or confidence.max_error is None:
            return confidence
        none = (
            f"no threshold keeps to an error of {confidence.max_error:g} on these "
            f"{plural(len(self.used.labels_N), 'image')}, so the model would abstain from every prediction; "
        )
        advice = "Allow more errors, give more images, or train a better model."
        if confidence.set_threshold is None:
            raise DataError(f"{none}nothing was saved. {advice}")
        log.warning("%s", f"N{none[1:]}the sets alone are saved. {advice}")
        return replace(confidence, max_error=None, level=None)


def choose(promise: Promise, before: Confidence, tested: Scored) -> Confidence:
    """The confidence of a model with threshold and sets by these images; those that it had before are dropped.

    Errors are those of `abstention.check` and `conformal.check`.
    """
    chosen = Confidence(before.temperature, images=tested.images)
    if promise.max_error is not None:
        rule = abstention.choose(tested.shares_NK.max(axis=1), tested.right_N, promise.max_error, promise.level)
        chosen = replace(chosen, threshold=rule.threshold, max_error=rule.max_error, level=rule.confidence)
    if promise.coverage is not None:
        least = conformal.set_threshold(tested.shares_NK, tested.labels_N, promise.coverage)
        chosen = replace(chosen, coverage=promise.coverage, set_threshold=least)
    return chosen


def describe_abstention(confidence: Confidence, tested: Scored) -> Json | None:
    """What the threshold of a model does on images, as `evaluate --json` has it; None where it has none.

    `chosen_here` says whether it was chosen by the same images.
    """
    if confidence.threshold is None and confidence.max_error is None:
        return None
    rule = abstention.tried(tested.shares_NK.max(axis=1), tested.right_N, confidence.threshold)
    rule = rule._replace(max_error=confidence.max_error, confidence=confidence.level)
    return {**rule._asdict(), "chosen_here": confidence.images == tested.images}


def describe_sets(confidence: Confidence, tested: Scored) -> Json | None:
    """How the sets of a model do on images, as `evaluate --json` has it; None where it has none.

    Of the images that they were chosen by, each half is measured by the threshold of the other; where these are too few for
    that, what is measured is None.
    """
    if confidence.coverage is None or confidence.set_threshold is None:
        return None
    here, labels_N = confidence.images == tested.images, tested.labels_N
    if here:
        score = conformal.by_halves(tested.shares_NK, labels_N, confidence.coverage)
    else:
        score = conformal.score(tested.shares_NK, labels_N, confidence.coverage, confidence.set_threshold)
    measured = dict.fromkeys(conformal.SetScore._fields) if score is None else score._asdict()
    return {
        **measured, "coverage": confidence.coverage, "threshold": confidence.set_threshold, "n": len(labels_N),
        "chosen_here": here,
    }  # fmt: skip


def curve_of(tested: Scored) -> Curve:
    """The risk-coverage curve of predictions."""
    return risk_coverage.curve(tested.shares_NK.max(axis=1), tested.right_N)


def describe_curve(curve: Curve, points: int) -> Json:
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
        "points": [point._asdict() for point in curve.points(points)],
    }
