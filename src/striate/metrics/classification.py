"""Classification metrics of logits and labels: accuracy, top-5 accuracy, F1, confusion matrix, calibration error, log-loss.

Legend: N images, K classes. Predictions are the class of the largest logit; among equal ones, the first.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, NumbersError, ShapeError
from striate.metrics import macro_scores
from striate.metrics.intervals import Interval, wilson

BINS = 15  # of the calibration error and of the reliability diagram

Logits = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]


class ClassScore(NamedTuple):
    """Metrics of one class: one whose denominator is 0 is 0, as in scikit-learn with zero_division=0."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Summary:
    """All metrics of a set of images."""

    classes: tuple[str, ...]  # K names
    accuracy: Interval
    top5: float | None  # top-5 accuracy; None up to five classes, where it says nothing
    macro_f1: Interval  # mean F1 of the classes that have images
    balanced_accuracy: Interval  # their mean recall
    majority: float  # accuracy of the majority-class baseline
    per_class: tuple[ClassScore, ...]
    confusion_KK: NDArray[np.int64]  # images by true class (row) and predicted class (column)
    calibration_error: float  # 0..1
    log_loss: float  # mean cross-entropy, in nats

    def as_json(self) -> dict[str, Any]:
        """The keys of `striate evaluate --json`."""
        return {
            "accuracy": self.accuracy.value, "low": self.accuracy.low, "high": self.accuracy.high, "n": self.accuracy.n,
            "top5": self.top5, **_with_ends("macro_f1", self.macro_f1),
            **_with_ends("balanced_accuracy", self.balanced_accuracy), "majority": self.majority,
            "per_class": {name: score._asdict() for name, score in zip(self.classes, self.per_class, strict=True)},
            "confusion": self.confusion_KK.tolist(), "calibration_error": self.calibration_error, "log_loss": self.log_loss,
        }  # fmt: skip


def _with_ends(name: str, score: Interval) -> dict[str, float]:
    return {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}


def check(logits_NK: Logits, labels_N: Labels) -> None:
    """Refuse logits and labels that cannot be scored.

    Raises:
        DataError, ShapeError, NumbersError: no images; other shapes or a label out of range; a logit that is not finite.

    """
    if logits_NK.ndim != 2 or labels_N.shape != logits_NK.shape[:1]:
        raise ShapeError(f"expected logits N x K and labels N; got {logits_NK.shape} and {labels_N.shape}.")
    if not len(labels_N):
        raise DataError("expected at least one image to score; got none.")
    if labels_N.min() < 0 or labels_N.max() >= logits_NK.shape[1]:
        raise ShapeError(f"expected labels from 0 to {logits_NK.shape[1] - 1}; got {labels_N.min()} to {labels_N.max()}.")
    if not np.isfinite(logits_NK).all():
        row, k = np.argwhere(~np.isfinite(logits_NK))[0].tolist()
        raise NumbersError(f"expected finite logits; row {row} has {logits_NK[row, k]} for class {k}. Lower train.lr.")


def accuracy(logits_NK: Logits, labels_N: Labels) -> Interval:
    """Share of correct predictions, with its 95 % interval."""
    check(logits_NK, labels_N)
    return wilson(int((logits_NK.argmax(axis=1) == labels_N).sum()), len(labels_N))


def softmax(logits_NK: Logits) -> NDArray[np.float64]:
    """Probabilities, N x K, in float64; the largest logit is subtracted first, so nothing overflows."""
    shifted_NK = logits_NK.astype(np.float64) - logits_NK.max(axis=1, keepdims=True)
    powers_NK = np.exp(shifted_NK)
    shares_NK: NDArray[np.float64] = powers_NK / powers_NK.sum(axis=1, keepdims=True)
    return shares_NK


def log_loss(logits_NK: Logits, labels_N: Labels) -> float:
    """Mean of -log softmax of the true class, in nats."""
    check(logits_NK, labels_N)
    shifted_NK = logits_NK.astype(np.float64) - logits_NK.max(axis=1, keepdims=True)
    true_N = shifted_NK[np.arange(len(labels_N)), labels_N]
    return float((np.log(np.exp(shifted_NK).sum(axis=1)) - true_N).mean())


def top_k(logits_NK: Logits, labels_N: Labels, k: int) -> float:
    """Top-k accuracy: share of images with fewer than k classes whose logit is larger than that of the true class."""
    check(logits_NK, labels_N)
    true_N1 = logits_NK[np.arange(len(labels_N)), labels_N][:, None]
    return float(((logits_NK > true_N1).sum(axis=1) < k).mean())


def confusion(predicted_N: Labels, labels_N: Labels, classes: int) -> NDArray[np.int64]:
    """Images by true class (row) and predicted class (column)."""
    return np.bincount(labels_N * classes + predicted_N, minlength=classes**2).reshape(classes, classes)


def per_class(confusion_KK: NDArray[np.int64]) -> tuple[ClassScore, ...]:
    """Precision, recall, F1 and support of each class."""
    correct, true, predicted = np.diag(confusion_KK), confusion_KK.sum(axis=1), confusion_KK.sum(axis=0)
    return tuple(
        ClassScore(_share(hits, guesses), _share(hits, images), _share(2 * hits, guesses + images), int(images))
        for hits, images, guesses in zip(correct.tolist(), true.tolist(), predicted.tolist(), strict=True)
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def calibration_error(logits_NK: Logits, labels_N: Labels) -> float:
    """Expected calibration error: |accuracy - confidence| over 15 bins of the top probability (Guo et al. 2017, eq. 3)."""
    check(logits_NK, labels_N)
    return calibration_gap(logits_NK.argmax(axis=1) == labels_N, *confidences(logits_NK))


def confidences(logits_NK: Logits) -> tuple[NDArray[np.float64], Labels]:
    """Probability of each predicted class, and the bin from 0 that it lies in: above its lower end, at most at its upper."""
    confident_N = softmax(logits_NK).max(axis=1)
    return confident_N, np.clip(np.ceil(confident_N * BINS).astype(np.int64) - 1, 0, BINS - 1)


def calibration_gap(right_N: NDArray[np.bool_], confident_N: NDArray[np.float64], bin_N: Labels) -> float:
    """Mean over the images of |accuracy - confidence| of their bins."""
    gaps = np.bincount(bin_N, weights=right_N - confident_N, minlength=BINS)
    return float(np.abs(gaps).sum() / len(right_N))


def summary(logits_NK: Logits, labels_N: Labels, classes: tuple[str, ...]) -> Summary:
    """Every metric of these predictions."""
    check(logits_NK, labels_N)
    if logits_NK.shape[1] != (k := len(classes)):
        raise ShapeError(f"expected one logit for each of {k} classes; got {logits_NK.shape[1]}.")
    matrix_KK = confusion(logits_NK.argmax(axis=1).astype(np.int64), labels_N, k)
    scores, (macro_f1, balanced_accuracy) = per_class(matrix_KK), macro_scores.of_confusion(matrix_KK)
    return Summary(
        classes=classes, accuracy=accuracy(logits_NK, labels_N), top5=top_k(logits_NK, labels_N, 5) if k > 5 else None,
        macro_f1=macro_f1, balanced_accuracy=balanced_accuracy,
        majority=float(matrix_KK.sum(axis=1).max() / len(labels_N)), per_class=scores, confusion_KK=matrix_KK,
        calibration_error=calibration_error(logits_NK, labels_N), log_loss=log_loss(logits_NK, labels_N),
    )  # fmt: skip
