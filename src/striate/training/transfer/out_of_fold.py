"""Out-of-fold probabilities: each image's come from a classifier that has not learned from it.

Legend: N images, D features, K classes.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from striate.metrics.classification import softmax
from striate.training.transfer.feature_classifier import fit_linear, spanned
from striate.training.transfer.feature_scaling_and_folds import Labels, Values, standard

STRENGTH = 10.0  # C times the mean squared length of a feature vector; of 3 to 100 none was better on noisy labels


def probabilities(
    values_ND: Values, labels_N: Labels, fold_N: Labels, classes: int,
    tick: Callable[[int, int], None] = lambda _done, _total: None,
) -> NDArray[np.float64]:  # fmt: skip
    """N x K, by logistic regression on standardized features; 0 for classes of which the other folds have no image.

    `tick` is called before each fold, with folds done and all, and may raise.
    """
    shares_NK = np.zeros((len(labels_N), classes))
    numbers = np.unique(fold_N)
    shift_D, factor_D = standard(values_ND)
    ready_ND = (values_ND - shift_D) * factor_D
    length2 = max(1e-12, float(np.square(ready_ND, dtype=np.float64).sum(axis=1).mean()))
    span = spanned(ready_ND)
    narrow = ready_ND if span is None else span.coordinates_MM
    for done, number in enumerate(numbers):
        tick(done, len(numbers))
        left_out_N = fold_N == number
        present = np.unique(labels_N[~left_out_N])
        if len(present) < 2:
            shares_NK[np.ix_(left_out_N, present)] = 1.0
            continue
        weight_KD, bias_K = fit_linear(narrow[~left_out_N], labels_N[~left_out_N], "logistic", STRENGTH / length2)
        shares_NK[np.ix_(left_out_N, present)] = softmax(narrow[left_out_N] @ weight_KD.T + bias_K)
    return shares_NK
