"""Confident learning: which labels are probably wrong (Northcutt, Jiang & Chuang 2021, "Confident learning").

The probabilities must be out of fold: each image's come from a classifier that did not learn from it. An image counts as one
of class j where its probability of j reaches the mean probability of j among the images labeled j (equations 1 and 2). The
counts by label and such class, scaled to the number of images of each label, estimate how many labels are wrong (equation 3).
The images are ranked by the probability of their own label, the smallest first.

Legend: N images, K classes, S suspects.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.float64]
Labels = NDArray[np.int64]


class LabelErrors(NamedTuple):
    """Labels that are probably wrong."""

    rows_S: Labels  # every image of which another class is more probable than its label, the most suspicious first
    suggested_S: Labels  # that class
    confidence_S: Probabilities  # the probability of the own label
    joint_KK: NDArray[np.float64]  # estimated number of images by label and true class; rows sum to the images of the label
    estimated: int  # number of wrong labels by `joint_KK`, at most S

    @property
    def likely_S(self) -> Labels:
        """As many of the suspects as labels are estimated to be wrong."""
        return self.rows_S[: self.estimated]


def thresholds(probabilities_NK: Probabilities, labels_N: Labels) -> Probabilities:
    """For each class the mean probability of it among the images that have it as their label; above 1 where there is none.

    >>> thresholds(np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]), np.array([0, 0, 1])).tolist()
    [0.7, 0.8]
    """
    own_N = probabilities_NK[np.arange(len(labels_N)), labels_N]
    classes = probabilities_NK.shape[1]
    counts_K = np.bincount(labels_N, minlength=classes)
    sums_K = np.bincount(labels_N, weights=own_N, minlength=classes)
    return np.where(counts_K > 0, sums_K / np.maximum(counts_K, 1), 2.0)


def confident_joint(probabilities_NK: Probabilities, labels_N: Labels) -> Labels:
    """K x K counts by label and by the likeliest class that reaches its threshold; images that reach none are left out."""
    classes = probabilities_NK.shape[1]
    reaches_NK = probabilities_NK >= thresholds(probabilities_NK, labels_N) - 1e-9
    likeliest_N = np.where(reaches_NK, probabilities_NK, -1.0).argmax(axis=1)
    counted_N = reaches_NK.any(axis=1)
    cells = labels_N[counted_N] * classes + likeliest_N[counted_N]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def find(probabilities_NK: Probabilities, labels_N: Labels) -> LabelErrors:
    """Rank the labels by how probably they are wrong, and estimate how many are."""
    counts_KK = confident_joint(probabilities_NK, labels_N).astype(np.float64)
    diagonal = np.diag_indices(len(counts_KK))
    counts_KK[diagonal] = np.maximum(counts_KK[diagonal], 1)
    images_K1 = np.bincount(labels_N, minlength=len(counts_KK))[:, None]
    joint_KK = counts_KK / counts_KK.sum(axis=1, keepdims=True) * images_K1
    own_N, likeliest_N = probabilities_NK[np.arange(len(labels_N)), labels_N], probabilities_NK.argmax(axis=1)
    suspects = np.flatnonzero(likeliest_N != labels_N)
    rows_S = suspects[np.argsort(own_N[suspects], kind="stable")]
    wrong = round(float(joint_KK.sum() - np.trace(joint_KK)))
    return LabelErrors(rows_S, likeliest_N[rows_S], own_N[rows_S], joint_KK, min(wrong, len(rows_S)))
