"""Which of several strategies of training a classifier to choose, and how sure that is.

The validation images choose. Whether the choice is better than another, or the difference is chance, is tested once, on
the test images, by `paired_test`; against several others with Holm's correction.

Legend: N test images.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.phrases import format_duration, join_names, percent
from striate.metrics.intervals import Interval
from striate.metrics.paired_test import holm, paired

LEVEL = 0.05


class Candidate(NamedTuple):
    """One strategy that was tried."""

    name: str
    val: Interval  # score on the validation images
    right_N: NDArray[np.bool_] | None  # whether each test image was classified correctly; None where there are no test images
    seconds: float
    measure: str = "accuracy"  # what `val` is


class Recommendation(NamedTuple):
    """Which strategy to choose."""

    name: str
    p_values: Mapping[str, float]  # by name, of the others against the chosen one: McNemar's exact test
    sentence: str  # which to choose, why, and how sure that is


def recommend(tried: Sequence[Candidate]) -> Recommendation:
    """Choose by validation accuracy, of equals the first (simplest); the test images tell which differences are significant."""
    best = max(tried, key=lambda candidate: candidate.val.value)
    rivals = [candidate for candidate in tried if candidate is not best]
    score = f"validation {best.measure} {percent(best.val.value)} on {best.val.n:,} images"
    if not rivals:
        return Recommendation(best.name, {}, f"Only {best.name} was trained: {score}.")
    if best.right_N is None:
        sentence = f"Choose {best.name}: the highest {score}. Without test images no difference can be tested."
        return Recommendation(best.name, {}, sentence)
    pairs = {rival.name: paired(best.right_N, rival.right_N) for rival in rivals if rival.right_N is not None}
    p_values = {name: pair.p_value for name, pair in pairs.items()}
    corrected = holm(p_values)
    significant = [(rival.name, pairs[rival.name]) for rival in rivals if corrected[rival.name] < LEVEL]
    worse = [name for name, pair in significant if pair.only_a > pair.only_b]
    better = [name for name, pair in significant if pair.only_a < pair.only_b]
    similar = [rival for rival in rivals if corrected[rival.name] >= LEVEL]
    parts = [f"Choose {best.name}: the highest {score}"]
    if worse:
        parts.append(f"on the test images it is significantly better than {join_names(worse)}")
    if similar:
        least = min(corrected[rival.name] for rival in similar)
        p_value = "p = 1" if least == 1 else f"p = {least:.2g}" if len(similar) == 1 else f"p = {least:.2g} or more"
        names = join_names([rival.name for rival in similar])
        parts.append(f"its difference from {names} on the test images is not significant ({p_value})")
    if better:
        where = "significantly better on the test images"
        parts.append(f"but {join_names(better)} is {where}, which must not choose: hold out more validation images")
    quicker = [rival for rival in similar if rival.seconds < 0.5 * best.seconds]
    if quicker:
        quick = min(quicker, key=lambda rival: rival.seconds)
        parts.append(f"{quick.name} took {format_duration(quick.seconds)} instead of {format_duration(best.seconds)}")
    return Recommendation(best.name, p_values, "; ".join(parts) + ".")
