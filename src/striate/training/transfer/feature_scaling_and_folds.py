"""Preparing features for a classifier: their scale, and which images are left out to compare by.

Legend: M training images, D features.
"""

import logging
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import hash_rng

log = logging.getLogger("striate")

_FOLDS = 5

Values = NDArray[np.float32]
Labels = NDArray[np.int64]
Normalize = Literal["standardize", "l2"]


class LabeledFeatures(NamedTuple):
    """Features, one row an image, and the images' labels 0..K-1."""

    values_MD: Values
    labels_M: Labels


class Fold(NamedTuple):
    """Positions of the images to learn from, and of those left out."""

    learn: NDArray[np.int64]
    left_out: NDArray[np.int64]


class Standard(NamedTuple):
    """What standardizes features: (x - shift) * factor."""

    shift_D: Values
    factor_D: Values


def standard(values_MD: Values) -> Standard:
    """Mean and one over the standard deviation of each feature; 0 for features that never change, which say nothing."""
    mean_D = values_MD.mean(axis=0, dtype=np.float64)
    std_D = values_MD.std(axis=0, dtype=np.float64)
    alive_D = std_D > 1e-6 * max(1e-12, float(std_D.max()))
    factor_D = np.where(alive_D, 1 / np.where(alive_D, std_D, 1), 0)
    return Standard(mean_D.astype(np.float32), factor_D.astype(np.float32))


def unit_length(values_MD: Values) -> Values:
    """Each row divided by its length; a row of zeros stays."""
    lengths_M1 = np.linalg.norm(values_MD, axis=1, keepdims=True)
    return np.asarray(values_MD / np.maximum(lengths_M1, 1e-12))


def subsample(labels_M: Labels, most: int, seed: int) -> NDArray[np.int64]:
    """Positions of about `most` images, in order: the same share of each class, at least five where it has them; or all."""
    count = len(labels_M)
    if count <= most:
        return np.arange(count)
    shuffled_M = hash_rng.permute(np.arange(count), count, seed, "compared")
    of_class = [shuffled_M[labels_M[shuffled_M] == label] for label in np.unique(labels_M)]
    return np.sort(np.concatenate([mine[: max(_FOLDS, round(len(mine) * most / count))] for mine in of_class]))


def folds(labels_M: Labels, seed: int) -> list[Fold]:
    """Five stratified folds; as many as the smallest class has images where these are fewer; none where it has one."""
    from sklearn.model_selection import StratifiedKFold

    count = min(_FOLDS, int(np.bincount(labels_M)[np.unique(labels_M)].min()))
    if count < 2:
        log.info("A class has one training image, so nothing can be left out to compare by; the usual setting is taken.")
        return []
    splitter = StratifiedKFold(count, shuffle=True, random_state=seed % 2**32)
    return [Fold(*parts) for parts in splitter.split(np.zeros((len(labels_M), 1)), labels_M)]
