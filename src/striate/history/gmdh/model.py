"""The group method of data handling: networks that grew layer by layer before back-propagation, and stopped by themselves.

Source: Ivakhnenko & Lapa 1965, "Cybernetic predicting devices"; Ivakhnenko 1971, "Polynomial theory of complex systems", IEEE
Transactions on Systems, Man, and Cybernetics 1(4):364-378. An element takes two inputs and puts out

    w0 + w1 u + w2 v + w3 u v + w4 u^2 + w5 v^2,

fitted by least squares to one part of the rows. How well it does on the other part, or another external criterion, decides
whether it lives. The best elements of a layer are the inputs of the next, whose degree is twice as high: 2^8 = 256 at eight
layers. Growth ends where the criterion falls no more. Nothing is propagated back.

The algorithm is the one called MIA, multilayered iterative. Which elements live is decided by a criterion of
`criteria.py`. Departures: least squares by a rank-revealing QR on columns of length one, so that two equal inputs do no
harm; the six terms are the only kind of element.

Legend: M rows, A those that weights are fitted to, B the rest, D inputs, P pairs, Q = 6 terms, K kept elements, N classes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError, SettingError, nearest
from striate.history.gmdh.criteria import TERMS, Candidates, Criterion, Floats, Ints, apply, named, terms

_AT_ONCE = 4_000_000  # numbers of the terms of pairs that are fitted together: 32 MB


class Layer(NamedTuple):
    """Elements side by side, the best first."""

    pairs_K2: Ints  # their inputs, as positions in the layer before
    weights_KQ: Floats  # of their six terms
    criteria_K: Floats  # by which they were chosen

    def forward(self, inputs_MD: Floats) -> Floats:
        """M x K outputs."""
        return apply(terms(inputs_MD, self.pairs_K2), self.weights_KQ).T


class Step(NamedTuple):
    """What the growth of one layer came to."""

    layer: int  # from 1 on
    candidates: int  # pairs that were tried
    criterion: float  # of the best
    mean: float  # of the best few, by which growth continues or ends
    error_A: float  # mean squared error of the best on the rows that it was fitted to
    error_B: float  # the same on the other rows
    accepted: bool  # whether the layer stayed


def grow_layer(inputs_A: Floats, inputs_B: Floats, y_A: Floats, y_B: Floats, criterion: Criterion, keep: int) -> Layer:
    """Fit every pair of inputs and keep the best; of equals the pair that comes first."""
    pairs_P2 = np.array([*combinations(range(inputs_A.shape[1]), 2)], np.int64)
    parts = max(1, -(-pairs_P2.size // 2 * len(TERMS) * (len(y_A) + len(y_B)) // _AT_ONCE))
    weights, values = [], []
    for some_P2 in np.array_split(pairs_P2, min(parts, len(pairs_P2))):
        candidates = Candidates(terms(inputs_A, some_P2), terms(inputs_B, some_P2), y_A, y_B)
        values.append(criterion(candidates))
        weights.append(candidates.weights_A)
    values_P, weights_PQ = np.concatenate(values), np.concatenate(weights)
    best_K = np.argsort(values_P, kind="stable")[:keep]
    return Layer(pairs_P2[best_K], weights_PQ[best_K], values_P[best_K])


@dataclass(eq=False)
class _Estimator:
    """The settings of both, and what scikit-learn asks of an estimator, without importing it."""

    criterion: str | Criterion = "regularity"  # a name of `CRITERIA`, or a function from `Candidates` to P numbers
    keep: int = 3  # the most elements that a layer keeps, K
    test_share: float = 0.5  # the share of rows, the last ones, that are external: none of the weights is fitted to them
    layers: int = 8  # the most layers
    limit: float = 0.0  # growth continues while the criterion falls by more than this; -inf to grow all layers
    average: int = 1  # the number of best elements whose mean criterion is watched
    _estimator_type: ClassVar[str]

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002, scikit-learn asks so; no setting has settings
        """The settings by name."""
        return {setting.name: getattr(self, setting.name) for setting in fields(self)}

    def set_params(self, **settings: Any) -> Self:
        """Other settings; an unknown name is refused with SettingError."""
        for name, value in settings.items():
            if name not in self.get_params():
                raise SettingError(f"{type(self).__name__} has no setting {name!r}; {nearest(name, self.get_params())}")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> SimpleNamespace:
        kind = self._estimator_type
        return SimpleNamespace(
            estimator_type=kind, requires_fit=True, no_validation=False, non_deterministic=False, transformer_tags=None,
            array_api_support=False, regressor_tags=None, classifier_tags=None,
            target_tags=SimpleNamespace(required=True, one_d_labels=False, two_d_labels=False, multi_output=False),
            input_tags=SimpleNamespace(pairwise=False, sparse=False, two_d_array=True, allow_nan=False, categorical=False),
        )  # fmt: skip


class GMDH(_Estimator):
    """A network that grows to predict one number; the fields of `_Estimator` are its settings.

    net = GMDH(keep=6).fit(X, y)
    net.predict(X); net.formula(); net.history_
    """

    _estimator_type = "regressor"

    def fit(self, X: Any, y: Any) -> Self:
        """Grow the network on X, M x D finite numbers, D >= 2, and y, M numbers (else DataError): 6 rows on either side.

        Its layers are then in `layers_`, without the elements that the best of the last layer does not need, and what each
        step came to in `history_`. A setting out of its range is a SettingError.
        """
        grown: list[Layer] = []
        self.history_: list[Step] = []
        for layer, step in self.grow(X, y):
            self.history_.append(step)
            if step.accepted:
                grown.append(layer)
        self.n_features_in_ = np.shape(X)[1]
        self.layers_ = pruned(grown)
        return self

    def grow(self, X: Any, y: Any) -> Iterator[tuple[Layer, Step]]:
        """The layers with all elements that they keep, and what each step came to; as of `fit`, whose errors it raises."""
        self._check()
        X_MD, y_M = _table(X), np.asarray(y, np.float64)
        if y_M.shape != X_MD.shape[:1] or not np.isfinite(y_M).all():
            raise DataError(f"expected a finite number for each of the {len(X_MD)} rows of X; got y of shape {y_M.shape}.")
        external = math.floor(len(X_MD) * self.test_share + 0.5)
        cut = len(X_MD) - external
        if min(cut, external) < len(TERMS) or X_MD.shape[1] < 2:
            raise DataError(
                f"expected at least 2 columns, and {len(TERMS)} rows on either side of the cut; got {X_MD.shape[1]} columns, "
                f"and {cut} and {external} rows. Give more, or set test_share nearer to 0.5."
            )
        return self._grow(X_MD[:cut], X_MD[cut:], y_M[:cut], y_M[cut:])

    def _grow(self, inputs_A: Floats, inputs_B: Floats, y_A: Floats, y_B: Floats) -> Iterator[tuple[Layer, Step]]:
        criterion, last = named(self.criterion), math.inf
        for number in range(1, self.layers + 1):
            candidates = math.comb(inputs_A.shape[1], 2)
            if candidates == 0:
                return
            layer = grow_layer(inputs_A, inputs_B, y_A, y_B, criterion, self.keep)
            inputs_A, inputs_B = layer.forward(inputs_A), layer.forward(inputs_B)
            mean = float(layer.criteria_K[: self.average].mean())
            error_A, error_B = float(np.square(inputs_A[:, 0] - y_A).mean()), float(np.square(inputs_B[:, 0] - y_B).mean())
            accepted = number == 1 or last - mean > self.limit
            yield layer, Step(number, candidates, float(layer.criteria_K[0]), mean, error_A, error_B, accepted)
            if not accepted:
                return
            last = mean

    def _check(self) -> None:
        named(self.criterion)
        ranges = {
            "keep": (self.keep, self.keep >= 2, "at least 2"),
            "test_share": (self.test_share, 0 < self.test_share < 1, "between 0 and 1"),
            "layers": (self.layers, self.layers >= 1, "at least 1"),
            "average": (self.average, 1 <= self.average <= self.keep, f"from 1 to keep={self.keep}"),
        }
        for name, (value, fits, expected) in ranges.items():
            if not fits:
                raise SettingError(f"expected {name} to be {expected}; got {value}.")

    def predict(self, X: Any) -> Floats:
        """The output for each row of X: M x D finite numbers, D as in `fit` (DataError); SettingError before `fit`."""
        if not hasattr(self, "layers_"):
            raise SettingError("expected a network that has grown; call fit(X, y) first.")
        outputs_MK = _table(X)
        if outputs_MK.shape[1] != self.n_features_in_:
            raise DataError(f"expected {self.n_features_in_} columns, as in fit; got {outputs_MK.shape[1]}.")
        for layer in self.layers_:
            outputs_MK = layer.forward(outputs_MK)
        return outputs_MK[:, 0]

    def score(self, X: Any, y: Any) -> float:
        """The share of the variance of y that is explained, R squared."""
        y_M = np.asarray(y, np.float64)
        return 1.0 - float(np.square(self.predict(X) - y_M).sum() / np.square(y_M - y_M.mean()).sum())

    @property
    def degree(self) -> int:
        """The highest degree that the grown polynomial can have: 2 to the number of layers."""
        return int(2 ** len(self.layers_))

    def formula(self, digits: int = 6) -> str:
        """The grown polynomial, a line for each element, inputs counted from 1; terms of no weight are left out."""
        return "\n".join(formula_lines(self.layers_, digits))


def pruned(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The same without the elements that the best of the last layer does not need."""
    pruned_layers: list[Layer] = []
    needed = np.zeros(1, np.int64)
    for layer in reversed(layers):
        pairs_K2 = layer.pairs_K2[needed]
        needed_before, places = np.unique(pairs_K2, return_inverse=True)
        if layer is not layers[0]:
            pairs_K2 = places.reshape(pairs_K2.shape).astype(np.int64)
        pruned_layers.insert(0, Layer(pairs_K2, layer.weights_KQ[needed], layer.criteria_K[needed]))
        needed = needed_before
    return tuple(pruned_layers)


def formula_lines(layers: Sequence[Layer], digits: int) -> Iterator[str]:
    """The polynomial of each element, inputs counted from 1; the first of the last layer is y."""
    names = _names("x", int(layers[0].pairs_K2.max()) + 1)
    for number, layer in enumerate(layers, 1):
        outputs = ["y"] if number == len(layers) else _names(f"u{number}_", len(layer.pairs_K2))
        for output, (i, j), weights_Q in zip(outputs, layer.pairs_K2, layer.weights_KQ, strict=True):
            least = 1e-9 * np.abs(weights_Q).max()
            parts = [
                f"{'-' if weight < 0 else '+'} {abs(weight):.{digits}g} {term.format(u=names[i], v=names[j])}".rstrip()
                for weight, term in zip(weights_Q, TERMS, strict=True)
                if abs(weight) > least
            ]
            yield f"{output} = {' '.join(parts).removeprefix('+ ') or '0'}"
        names = outputs


def _names(letter: str, count: int) -> list[str]:
    return [f"{letter}{number}" for number in range(1, count + 1)]


def _table(X: Any) -> Floats:
    X_MD = np.asarray(X, np.float64)
    if X_MD.ndim != 2 or not np.isfinite(X_MD).all():
        raise DataError(f"expected finite numbers, a row for each example; got an array of shape {X_MD.shape}.")
    return X_MD


class GMDHClassifier(_Estimator):
    """One network for each class, grown to put out 1 for it and 0 for the others; the largest output wins."""

    _estimator_type = "classifier"

    def fit(self, X: Any, y: Any) -> Self:
        """Grow the networks, `networks_`, one for each of `classes_`; X and the errors as of `GMDH.fit`, y M labels."""
        X_MD, labels_M = _table(X), np.asarray(y)
        self.classes_ = np.unique(labels_M)
        self.networks_ = [GMDH(**self.get_params()).fit(X_MD, labels_M == label) for label in self.classes_]
        self.n_features_in_ = X_MD.shape[1]
        return self

    def decision_function(self, X: Any) -> Floats:
        """M x N outputs, a column for each class."""
        if not hasattr(self, "networks_"):
            raise SettingError("expected networks that have grown; call fit(X, y) first.")
        return np.stack([network.predict(X) for network in self.networks_], axis=1)

    def predict(self, X: Any) -> NDArray[Any]:
        """M labels."""
        best_M = self.decision_function(X).argmax(axis=1)
        labels_M: NDArray[Any] = self.classes_[best_M]
        return labels_M

    def score(self, X: Any, y: Any) -> float:
        """The accuracy, a share."""
        return float((self.predict(X) == np.asarray(y)).mean())
