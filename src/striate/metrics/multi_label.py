"""Scores of several labels an image: mAP, and precision, recall and F1 of each label at its threshold.

A label that no image has cannot be scored; it is left out of the means.

Legend: N images, K labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from striate.base import html_repr
from striate.base.errors import DataError, NumbersError, ShapeError
from striate.base.phrases import percent
from striate.metrics.average_precision import mean_average_precision
from striate.metrics.intervals import Interval, wilson

Logits = NDArray[np.floating[Any]]
Labels = NDArray[np.integer[Any]]  # N x K, 0 or 1
Flags = NDArray[np.bool_]


class LabelSet(NamedTuple):
    """The prediction for one image that may have several labels.

    Attributes:
        labels: those whose probability is at least their threshold, the most probable first; it may be empty.
        probabilities: of every label, 0..1, by name; each by itself, so they do not add up to 1.

    """

    labels: tuple[str, ...]
    probabilities: Mapping[str, float]

    @property
    def label(self) -> NoReturn:
        """What a `Prediction` of one label has."""
        raise AttributeError(
            "expected .labels of a model of several labels an image, which may be any number; got .label. The most probable "
            "label is max(prediction.probabilities, key=prediction.probabilities.get)."
        )

    def _repr_html_(self) -> str:
        marks = {name: " *" if name in self.labels else "" for name in self.probabilities}
        return html_repr.of_mapping({name: f"{percent(share)}{marks[name]}" for name, share in self.probabilities.items()})


class LabelScore(NamedTuple):
    """Scores of one label; None where they are not defined: recall and average precision without an image that has the label,
    precision without one that is predicted to have it.
    """

    average_precision: Interval | None
    precision: Interval | None
    recall: Interval | None
    f1: float  # 0 where nothing is right, as in scikit-learn with zero_division=0
    support: int  # images that have the label
    predicted: int  # images that are predicted to have it
    threshold: float

    def as_json(self) -> dict[str, Any]:
        """Each score with the ends of its interval."""
        intervals = {name: getattr(self, name) for name in ("average_precision", "precision", "recall")}
        plain = {name: None if score is None else score._asdict() for name, score in intervals.items()}
        return {**self._asdict(), **plain}


@dataclass(frozen=True)
class Summary:
    """All scores of a set of images."""

    classes: tuple[str, ...]  # K names
    mean_average_precision: Interval
    chance: float  # mAP of a random order: the mean share of images that have a label
    macro_f1: float  # mean F1 of the labels that images have
    micro_f1: float  # F1 of all labels counted together
    exact_match: Interval  # share of images with all labels right
    label_accuracy: float  # share of labels that are right, of all images and labels
    loss: float  # mean binary cross-entropy
    per_label: tuple[LabelScore, ...]

    def as_json(self) -> dict[str, Any]:
        """For --json; labels without an image are listed."""
        mean, match = self.mean_average_precision, self.exact_match
        return {
            "map": mean.value, "low": mean.low, "high": mean.high, "n": mean.n, "chance": self.chance,
            "macro_f1": self.macro_f1, "micro_f1": self.micro_f1, "exact_match": match.value, "exact_match_low": match.low,
            "exact_match_high": match.high, "label_accuracy": self.label_accuracy, "log_loss": self.loss,
            "per_label": {name: score.as_json() for name, score in zip(self.classes, self.per_label, strict=True)},
            "without_images": [name for name, row in zip(self.classes, self.per_label, strict=True) if not row.support],
        }  # fmt: skip


def check(logits_NK: Logits, labels_NK: Labels) -> None:
    """Refuse logits and labels that cannot be scored.

    Raises:
        DataError, ShapeError, NumbersError: no images, or none that has a label; other shapes; a logit that is not finite.

    """
    if logits_NK.ndim != 2 or labels_NK.shape != logits_NK.shape:
        raise ShapeError(f"expected logits and labels N x K; got {logits_NK.shape} and {labels_NK.shape}.")
    if not labels_NK.any():
        raise DataError(f"expected at least one image with a label to score; got {len(labels_NK):,} images without any.")
    if not np.isfinite(logits_NK).all():
        row, k = np.argwhere(~np.isfinite(logits_NK))[0].tolist()
        raise NumbersError(f"expected finite logits; row {row} has {logits_NK[row, k]} for label {k}. Lower train.lr.")


def sigmoid(logits_NK: Logits) -> NDArray[np.float64]:
    """Probabilities, N x K, in float64; nothing overflows."""
    return np.exp(-np.logaddexp(0.0, -logits_NK.astype(np.float64)))


def log_loss(logits_NK: Logits, labels_NK: Labels) -> float:
    """Mean binary cross-entropy over images and labels, in nats."""
    check(logits_NK, labels_NK)
    wide_NK = logits_NK.astype(np.float64)
    return float((np.logaddexp(0.0, wide_NK) - wide_NK * labels_NK).mean())


def decide(logits_NK: Logits, thresholds_K: Sequence[float]) -> Flags:
    """Which labels each image gets: those whose probability is at least the threshold."""
    chosen_NK: Flags = sigmoid(logits_NK) >= np.asarray(thresholds_K)
    return chosen_NK


def label_sets(logits_NK: Logits, classes: Sequence[str], thresholds_K: Sequence[float]) -> list[LabelSet]:
    """The prediction for each image."""
    shares_NK, chosen_NK = sigmoid(logits_NK), decide(logits_NK, thresholds_K)
    order_NK = np.argsort(-shares_NK, axis=1, kind="stable")
    return [
        LabelSet(tuple(classes[k] for k in order_K if chosen_K[k]), dict(zip(classes, shares_K.tolist(), strict=True)))
        for shares_K, chosen_K, order_K in zip(shares_NK, chosen_NK, order_NK, strict=True)
    ]


def thresholds_of(described: Mapping[str, Any]) -> tuple[float, ...] | None:
    """The threshold of each label that a model.json has; None where it is of one label an image.

    Raises:
        ValueError: not one from 0 to 1 for each label.

    """
    if (given := described.get("label_thresholds")) is None:
        return None
    if len(given) != len(described["classes"]) or not all(0 <= float(threshold) <= 1 for threshold in given):
        raise ValueError(f"expected {len(described['classes'])} label_thresholds from 0 to 1; got {given!r:.200}")
    return tuple(float(threshold) for threshold in given)


def summary(logits_NK: Logits, labels_NK: Labels, classes: tuple[str, ...], thresholds_K: Sequence[float]) -> Summary:
    """Every score of these predictions, at these thresholds."""
    check(logits_NK, labels_NK)
    if not len(classes) == len(thresholds_K) == logits_NK.shape[1]:
        raise ShapeError(
            f"expected {len(classes)} labels, each with a threshold and a logit; got {len(thresholds_K)} thresholds and "
            f"{logits_NK.shape[1]} logits."
        )
    true_NK, chosen_NK = labels_NK.astype(bool), decide(logits_NK, thresholds_K)
    ranked = mean_average_precision(logits_NK, true_NK)
    hits_K, images_K, predicted_K = (flags_NK.sum(axis=0) for flags_NK in (true_NK & chosen_NK, true_NK, chosen_NK))
    f1_K = 2 * hits_K / np.maximum(images_K + predicted_K, 1)
    there_K = images_K > 0
    rows = zip(
        ranked.per_label, *(column_K.tolist() for column_K in (hits_K, images_K, predicted_K)), thresholds_K, strict=True
    )
    per_label = tuple(
        LabelScore(
            precision, wilson(hits, predicted) if predicted else None, wilson(hits, images) if images else None,
            2 * hits / max(1, images + predicted), images, predicted, float(threshold),
        )
        for precision, hits, images, predicted, threshold in rows
    )  # fmt: skip
    return Summary(
        classes, ranked.mean, float(true_NK[:, there_K].mean()), float(f1_K[there_K].mean()),
        float(2 * hits_K.sum() / (images_K.sum() + predicted_K.sum())),
        wilson(int((true_NK == chosen_NK).all(axis=1).sum()), len(true_NK)), float((true_NK == chosen_NK).mean()),
        log_loss(logits_NK, labels_NK), per_label,
    )  # fmt: skip
