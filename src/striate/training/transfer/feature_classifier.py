"""Features and a classifier: the first of the three strategies (Razavian et al. 2014; Donahue et al. 2014).

The body of a network is frozen; a linear support vector machine or logistic regression is fitted to what it makes of the
training images, or these are kept and the nearest of them are asked (`neighbors`). The result is the network's last layer.

Legend: M training images, V validation images, D features, K classes.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.errors import DataError
from striate.metrics import temperature_scaling
from striate.nets.feature_layer import settings_with, with_head
from striate.nets.net import Net
from striate.training.transfer import knn
from striate.training.transfer.feature_scaling_and_folds import (
    LabeledFeatures,
    Labels,
    Normalize,
    Values,
    folds,
    standard,
    subsample,
    unit_length,
)  # fmt: skip
from striate.training.transfer.knn import FittedKNN

log = logging.getLogger("striate")

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)  # C times the mean squared length of a feature vector
_MOST_COMPARED = 5000
_ITERATIONS = 5000
_COLUMNS = 2048

Ready = NDArray[np.float32] | NDArray[np.float64]
LinearKind = Literal["svm", "logistic"]
Kind = LinearKind | Literal["knn"]


class Tried(NamedTuple):
    """One strength of the classifier, and the share of left-out images that it had right, or of several labels their mAP."""

    c: float
    accuracy: float


class Linear(NamedTuple):
    """A fitted classifier: logits are `weight_KD x + bias_K`, for x of length one where `unit`."""

    weight_KD: NDArray[np.float32]  # float32; standardization is in it
    bias_K: NDArray[np.float32]  # float32
    unit: bool  # features are divided by their length first
    c: float  # strength that was chosen: a larger one fits the training images more closely
    tried: tuple[Tried, ...]  # all strengths; empty where there were too few images to compare them

    @property
    def chosen(self) -> dict[str, Any]:
        """The strength, by its name."""
        return {"c": self.c}

    @property
    def classes(self) -> int:
        """K."""
        return len(self.bias_K)

    @property
    def settings(self) -> dict[str, Any]:
        """What builds such a layer, by the names of section [net]."""
        return {"unit_features": self.unit}

    @property
    def state(self) -> dict[str, Tensor]:
        """The layer's tensors."""
        return {"weight": torch.from_numpy(self.weight_KD), "bias": torch.from_numpy(self.bias_K)}

    def logits(self, values_MD: Values) -> NDArray[np.float32]:
        """M x K."""
        x_MD = unit_length(values_MD) if self.unit else values_MD
        return x_MD @ self.weight_KD.T + self.bias_K


Fitted = Linear | FittedKNN


class Installed(NamedTuple):
    """A network with a fitted classifier as its last layer, and the settings that such a network is built with."""

    net: Net
    settings: dict[str, Any]


def install(net: Net, settings: Mapping[str, Any], fitted: Fitted, feature_layer: str | None = None) -> Installed:
    """The network with a fitted classifier on features of `feature_layer` (None: the head's input) as its head, on the CPU."""
    how = fitted.settings
    whole = settings_with(net, settings, feature_layer, **how)
    net = with_head(net, fitted.classes, feature_layer, **how)
    net.head.load_state_dict(fitted.state, assign=True)
    return Installed(net, whole)


def fit(
    train: LabeledFeatures, val: LabeledFeatures, classes: int, kind: Kind = "svm", normalize: Normalize = "standardize",
    seed: int = 0, tick: Callable[[int, int], None] = lambda _done, _total: None,
) -> Fitted:  # fmt: skip
    """Fit to the training images; what is chosen by cross-validation on them, the logits' scale on the validation images.

    A linear SVM is one against the rest, with squared hinge; logistic regression is multinomial. Features are standardized, or
    each row is divided by its length (`l2`). `tick` is called before each piece, with pieces done and all, and may
    raise.
    """
    (train_MD, labels_M), (val_VD, val_labels_V) = train, val
    counts_K = np.bincount(labels_M, minlength=classes)
    if classes < 2 or counts_K.min() < 1:
        raise DataError(f"expected at least two classes with training images; got images by class {counts_K.tolist()}.")
    if kind == "knn":
        return knn.fit(train, val, classes, normalize, seed, tick)
    shift_D, factor_D = standard(train_MD) if normalize == "standardize" else (np.float32(0), np.float32(1))
    ready_MD = (train_MD - shift_D) * factor_D if normalize == "standardize" else unit_length(train_MD)
    length2 = max(1e-12, float(np.square(ready_MD, dtype=np.float64).sum(axis=1).mean()))
    span = spanned(ready_MD)
    narrow = ready_MD if span is None else span.coordinates_MM
    compared = subsample(labels_M, _MOST_COMPARED, seed)
    tried = _compare(narrow[compared], labels_M[compared], kind, length2, seed, tick)
    best = max(tried, key=lambda trial: (trial.accuracy, -trial.c)).c if tried else 1.0 / length2
    weight_KD, bias_K = fit_linear(narrow, labels_M, kind, best)
    weight_KD = (weight_KD if span is None else span.back(weight_KD)) * factor_D
    bias_K = bias_K - weight_KD @ np.broadcast_to(shift_D, weight_KD.shape[1:])
    linear = Linear(weight_KD.astype(np.float32), bias_K.astype(np.float32), normalize == "l2", best, tried)
    if not len(val_labels_V):
        return linear
    factor = temperature_scaling.scale(linear.logits(val_VD), val_labels_V)
    return linear._replace(weight_KD=(weight_KD * factor).astype(np.float32), bias_K=(bias_K * factor).astype(np.float32))


class _Span(NamedTuple):
    """Rows in coordinates of what they span."""

    rows_MD: Ready  # the rows
    coordinates_MM: NDArray[np.float64]  # the rows' lengths and the angles between them are the same in these; lower triangular

    def back(self, weight_KM: NDArray[np.float64]) -> NDArray[np.float64]:
        """K x D: the same planes among the rows as they are."""
        upper_MM, given_MK = torch.from_numpy(self.coordinates_MM.T), torch.from_numpy(weight_KM.T.copy())
        share_MK = torch.linalg.solve_triangular(upper_MM, given_MK, upper=True).numpy()
        return np.concatenate([share_MK.T @ part for part in _columns(self.rows_MD)], axis=1)


def spanned(ready_MD: Ready) -> _Span | None:
    """Rows in as many dimensions as there are; None where they have no more than that.

    A linear classifier whose weights are kept small has them in the span of its rows, since what lies across it adds to
    their length and changes no answer (the representer theorem: Schoelkopf, Herbrich & Smola 2001, theorem 1, and 2 for a bias
    that is free). So the planes found among these coordinates are those that would be found among all D.

    The coordinates are the Cholesky factor of the products of the rows in float64. So that it exists for rows that depend on
    one another, as those of standardized features do, the product of each row with itself is made larger by a share of
    4 eps M^2, 1e-10 for 300 rows (Demmel 1989: M (M + 1) eps is enough).
    """
    count, features = ready_MD.shape
    if features <= count:
        return None
    products_MM: NDArray[np.float64] = np.zeros((count, count))
    for part in _columns(ready_MD):
        products_MM += part @ part.T
    itself = np.diag_indices(count)
    products_MM[itself] *= 1 + 4 * np.finfo(np.float64).eps * count**2
    products_MM[itself] += np.finfo(np.float64).tiny  # rows of zeros
    return _Span(ready_MD, np.linalg.cholesky(products_MM).astype(np.float64, copy=False))


def _columns(values_MD: Ready) -> Iterator[NDArray[np.float64]]:
    """The columns in float64, some at a time."""
    for start in range(0, values_MD.shape[1], _COLUMNS):
        yield values_MD[:, start : start + _COLUMNS].astype(np.float64)


def _compare(
    ready_MD: Ready, labels_M: Labels, kind: LinearKind, length2: float, seed: int, tick: Callable[[int, int], None]
) -> tuple[Tried, ...]:
    parts, span, tried = folds(labels_M, seed), spanned(ready_MD), list[Tried]()
    ready_MD = ready_MD if span is None else span.coordinates_MM
    for strength in STRENGTHS if parts else ():
        right = 0
        for number, (learn, left_out) in enumerate(parts):
            tick(len(tried) * len(parts) + number, len(STRENGTHS) * len(parts) + 1)
            weight_KD, bias_K = fit_linear(ready_MD[learn], labels_M[learn], kind, strength / length2)
            right += int(((ready_MD[left_out] @ weight_KD.T + bias_K).argmax(axis=1) == labels_M[left_out]).sum())
        tried.append(Tried(strength / length2, right / len(labels_M)))
    return tuple(tried)


def fit_linear(
    ready_MD: Ready, labels_M: Labels, kind: LinearKind, c: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and biases, one row a class."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    model: Any
    if kind == "svm":
        model = LinearSVC(C=c, dual="auto", max_iter=_ITERATIONS, random_state=0)
    else:
        model = LogisticRegression(C=c, max_iter=_ITERATIONS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit(ready_MD.astype(np.float64), labels_M)
    if any(issubclass(warning.category, ConvergenceWarning) for warning in caught):
        log.info("The classifier was stopped after %s turns, at C=%.2g, before it had quite settled.", f"{_ITERATIONS:,}", c)
    weight, bias = model.coef_, np.atleast_1d(model.intercept_)
    if len(weight) == 1:  # two classes: one plane between them
        return np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias
