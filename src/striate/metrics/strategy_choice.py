"""Which of several ways to train a classifier to take, and how sure that is.

The choice is made by the validation images. Whether the chosen one is better than another, or the difference is chance, is
asked of the test images, once, by the paired test of `comparison`; with several rivals after Holm's correction.

Legend: N test images.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.phrases import listed, spoken
from striate.metrics.intervals import Interval
from striate.metrics.paired_test import paired

LEVEL = 0.05


class Candidate(NamedTuple):
    """One way that was tried.

    Attributes:
        name: of it.
        val: accuracy on the validation images.
        right_N: for each test image whether it was right; None where there is no test image.
        seconds: that it took.

    """

    name: str
    val: Interval
    right_N: NDArray[np.bool_] | None
    seconds: float


class Recommendation(NamedTuple):
    """What to take.

    Attributes:
        name: of the chosen one.
        p_values: of the others, by name: that a difference from the chosen one at least as large would be chance alone.
        sentence: what to take and why, and what that does not say.

    """

    name: str
    p_values: Mapping[str, float]
    sentence: str


def recommend(tried: Sequence[Candidate]) -> Recommendation:
    """Choose by validation accuracy, of equals the first; say against whom the test images bear it out.

    Args:
        tried: at least one, the simplest first.

    """
    best = max(tried, key=lambda one: one.val.value)
    rivals = [one for one in tried if one is not best]
    score = f"{best.val.value:.4f} of {best.val.n:,} validation images"
    if not rivals:
        return Recommendation(best.name, {}, f"{best.name} is all that was tried: {score}.")
    if best.right_N is None:
        return Recommendation(
            best.name, {}, f"Take {best.name}: the best on validation ({score}). Without test images nothing says by how much."
        )
    pairs = {one.name: paired(best.right_N, one.right_N) for one in rivals if one.right_N is not None}
    p_values = {name: pair.p_value for name, pair in pairs.items()}
    corrected = holm(p_values)
    ahead = [one.name for one in rivals if corrected[one.name] < LEVEL and pairs[one.name].only_a > pairs[one.name].only_b]
    behind = [one.name for one in rivals if corrected[one.name] < LEVEL and pairs[one.name].only_a < pairs[one.name].only_b]
    level = [one for one in rivals if corrected[one.name] >= LEVEL]
    parts = [f"Take {best.name}: the best on validation ({score})"]
    if ahead:
        parts.append(f"on the test images it is better than {listed(ahead)} by more than chance")
    if level:
        worst = min(corrected[one.name] for one in level)
        more = "p = 1" if worst == 1 else f"p = {worst:.2g}" if len(level) == 1 else f"p = {worst:.2g} or more"
        parts.append(
            f"its difference from {listed([one.name for one in level])} on the test images is not significant ({more})"
        )
    if behind:
        parts.append(
            f"yet {listed(behind)} did better on the test images, which must not choose: hold out more validation images"
        )
    quicker = [one for one in level if one.seconds < 0.5 * best.seconds]
    if quicker:
        quick = min(quicker, key=lambda one: one.seconds)
        parts.append(f"{quick.name} took {spoken(quick.seconds)} in place of {spoken(best.seconds)}")
    return Recommendation(best.name, p_values, "; ".join(parts) + ".")


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Each p-value corrected for how many there are (Holm 1979): the least by all, the next by one fewer, never falling.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'c': 0.06, 'b': 0.06}
    """
    corrected, highest = {}, 0.0
    for number, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, p_values[name] * (len(p_values) - number)))
        corrected[name] = highest
    return corrected
