"""Folds of the training images of several labels each, in which classifiers on features leave them out.

Legend: M training images, K labels.
"""

import numpy as np
from numpy.typing import NDArray

from striate.base import hash_rng
from striate.data import stratified_labels
from striate.training.transfer.label_set_classifier import MOST_COMPARED

_FOLDS = 5


def of(labels_MK: NDArray[np.int64], ids_M: NDArray[np.uint64], seed: int, most: int = MOST_COMPARED) -> NDArray[np.int64]:
    """The fold of each image, 0 to 4, each with its share of every label; -1 of those beyond `most`."""
    hash_M, folds_M = hash_rng.words(ids_M, seed, "label set folds"), np.full(len(ids_M), -1, np.int64)
    chosen = np.sort(np.argsort(hash_M, kind="stable")[:most])
    shares_P = [1 / _FOLDS] * _FOLDS
    folds_M[chosen] = stratified_labels.deal(labels_MK[chosen], np.arange(len(chosen)), hash_M[chosen], shares_P)
    return folds_M
