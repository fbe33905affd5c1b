"""Whether classes depend on left and right, as those of arrows, shoes or letters do: such images must not be mirrored.

A linear classifier is fitted to images as they are and tested on others, and on the mirror images of these. Where classes do
not depend on left and right, an image that is classified correctly in one of the two ways alone is so in either way with
probability 1/2 (McNemar's exact test). It needs no network, and gives the same result each time.

Legend: N images, M of them to learn from, D features, K classes.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.metrics.intervals import wilson
from striate.metrics.paired_test import paired

Values = NDArray[np.float32] | NDArray[np.float64]
Verdict = Literal["swapped", "worse", "same", "unknown"]

LEVEL = 0.01  # of the test: how often it errs where classes do not depend on left and right
_FOLDS = 5
# For classes that mirroring swaps, the accuracy on mirror images is as far below 1/2 as it is above on plain images; at least
# this share of it is asked for. Images of which there are near copies are known better plain than mirrored, but not swapped.
_INVERTED = 0.5
_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)  # penalty of the ridge regression times the sum of the eigenvalues


class MirrorTest(NamedTuple):
    """The verdict, and the accuracy on held-out images and on their mirror images that it rests on.

    "swapped": mirror images of one class look like another; "worse": mirror images are classified worse, but as no other
    class, as happens to digits and to several photographs of one scene; "same": they are classified as well; "unknown": the
    classifier is no better than the majority class on plain images, so it cannot tell.
    """

    verdict: Verdict
    images: int
    accuracy: float
    mirrored_accuracy: float
    p_value: float
    pair: tuple[int, int] | None = None  # the classes that are swapped; the numbers are of their images, between these two


def mirror_test(plain_ND: Values, mirrored_ND: Values, labels_N: NDArray[np.int64]) -> MirrorTest:
    """Test each image once, by a ridge regression on the features of other folds' plain images.

    Two classes are swapped where, between these two, mirror images are classified worse by the paired test and worse than by
    chance. The level is divided by the number of pairs of classes.

    Args:
        plain_ND: features of the images, or their pixels, in a random order.
        mirrored_ND: the same of their mirror images.
        labels_N: classes 0..K-1.

    """
    scores_NK, mirrored_NK = _held_out_scores(plain_ND, mirrored_ND, labels_N)
    if (swapped := _swapped(scores_NK, mirrored_NK, labels_N)) is not None:
        return swapped
    right_N, mirrored_right_N = (scores.argmax(axis=1) == labels_N for scores in (scores_NK, mirrored_NK))
    accuracy, mirrored, p_value = (
        float(right_N.mean()),
        float(mirrored_right_N.mean()),
        paired(right_N, mirrored_right_N).p_value,
    )
    verdict: Verdict = "same"
    if wilson(int(right_N.sum()), len(labels_N)).low <= np.bincount(labels_N).max() / len(labels_N):
        verdict = "unknown"
    elif p_value < LEVEL and mirrored < accuracy:
        verdict = "worse"
    return MirrorTest(verdict, len(labels_N), accuracy, mirrored, p_value)


def _swapped(scores_NK: Values, mirrored_NK: Values, labels_N: NDArray[np.int64]) -> MirrorTest | None:
    """The pair of classes that mirroring swaps most significantly; None where there is none."""
    labels = np.unique(labels_N)
    best, level = None, LEVEL / max(1, len(labels) * (len(labels) - 1) // 2)
    for first in labels.tolist():
        taken_for_K = np.bincount(mirrored_NK[labels_N == first].argmax(axis=1), minlength=mirrored_NK.shape[1])
        taken_for_K[first] = 0
        second = int(taken_for_K.argmax())
        rows_M = np.flatnonzero((labels_N == first) | (labels_N == second))
        is_first_M = labels_N[rows_M] == first
        if not taken_for_K.any() or is_first_M.all():
            continue
        right_M, mirrored_M = (
            (scores[rows_M, first] > scores[rows_M, second]) == is_first_M for scores in (scores_NK, mirrored_NK)
        )
        above, below = _balanced(right_M, is_first_M) - 0.5, 0.5 - _balanced(mirrored_M, is_first_M)
        p_value = paired(right_M, mirrored_M).p_value
        if p_value < level and below >= _INVERTED * above > 0:
            level = p_value
            pair = (min(first, second), max(first, second))
            best = MirrorTest("swapped", len(rows_M), float(right_M.mean()), float(mirrored_M.mean()), p_value, pair)
    return best


def _balanced(right_M: NDArray[np.bool_], is_first_M: NDArray[np.bool_]) -> float:
    """Mean recall of two classes."""
    return float(right_M[is_first_M].mean() + right_M[~is_first_M].mean()) / 2


def _held_out_scores(plain_ND: Values, mirrored_ND: Values, labels_N: NDArray[np.int64]) -> tuple[Values, Values]:
    """Scores of each image and of its mirror image, N x K, by a classifier that has seen neither."""
    classes = int(labels_N.max()) + 1
    fold_N = np.empty(len(labels_N), np.int64)
    for label in np.unique(labels_N):
        rows = np.flatnonzero(labels_N == label)
        fold_N[rows] = np.arange(len(rows)) % _FOLDS
    scores_NK, mirrored_NK = np.zeros((len(labels_N), classes)), np.zeros((len(labels_N), classes))
    targets_NK = (labels_N[:, None] == np.arange(classes)).astype(np.float64)
    for fold in range(_FOLDS):
        held_out = fold_N == fold
        if held_out.any() and not held_out.all():
            learn_MD = plain_ND[~held_out].astype(np.float64)
            mean_D, std_D = learn_MD.mean(axis=0), learn_MD.std(axis=0)
            factor_D = np.divide(1.0, std_D, out=np.zeros_like(std_D), where=std_D > 1e-6 * max(1e-12, std_D.max()))
            weights_DK, bias_K = _ridge((learn_MD - mean_D) * factor_D, targets_NK[~held_out])
            scores_NK[held_out] = ((plain_ND[held_out] - mean_D) * factor_D) @ weights_DK + bias_K
            mirrored_NK[held_out] = ((mirrored_ND[held_out] - mean_D) * factor_D) @ weights_DK + bias_K
    return scores_NK, mirrored_NK


def _ridge(centered_MD: Values, targets_MK: Values) -> tuple[Values, Values]:
    """Weights and bias of a ridge regression, whose penalty has the least squared error on left-out images.

    Of M images and the kernel matrix X X^T = U S U^T, leaving out each in turn needs no other fit (Golub, Heath & Wahba 1979).
    """
    bias_K = targets_MK.mean(axis=0)
    values_M, vectors_MM = np.linalg.eigh(centered_MD @ centered_MD.T)
    values_M = np.maximum(values_M, 0.0)
    turned_MK = vectors_MM.T @ (targets_MK - bias_K)
    best_error, best_MK = np.inf, np.zeros_like(targets_MK)
    for strength in _STRENGTHS:
        inverse_M = 1.0 / (values_M + strength * max(float(values_M.sum()), 1e-12))
        dual_MK = vectors_MM @ (inverse_M[:, None] * turned_MK)
        left_out_MK = dual_MK / (vectors_MM**2 @ inverse_M)[:, None]
        error = float((left_out_MK**2).sum())
        if error < best_error:
            best_error, best_MK = error, dual_MK
    return centered_MD.T @ best_MK, bias_K
