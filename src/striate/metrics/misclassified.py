"""Which images to examine: the most confidently misclassified, the least certain, and the classes confused most often.

Legend: N images, K classes.
"""

from typing import NamedTuple

import numpy as np

from striate.metrics.classification import Labels, Logits, check, softmax


class ImagePrediction(NamedTuple):
    """The prediction for one image."""

    row: int  # of the logits
    label: int  # the true class
    predicted: int  # the class with the largest logit
    probability: float  # of the predicted class, 0..1
    true_probability: float  # of the true class, 0..1
    margin: float  # probability of the predicted class less that of the next


def wrong(logits_NK: Logits, labels_N: Labels, most: int) -> list[ImagePrediction]:
    """Up to `most` misclassified images, the most confident first."""
    predictions = _predictions(logits_NK, labels_N)
    mistakes = [prediction for prediction in predictions if prediction.predicted != prediction.label]
    return sorted(mistakes, key=lambda prediction: -prediction.probability)[:most]


def uncertain(logits_NK: Logits, labels_N: Labels, most: int) -> list[ImagePrediction]:
    """Up to `most` images, correct or not, with the smallest margins, the smallest first."""
    return sorted(_predictions(logits_NK, labels_N), key=lambda prediction: prediction.margin)[:most]


def _predictions(logits_NK: Logits, labels_N: Labels) -> list[ImagePrediction]:
    check(logits_NK, labels_N)
    shares_NK = softmax(logits_NK)
    rows_N = np.arange(len(labels_N))
    predicted_N = logits_NK.argmax(axis=1)
    top_N = shares_NK[rows_N, predicted_N]
    others_NK = shares_NK.copy()
    others_NK[rows_N, predicted_N] = 0.0
    columns = (rows_N, labels_N, predicted_N, top_N, shares_NK[rows_N, labels_N], top_N - others_NK.max(axis=1))
    return [ImagePrediction(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def confused(confusion_KK: Labels, most: int) -> list[tuple[int, int, int]]:
    """(true class, predicted class, images) of the most frequent confusions, the most frequent first."""
    wrong_KK = confusion_KK - np.diag(np.diag(confusion_KK))
    order = np.argsort(-wrong_KK, axis=None, kind="stable")[:most]
    pairs = (divmod(int(cell), len(wrong_KK)) for cell in order)
    return [(true, predicted, int(wrong_KK[true, predicted])) for true, predicted in pairs if wrong_KK[true, predicted]]
