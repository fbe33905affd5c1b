"""Features and a logistic regression for each label, where an image may have several: extract with sigmoids.

Every label is told from its absence by a linear classifier of its own (one against the rest), all of one strength, which is
chosen by cross-validation on the training images.

Legend: M training images, V validation images, D features, K labels.
"""

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError
from striate.metrics import temperature_scaling
from striate.metrics.average_precision import average_precision
from striate.training.transfer.feature_classifier import STRENGTHS, Linear, LinearKind, Ready, Tried, fit_linear, spanned
from striate.training.transfer.feature_scaling_and_folds import LabeledFeatures, Labels, Normalize, standard, unit_length

log = logging.getLogger("striate")

MOST_COMPARED = 2000  # training images that strengths are compared on, where there are more
Floats = NDArray[np.float64]


def fit(
    train: LabeledFeatures, val: LabeledFeatures, fold_M: Labels, kind: LinearKind = "logistic",
    normalize: Normalize = "standardize", tick: Callable[[int, int], None] = lambda _done, _total: None,
) -> Linear:  # fmt: skip
    """Fit to the training images; the strength has the best mAP on left-out ones, the scale of the logits fits validation ones.

    The labels of `train` and `val` are M x K and V x K, 0 or 1. `fold_M` is the number of the fold in which each training image
    is left out; -1 for one that no strength is compared by. `tick` is called before each piece, with pieces done and all, and
    may raise.

    Raises:
        DataError: no training image has a label.

    """
    (train_MD, labels_MK), (val_VD, labels_VK) = train, val
    if not labels_MK.any():
        raise DataError(f"expected training images with labels; got {len(labels_MK):,} without any. Add labels.")
    shift_D, factor_D = standard(train_MD) if normalize == "standardize" else (np.float32(0), np.float32(1))
    ready_MD = (train_MD - shift_D) * factor_D if normalize == "standardize" else unit_length(train_MD)
    length2 = max(1e-12, float(np.square(ready_MD, dtype=np.float64).sum(axis=1).mean()))
    span = spanned(ready_MD)
    narrow = ready_MD if span is None else span.coordinates_MM
    compared_M = fold_M >= 0
    tried = _compare(narrow[compared_M], labels_MK[compared_M], fold_M[compared_M], kind, length2, tick)
    best = max(tried, key=lambda trial: (trial.accuracy, -trial.c)).c if tried else 1.0 / length2
    weight_KD, bias_K = _fit_each(narrow, labels_MK, kind, best)
    weight_KD = (weight_KD if span is None else span.back(weight_KD)) * factor_D
    bias_K = bias_K - weight_KD @ np.broadcast_to(shift_D, weight_KD.shape[1:])
    linear = Linear(weight_KD.astype(np.float32), bias_K.astype(np.float32), normalize == "l2", best, tried)
    if not labels_VK.any():
        return linear
    factor = temperature_scaling.scale_label_sets(linear.logits(val_VD), labels_VK)
    return linear._replace(weight_KD=(weight_KD * factor).astype(np.float32), bias_K=(bias_K * factor).astype(np.float32))


def _compare(
    ready_MD: Ready, labels_MK: Labels, fold_M: Labels, kind: LinearKind, length2: float, tick: Callable[[int, int], None]
) -> tuple[Tried, ...]:
    """The mAP of each strength on left-out images; none where no label is in two folds, to be left out and learned."""
    numbers, tried = np.unique(fold_M).tolist(), list[Tried]()
    in_folds_K = sum(labels_MK[fold_M == number].any(axis=0).astype(int) for number in numbers)
    if len(numbers) < 2 or not (scored := np.flatnonzero(in_folds_K > 1).tolist()):
        log.info("No label is in two folds of the training images, so no strengths are compared; the usual one is taken.")
        return ()
    for strength in STRENGTHS:
        logits_MK: Floats = np.zeros(labels_MK.shape)
        for done, number in enumerate(numbers):
            tick(len(tried) * len(numbers) + done, len(STRENGTHS) * len(numbers) + 1)
            left_out_M = fold_M == number
            weight_KD, bias_K = _fit_each(ready_MD[~left_out_M], labels_MK[~left_out_M], kind, strength / length2)
            logits_MK[left_out_M] = ready_MD[left_out_M] @ weight_KD.T + bias_K
        each = [average_precision(logits_MK[:, k], labels_MK[:, k] > 0) for k in scored]
        tried.append(Tried(strength / length2, float(np.mean(each))))
    return tuple(tried)


def _fit_each(ready_MD: Ready, labels_MK: Labels, kind: LinearKind, c: float) -> tuple[Floats, Floats]:
    """Weights and bias of each label against its absence; of one that all images have or none, the log of the odds alone."""
    weight_KD, bias_K = np.zeros((labels_MK.shape[1], ready_MD.shape[1])), np.zeros(labels_MK.shape[1])
    for k, labels_M in enumerate(labels_MK.T):
        have = int(labels_M.sum())
        if 0 < have < len(labels_M):
            both_2D, both_2 = fit_linear(ready_MD, labels_M, kind, c)
            weight_KD[k], bias_K[k] = both_2D[1] - both_2D[0], both_2[1] - both_2[0]
        else:
            bias_K[k] = np.log((have + 0.5) / (len(labels_M) - have + 0.5))
    return weight_KD, bias_K
