"""The bins of a reliability diagram, and the calibration error that chance alone would give.

Legend: N images, K classes.
"""

from typing import NamedTuple

import numpy as np

from striate.metrics.classification import BINS, Labels, Logits, calibration_gap, check, confidences
from striate.metrics.intervals import Interval, wilson

_DRAWS = 400


class Bin(NamedTuple):
    """Predictions whose probability lies above `low` and at most at `high`."""

    low: float
    high: float
    images: int
    confidence: float  # their mean probability
    accuracy: Interval


def bins(logits_NK: Logits, labels_N: Labels) -> list[Bin]:
    """The predictions by the probability of the predicted class, without empty bins (Guo et al. 2017, section 2)."""
    check(logits_NK, labels_N)
    confident_N, bin_N = confidences(logits_NK)
    right_N = logits_NK.argmax(axis=1) == labels_N
    rows = []
    for b in np.unique(bin_N).tolist():
        here_N = bin_N == b
        n, right = int(here_N.sum()), int(right_N[here_N].sum())
        rows.append(Bin(b / BINS, (b + 1) / BINS, n, float(confident_N[here_N].mean()), wilson(right, n)))
    return rows


def by_chance(logits_NK: Logits, level: float = 0.95) -> float:
    """The calibration error that a model whose probabilities are true stays below, at this level, on as many images.

    It is never 0, since N predictions scatter; only a larger error means anything. Labels are drawn by the
    model's own probabilities, 400 times (a parametric bootstrap; Widmann et al. 2019 test so).
    """
    confident_N, bin_N = confidences(logits_NK)
    generator = np.random.default_rng(0)
    draws = (generator.random(len(confident_N)) < confident_N for _ in range(_DRAWS))
    errors = [calibration_gap(right_N, confident_N, bin_N) for right_N in draws]
    return float(np.quantile(errors, level))
