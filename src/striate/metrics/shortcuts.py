"""Shortcuts: facts beside what an image shows, as its size or the color of its border, that predict the class by themselves.

A network may learn such a fact in place of what is shown (Geirhos et al. 2020), and a test set of the same source does not
reveal it. Here each fact predicts the class alone, by naive Bayes in five-fold cross-validation, and is scored by balanced
accuracy, which is 1/K for a fact that says nothing, however unequal the classes are. A method that remembers single images
would find an image's copies by such a fact; this one has a few bins.

Legend: N images, M of them that are examined, D values of a fact, K classes.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.phrases import percent
from striate.metrics.paired_test import holm

LEVEL = 1e-4  # of the test, corrected for the number of facts
WEAK = 0.2  # the least skill of a fact that is kept
_MENTIONED, _SERIOUS = 0.5, 0.8  # skills from which on a sentence is said of a fact
_MOST_OF_IT = 0.8  # of the network's own skill
_MOST = 20_000  # images that are examined
_FOLDS = 5
_FEWEST_BINS, _MOST_BINS = 12, 64

Values = NDArray[np.float64]
Labels = NDArray[np.int64]
Hashes = NDArray[np.integer[Any]]


class Shortcut(NamedTuple):
    """A fact that predicts the class."""

    fact: str
    accuracy: float  # balanced accuracy of the fact alone, cross-validated
    chance: float  # that of a fact that says nothing
    p_value: float  # corrected for the number of facts
    images: int  # that were examined

    @property
    def skill(self) -> float:
        """The accuracy on a scale from 0, chance, to 1, always correct."""
        return _skill(self.accuracy, self.chance)


class Described(NamedTuple):
    """A sentence on a shortcut, and whether it is a warning."""

    serious: bool
    sentence: str


class _Balanced(NamedTuple):
    accuracy: float
    p_value: float


def _skill(accuracy: float, chance: float) -> float:
    return (accuracy - chance) / (1 - chance)


def find(facts: Mapping[str, Values], labels_N: Labels, image_hash_N: Hashes) -> list[Shortcut]:
    """The facts, each N x D, that predict the class significantly and with a skill of 0.2 or more; the strongest first.

    Of images with equal hashes one is taken.
    """
    rows_M = _drawn(labels_N, image_hash_N)
    present, labels_M = np.unique(labels_N[rows_M], return_inverse=True)
    if len(present) < 2:
        return []
    varied = {name: values_ND[rows_M] for name, values_ND in facts.items() if np.ptp(values_ND[rows_M], axis=0).any()}
    scores = {name: _balanced(labels_M, _predict(values_MD, labels_M)) for name, values_MD in varied.items()}
    p_values = holm({name: score.p_value for name, score in scores.items()})
    shortcuts = [
        Shortcut(name, score.accuracy, 1 / len(present), p_values[name], len(rows_M)) for name, score in scores.items()
    ]
    significant = [one for one in shortcuts if one.p_value < LEVEL and one.skill >= WEAK]
    return sorted(significant, key=lambda one: -one.accuracy)


def _drawn(labels_N: Labels, image_hash_N: Hashes) -> Labels:
    """One image of each hash, in the order of hashes; at most 20,000, as equally many of each class as there are."""
    _, order = np.unique(image_hash_N, return_index=True)
    labels_M = labels_N[order]
    counts_K = np.bincount(labels_M)
    by_class = np.argsort(labels_M, kind="stable")
    place_M = np.empty(len(labels_M), np.int64)  # of an image among those of its class
    place_M[by_class] = np.arange(len(labels_M)) - np.repeat(np.cumsum(counts_K) - counts_K, counts_K)
    chosen: Labels = order[np.sort(np.argsort(place_M, kind="stable")[:_MOST])]
    return chosen


def _predict(values_MD: Values, labels_M: Labels) -> Labels:
    """The class of each image by naive Bayes of bins, learned on the other folds; classes weigh the same."""
    classes, dims = int(labels_M.max()) + 1, values_MD.shape[1]
    count = min(_MOST_BINS, max(_FEWEST_BINS, 2 * classes))
    bins_MD, fold_M = _bins(values_MD, count), _folds(labels_M)
    tables = np.zeros((_FOLDS, dims, count, classes))
    for d in range(dims):
        cells_M = np.ravel_multi_index((fold_M, bins_MD[:, d], labels_M), (_FOLDS, count, classes))
        tables[:, d] = np.bincount(cells_M, minlength=_FOLDS * count * classes).reshape(_FOLDS, count, classes)
    others = tables.sum(axis=0) - tables + 0.5  # of the other folds, for each fold; half an image more in each bin
    logs = np.log(others / others.sum(axis=2, keepdims=True))
    scores_MK = np.zeros((len(labels_M), classes))
    for d in range(dims):
        scores_MK += logs[fold_M, d, bins_MD[:, d]]
    predicted_M: Labels = scores_MK.argmax(axis=1)
    return predicted_M


def _bins(values_MD: Values, count: int) -> Labels:
    """The bin of each value: as many images in each as equal values allow, which are in one."""
    bins = np.empty(values_MD.shape, np.int64)
    for d, column in enumerate(values_MD.T):
        ordered = np.sort(column)
        twice_rank = np.searchsorted(ordered, column, "left") + np.searchsorted(ordered, column, "right")
        bins[:, d] = np.minimum(count - 1, twice_rank * count // (2 * len(column)))
    return bins


def _folds(labels_M: Labels) -> Labels:
    """The fold of each image: those of a class are dealt in turn."""
    fold_M = np.empty_like(labels_M)
    fold_M[np.argsort(labels_M, kind="stable")] = np.arange(len(labels_M)) % _FOLDS
    return fold_M


def _balanced(labels_M: Labels, predicted_M: Labels) -> _Balanced:
    """Mean recall, and its p-value where the same predictions are dealt to the images at random.

    Of one permutation that mean is a sum over images, so its expectation, 1/K, and its variance are known (Hoeffding 1951), and
    it is all but normal.
    """
    classes, count = int(labels_M.max()) + 1, len(labels_M)
    true_K, guesses_K = np.bincount(labels_M, minlength=classes), np.bincount(predicted_M, minlength=classes)
    hits_K = np.bincount(labels_M[labels_M == predicted_M], minlength=classes)
    accuracy = float((hits_K / true_K).mean())
    # What a prediction (column) gains for a label (row), less the means of its row and of its column
    gains_KK = np.diag(1 / (classes * true_K))
    gains_KK = gains_KK - (gains_KK @ guesses_K / count)[:, None] - true_K @ gains_KK / count + 1 / (classes * count)
    variance = float(true_K @ gains_KK**2 @ guesses_K) / (count - 1)
    if variance <= 0:
        return _Balanced(accuracy, 1.0)
    return _Balanced(accuracy, NormalDist().cdf((1 / classes - accuracy) / sqrt(variance)))


def described(shortcuts: Sequence[Shortcut], accuracy: float | None = None) -> list[Described]:
    """Those shortcuts that are worth a sentence; `accuracy` is the balanced accuracy of the network, where there is one.

    A fact is mentioned from a skill of 0.5 on, and is serious from 0.8 on, or where it is nearly as good as the network.
    """
    sentences = []
    for one in shortcuts:
        rivals = accuracy is not None and one.skill >= _MOST_OF_IT * _skill(accuracy, one.chance)
        if one.skill < _MENTIONED and not rivals:
            continue
        serious = one.skill >= _SERIOUS or rivals
        network = "" if accuracy is None else f", {percent(accuracy, 0)} by the network"
        head = (
            f"{one.fact[0].upper()}{one.fact[1:]} alone predicts the class of {percent(one.accuracy, 0)} of the images "
            f"({percent(one.chance, 0)} by chance{network}; each class weighs the same)"
        )
        if serious:
            sentence = f"{head}: a network may learn this in place of what is shown. Test it on images where it is otherwise."
        else:
            sentence = f"{head}. If that is due to how the images were collected, a network may rely on it."
        sentences.append(Described(serious, sentence))
    return sentences
