"""The bins of a reliability diagram, and the calibration error that chance alone would give.

Legend: N images, K classes.
"""

from typing import NamedTuple

import numpy as np

from striate.metrics.classification import Labels, Logits, check, softmax
from striate.metrics.intervals import Interval, wilson

BINS = 15  # as for the calibration error
_DRAWS = 400


class Bin(NamedTuple):
    """Predictions whose probability lies above `low` and at most at `high`.

    Attributes:
        low: end of the bin.
        high: end of the bin.
        images: in it.
        confidence: their mean probability.
        accuracy: with its interval.

    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: Interval


def bins(logits_NK: Logits, labels_N: Labels) -> list[Bin]:
    """The predictions by the probability of the predicted class, without empty bins (Guo et al. 2017, section 2)."""
    check(logits_NK, labels_N)
    confident_N = softmax(logits_NK).max(axis=1)
    right_N = logits_NK.argmax(axis=1) == labels_N
    bin_N = np.clip(np.ceil(confident_N * BINS).astype(np.int64) - 1, 0, BINS - 1)
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
    confident_N = softmax(logits_NK).max(axis=1)
    bin_N = np.clip(np.ceil(confident_N * BINS).astype(np.int64) - 1, 0, BINS - 1)
    generator, errors = np.random.default_rng(0), []
    for _ in range(_DRAWS):
        right_N = generator.random(len(confident_N)) < confident_N
        gaps = np.bincount(bin_N, weights=right_N - confident_N, minlength=BINS)
        errors.append(float(np.abs(gaps).sum() / len(confident_N)))
    return float(np.quantile(errors, level))
