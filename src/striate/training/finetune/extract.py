"""Features and a linear classifier: the first of the three strategies (Razavian et al. 2014; Donahue et al. 2014).

The body of a network is frozen; a linear support vector machine, or logistic regression, is fitted to what it makes of the
training images. The result is a weight matrix and a bias, so it can be the last layer of the network.

Legend: M training images, V validation images, D features, K classes.
"""

import logging
import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError
from striate.score import calibration

log = logging.getLogger("striate")

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)  # C times the mean squared length of a feature vector
_FOLDS = 5
_MOST_COMPARED = 5000
_ITERATIONS = 5000

Values = NDArray[np.float32]
Labels = NDArray[np.int64]
Kind = Literal["svm", "logistic"]
Normalise = Literal["standardise", "l2"]


class Tried(NamedTuple):
    """One strength of the classifier, and the share of left-out training images that it had right."""

    c: float
    accuracy: float


class Linear(NamedTuple):
    """A fitted classifier: logits are `weight_KD x + bias_K`, for x of length one where `unit`.

    Attributes:
        weight_KD: float32; standardisation is in it.
        bias_K: float32.
        unit: features are divided by their length first.
        c: strength that was chosen: a larger one fits the training images more closely.
        tried: all strengths; empty where there were too few images to compare them.

    """

    weight_KD: NDArray[np.float32]
    bias_K: NDArray[np.float32]
    unit: bool
    c: float
    tried: tuple[Tried, ...]

    def logits(self, values_MD: Values) -> NDArray[np.float32]:
        """M x K."""
        x_MD = unit_length(values_MD) if self.unit else values_MD
        found: NDArray[np.float32] = x_MD @ self.weight_KD.T + self.bias_K
        return found


def unit_length(values_MD: Values) -> Values:
    """Each row divided by its length; a row of zeros stays."""
    lengths_M1 = np.linalg.norm(values_MD, axis=1, keepdims=True)
    divided: Values = values_MD / np.maximum(lengths_M1, 1e-12)
    return divided


def fit(
    train_MD: Values,
    labels_M: Labels,
    val_VD: Values,
    val_labels_V: Labels,
    classes: int,
    kind: Kind = "svm",
    normalise: Normalise = "standardise",
    seed: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> Linear:
    """Fit to the training images; the strength by cross-validation on them, the scale of the logits on the validation images.

    Args:
        train_MD: features, one row an image.
        labels_M: 0..K-1, each at least once.
        val_VD: features of the validation images, which only scale margins to probabilities.
        val_labels_V: their labels.
        classes: K, at least 2.
        kind: linear SVM (one against the rest, squared hinge) or logistic regression (multinomial).
        normalise: subtract mean and divide by deviation of each feature, or divide each row by its length.
        seed: of the folds.
        tick: called before each of the fits; may raise.

    Raises:
        DataError: a class has no training image, or there is one class alone.

    """
    counts_K = np.bincount(labels_M, minlength=classes)
    if classes < 2 or counts_K.min() < 1:
        raise DataError(f"expected at least two classes with training images; got images by class {counts_K.tolist()}.")
    shift_D, factor_D = _standard(train_MD) if normalise == "standardise" else (np.float32(0), np.float32(1))
    ready_MD = (train_MD - shift_D) * factor_D if normalise == "standardise" else unit_length(train_MD)
    length2 = max(1e-12, float(np.square(ready_MD, dtype=np.float64).sum(axis=1).mean()))
    tried = _compare(ready_MD, labels_M, kind, length2, seed, tick)
    best = max(tried, key=lambda one: (one.accuracy, -one.c)).c if tried else 1.0 / length2
    weight_KD, bias_K = _fitted(ready_MD, labels_M, kind, best)
    weight_KD = weight_KD * factor_D
    bias_K = bias_K - weight_KD @ np.broadcast_to(shift_D, weight_KD.shape[1:])
    found = Linear(weight_KD.astype(np.float32), bias_K.astype(np.float32), normalise == "l2", best, tried)
    if not len(val_labels_V):
        return found
    factor = calibration.scale(found.logits(val_VD), val_labels_V)
    return found._replace(weight_KD=(weight_KD * factor).astype(np.float32), bias_K=(bias_K * factor).astype(np.float32))


def _standard(values_MD: Values) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and one over the deviation of each feature; 0 for features that never change, which say nothing."""
    mean_D = values_MD.mean(axis=0, dtype=np.float64)
    deviation_D = values_MD.std(axis=0, dtype=np.float64)
    alive_D = deviation_D > 1e-6 * max(1e-12, float(deviation_D.max()))
    return mean_D.astype(np.float32), np.where(alive_D, 1 / np.where(alive_D, deviation_D, 1), 0).astype(np.float32)


def _compare(
    ready_MD: Values, labels_M: Labels, kind: Kind, length2: float, seed: int, tick: Callable[[], None]
) -> tuple[Tried, ...]:
    from sklearn.model_selection import StratifiedKFold, train_test_split

    if len(labels_M) > _MOST_COMPARED:
        ready_MD, _, labels_M, _ = train_test_split(
            ready_MD, labels_M, train_size=_MOST_COMPARED, stratify=labels_M, random_state=seed
        )
    folds = min(_FOLDS, int(np.bincount(labels_M)[np.unique(labels_M)].min()))
    if folds < 2:
        log.info("A class has one training image, so nothing can be left out to compare strengths; the usual one is taken.")
        return ()
    parts = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(ready_MD, labels_M))
    tried = []
    for strength in STRENGTHS:
        right = 0
        for learn, left_out in parts:
            tick()
            weight_KD, bias_K = _fitted(ready_MD[learn], labels_M[learn], kind, strength / length2)
            right += int(((ready_MD[left_out] @ weight_KD.T + bias_K).argmax(axis=1) == labels_M[left_out]).sum())
        tried.append(Tried(strength / length2, right / len(labels_M)))
    return tuple(tried)


def _fitted(ready_MD: Values, labels_M: Labels, kind: Kind, c: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and biases, one row a class."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    model: Any
    if kind == "svm":
        model = LinearSVC(C=c, dual="auto", max_iter=_ITERATIONS, random_state=0)
    else:
        model = LogisticRegression(C=c, max_iter=_ITERATIONS)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(ready_MD.astype(np.float64), labels_M)
    if any(issubclass(warning.category, ConvergenceWarning) for warning in told):
        log.info("The classifier was stopped after %s turns, at C=%.2g, before it had quite settled.", f"{_ITERATIONS:,}", c)
    weight, bias = model.coef_, np.atleast_1d(model.intercept_)
    if len(weight) == 1:  # two classes: one plane between them
        return np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias
