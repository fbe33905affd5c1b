"""Temperature scaling: the one factor of all logits that calibrates their probabilities.

Legend: N images, K classes.
"""

from collections.abc import Callable
from math import exp, log

import numpy as np

from striate.metrics.classification import Labels, Logits, check

_WIDEST = 8.0  # powers of e from the logits as they are
_TURNS = 60


def scale(logits_NK: Logits, labels_N: Labels) -> float:
    """The factor for logits that gives the least log-loss on these images: 1 / T of temperature scaling (Guo et al. 2017, 4.2).

    It changes no prediction. So that images which are all correct do not drive it to infinity, each label counts as
    (N + 1) / (N + 2), and the rest is spread over the other classes (Platt 1999, section 2.2, for two classes).
    """
    check(logits_NK, labels_N)
    count, classes = logits_NK.shape
    if classes == 1:
        return 1.0
    targets_NK = np.full((count, classes), 1 / (count + 2) / (classes - 1))
    targets_NK[np.arange(count), labels_N] = (count + 1) / (count + 2)
    centered_NK = logits_NK.astype(np.float64) - logits_NK.mean(axis=1, keepdims=True)

    def loss(power: float) -> float:
        scaled_NK = centered_NK * exp(power)
        most_N1 = scaled_NK.max(axis=1, keepdims=True)
        sums_N = np.log(np.exp(scaled_NK - most_N1).sum(axis=1)) + most_N1[:, 0]
        return float((sums_N - (targets_NK * scaled_NK).sum(axis=1)).mean())

    spread = float(np.abs(centered_NK).max())
    if spread == 0:  # no factor changes equal logits
        return 1.0
    middle = -log(spread)  # logits of any unit: margins of an SVM, or sums of thousands
    return exp(_least(loss, middle - _WIDEST, middle + _WIDEST))


def scale_label_sets(logits_NK: Logits, labels_NK: Labels) -> float:
    """The same for labels that each have a sigmoid: the factor with the least binary cross-entropy on these images.

    So that images which are all correct do not drive it to infinity, a label that is there counts as (P + 1) / (P + 2) for P
    of them, and one that is not as 1 / (A + 2) for A absences (Platt 1999, section 2.2).
    """
    there_NK = labels_NK > 0
    present, absent = int(there_NK.sum()), int((~there_NK).sum())
    targets_NK = np.where(there_NK, (present + 1) / (present + 2), 1 / (absent + 2))
    wide_NK = logits_NK.astype(np.float64)
    if (spread := float(np.abs(wide_NK).max())) == 0:
        return 1.0

    def loss(power: float) -> float:
        scaled_NK = wide_NK * exp(power)
        return float((np.logaddexp(0.0, scaled_NK) - targets_NK * scaled_NK).mean())

    return exp(_least(loss, -log(spread) - _WIDEST, -log(spread) + _WIDEST))


def _least(loss: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is least, by golden sections (Kiefer 1953)."""
    golden = (5**0.5 - 1) / 2
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(_TURNS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = loss(right)
    return (low + high) / 2
