"""Prediction sets by split conformal prediction: sets of classes that have the true one as often as promised.

The score of an image is the probability of its true class, and a set has each class that is at least as probable as all but a
share of those (Sadinle et al. 2019; Angelopoulos & Bates 2023, section 1). On new images of the same kind a set has the true
class with probability `coverage`, averaged over images and over the draw of the N that the threshold comes from, whatever
the model is. These must have chosen neither its weights, nor the epoch, nor the temperature.

Legend: N images, K classes.
"""

from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, SettingError
from striate.base.option_names import option
from striate.base.phrases import plural
from striate.metrics.classification import Labels

Shares = NDArray[np.floating[Any]]


class SetScore(NamedTuple):
    """Sets measured on images that their threshold does not come from."""

    coverage: float  # as promised
    measured: float  # share of the sets that have the true class
    size: float  # mean number of classes in a set
    single: float  # share of the sets of one class
    n: int  # images


def images_needed(coverage: float) -> int:
    """The least number of images for sets of this coverage.

    >>> images_needed(0.95), images_needed(0.99)
    (19, 99)

    """
    share = Fraction(str(coverage))
    return ceil(share / (1 - share))


def check_share(coverage: float) -> None:
    """Refuse a coverage that is none, by a SettingError."""
    if not 0 < coverage < 1:
        raise SettingError(f"expected {option('coverage')} between 0 and 1, as 0.95; got {coverage!r}.")


def check(coverage: float, n: int, where: str = "the data") -> None:
    """Refuse a coverage that so many images cannot give.

    Raises:
        SettingError: `coverage` is not between 0 and 1.
        DataError: there are fewer than `images_needed(coverage)` images.

    """
    check_share(coverage)
    if n < (least := images_needed(coverage)):
        raise DataError(
            f"{option('coverage', coverage)} needs at least {plural(least, 'image')}; {where} has {n:,}. Add images, or "
            "ask for less."
        )


def set_threshold(shares_NK: Shares, labels_N: Labels, coverage: float) -> float:
    """The least probability of a class in a set: of the N true classes' probabilities the ceil((N + 1) coverage)-th largest.

    Errors are those of `check`.
    """
    check(coverage, n := len(labels_N))
    rank = ceil((n + 1) * Fraction(str(coverage)))
    true_N = np.sort(shares_NK[np.arange(n), labels_N])[::-1]
    return float(true_N[rank - 1])


def members(shares_NK: Shares, threshold: float) -> NDArray[np.bool_]:
    """Which classes are in the set of each image, N x K: those of at least this probability, and always the most probable."""
    within_NK: NDArray[np.bool_] = shares_NK >= threshold
    within_NK[np.arange(len(shares_NK)), shares_NK.argmax(axis=1)] = True
    return within_NK


def score(shares_NK: Shares, labels_N: Labels, coverage: float, threshold: float) -> SetScore:
    """How the sets of a threshold do on images that it does not come from."""
    return _measured(members(shares_NK, threshold), labels_N, coverage)


def _measured(within_NK: NDArray[np.bool_], labels_N: Labels, coverage: float) -> SetScore:
    sizes_N, n = within_NK.sum(axis=1), len(labels_N)
    covered = within_NK[np.arange(n), labels_N].mean()
    return SetScore(coverage, float(covered), float(sizes_N.mean()), float((sizes_N == 1).mean()), n)


def by_halves(shares_NK: Shares, labels_N: Labels, coverage: float) -> SetScore | None:
    """How sets do whose threshold comes from one half of the images, on the other half, and the reverse.

    None where half of the images are fewer than `images_needed(coverage)`.
    """
    n = len(labels_N)
    if n // 2 < images_needed(coverage):
        return None
    order = np.random.default_rng(0).permutation(n)
    halves = order[: n // 2], order[n // 2 :]
    within_NK = np.empty(shares_NK.shape, np.bool_)
    for fitted, tried in (halves, halves[::-1]):
        within_NK[tried] = members(shares_NK[tried], set_threshold(shares_NK[fitted], labels_N[fitted], coverage))
    return _measured(within_NK, labels_N, coverage)
