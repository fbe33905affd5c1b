"""A threshold on the probability of predictions that keeps to an error rate: the model abstains below it.

Fixed-sequence testing (Angelopoulos et al. 2021, Learn then Test, section 3): thresholds are tested from the highest on, each
by an exact binomial test of "more than `max_error` of the predictions from here on are wrong", until a test fails. Then, with
the stated confidence, the last threshold that passed keeps to the error rate on new images of the same kind. It needs images
that neither the weights, nor the epoch, nor the temperature were chosen by.

Legend: N images.
"""

from math import ceil, exp, lgamma, log, log1p
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, SettingError
from striate.base.option_names import option
from striate.base.phrases import plural

LEVEL = 0.95  # confidence, where nothing else is given, that the error rate is kept to
_STEPS = 50  # thresholds that are tested, at the most
_SPARE = 3  # errors that the first of them allows, where there are enough images


class Abstention(NamedTuple):
    """A threshold, and what it did on the images that it was chosen by or tried on."""

    max_error: float | None  # largest share of wrong predictions that it was chosen for; None where it was given
    confidence: float | None  # that the share is kept to on new images
    threshold: float | None  # least probability of a prediction; None where no threshold keeps to max_error
    coverage: float  # share of the images whose predictions are given
    errors: int  # predictions that are given and wrong
    n: int  # images


def images_needed(max_error: float, errors: int = 0, confidence: float = LEVEL) -> int:
    """The least number of predictions, of which so many are wrong, that show with confidence an error of at most `max_error`.

    >>> images_needed(0.02), images_needed(0.05)
    (149, 59)

    """
    alpha = 1 - confidence
    low = high = ceil(log(alpha) / log1p(-max_error))  # without errors the p-value is (1 - max_error)^n
    while p_value(errors, high, max_error) > alpha:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if p_value(errors, middle, max_error) <= alpha else (middle + 1, high)
    return high


def check_rate(max_error: float, confidence: float = LEVEL) -> None:
    """Refuse an error rate or a confidence that is none, by a SettingError."""
    for name, value, example in (("max_error", max_error, 0.02), ("confidence", confidence, LEVEL)):
        if not 0 < value < 1:
            raise SettingError(f"expected {option(name)} between 0 and 1, as {example}; got {value!r}.")


def check(max_error: float, n: int, where: str = "the data", confidence: float = LEVEL) -> None:
    """Refuse an error rate that no model can be shown to keep to on so many images.

    Raises:
        SettingError: `max_error` or `confidence` is not between 0 and 1.
        DataError: there are fewer than `images_needed(max_error)` images.

    """
    check_rate(max_error, confidence)
    if n < (least := images_needed(max_error, confidence=confidence)):
        reach = ceil(1000 * (1 - (1 - confidence) ** (1 / n))) / 1000 if n else 1.0
        hint = f"Add images, or allow more errors: from {reach:g} on." if reach < 1 else "Add images."
        raise DataError(
            f"{option('max_error', max_error)} needs at least {plural(least, 'image')} on which the model makes no mistake; "
            f"{where} has {n:,}. {hint}"
        )


def p_value(errors: int, n: int, max_error: float) -> float:
    """How often at most so many of n predictions are wrong where a share of `max_error` is wrong: the binomial tail."""
    if errors >= n:
        return 1.0
    terms = (
        lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(max_error) + (n - k) * log1p(-max_error)
        for k in range(errors + 1)
    )
    return min(1.0, sum(exp(term) for term in terms))


def choose(
    probabilities_N: NDArray[np.floating[Any]], right_N: NDArray[np.bool_], max_error: float, confidence: float = LEVEL
) -> Abstention:
    """The threshold that keeps to an error rate.

    Args:
        probabilities_N: of the predictions, 0..1.
        right_N: which of them are right.
        max_error: the largest share of wrong predictions among those that are given, between 0 and 1.
        confidence: that it is kept to on new images, between 0 and 1.

    Errors are those of `check`.

    """
    check(max_error, len(right_N), confidence=confidence)
    order = np.argsort(-probabilities_N, kind="stable")
    sorted_N, wrong_N = probabilities_N[order], np.cumsum(~right_N[order])
    threshold, accepted = None, 0
    for count in _counts(sorted_N, max_error, confidence):
        if p_value(int(wrong_N[count - 1]), count, max_error) > 1 - confidence:
            break
        threshold, accepted = float(sorted_N[count - 1]), count
    errors = int(wrong_N[accepted - 1]) if accepted else 0
    return Abstention(max_error, confidence, threshold, accepted / len(order), errors, len(order))


def tried(probabilities_N: NDArray[np.floating[Any]], right_N: NDArray[np.bool_], threshold: float | None) -> Abstention:
    """What a threshold that was chosen before does on these images; None is one that no prediction reaches."""
    given_N = np.zeros(len(right_N), np.bool_) if threshold is None else probabilities_N >= threshold
    return Abstention(None, None, threshold, float(given_N.mean()), int((given_N & ~right_N).sum()), len(right_N))


def _counts(sorted_N: NDArray[np.floating[Any]], max_error: float, confidence: float) -> list[int]:
    """How many predictions each threshold accepts, fewest first; no label is looked at.

    The first threshold accepts enough for a test that a few errors do not fail: fixed-sequence testing stops at the first that
    fails, and where no error is allowed a single one would end it.
    """
    n = len(sorted_N)
    fits = [count for errors in range(_SPARE + 1) if (count := images_needed(max_error, errors, confidence)) <= n]
    ends = np.flatnonzero(np.append(np.diff(sorted_N) != 0, True)) + 1  # equal probabilities are accepted together
    wanted = np.unique(np.linspace(fits[-1], n, _STEPS).round().astype(np.int64))
    counts: list[int] = np.unique(ends[np.searchsorted(ends, wanted)]).tolist()
    return counts
