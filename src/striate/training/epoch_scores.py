"""How good a network is at the end of an epoch, and in its batches: of one label an image, or of several.

Legend: N images, K classes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from torch import Tensor

from striate.metrics import average_precision, classification, multi_label
from striate.training.inference import Predictions
from striate.training.journal import Event


class Scorer(NamedTuple):
    """What the training loop asks of logits and labels."""

    right: Callable[[Tensor, Tensor], Tensor]  # of a batch: correct predictions, in images
    validation: Callable[[Predictions], Event]  # accuracy and loss, and map where it chooses the best epoch


def rank(event: Event) -> tuple[float, float]:
    """By what the best epoch is chosen: mAP where there is one, else accuracy; then the loss."""
    return float(event["map"] if "map" in event else event["accuracy"]), -float(event["loss"])


def _right(logits_NK: Tensor, labels_N: Tensor) -> Tensor:
    return (logits_NK.argmax(1) == labels_N).sum()


def _validation(predictions: Predictions) -> Event:
    _, labels_N, logits_NK = predictions
    return {
        "accuracy": classification.accuracy(logits_NK, labels_N).value,
        "loss": classification.log_loss(logits_NK, labels_N),
    }


def _right_labels(logits_NK: Tensor, labels_NK: Tensor) -> Tensor:
    """The share of its labels that is right at a probability of 1/2, added up over the images."""
    return ((logits_NK > 0) == (labels_NK > 0)).double().mean(1).sum()


def _validation_of_several(predictions: Predictions) -> Event:
    """The accuracy is that of all labels of all images at a probability of 1/2."""
    _, labels_NK, logits_NK = predictions
    true_NK = labels_NK > 0
    ranked = [average_precision.average_precision(logits_NK[:, k], true_NK[:, k]) for k in np.flatnonzero(true_NK.any(axis=0))]
    return {
        "accuracy": float(((logits_NK > 0) == true_NK).mean()),
        "loss": multi_label.log_loss(logits_NK, labels_NK),
        "map": float(np.mean(ranked)),
    }


ONE_LABEL = Scorer(_right, _validation)
SEVERAL_LABELS = Scorer(_right_labels, _validation_of_several)
