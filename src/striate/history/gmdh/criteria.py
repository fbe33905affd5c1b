"""What decides which elements of a GMDH network live: the external criteria, as a table of functions.

Each judges all elements that a layer may be made of at once. External means: with rows that the weights were not fitted to, or
by comparing weights fitted to different rows (Ivakhnenko 1971; the list follows the reference implementation of MIA).

Legend: M rows, A those that weights are fitted to, B the rest, D inputs, P pairs of them, Q = 6 terms.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base.errors import SettingError, nearest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TERMS = ("", "{u}", "{v}", "{u} {v}", "{u}^2", "{v}^2")


def terms(inputs_MD: Floats, pairs_P2: Ints) -> Floats:
    """What an element is linear in, for each pair of inputs: P x M x 6."""
    u, v = inputs_MD.T[pairs_P2[:, 0]], inputs_MD.T[pairs_P2[:, 1]]
    products: Floats = np.stack([np.ones_like(u), u, v, u * v, u * u, v * v], axis=-1)
    return products


def least_squares(terms_PMQ: Floats, targets_M: Floats) -> Floats:
    """The weights of all elements at once, P x 6; the shortest where several are as good."""
    lengths_P1Q = np.linalg.norm(terms_PMQ, axis=1, keepdims=True)
    lengths_P1Q[lengths_P1Q == 0] = 1.0
    targets_PM1 = torch.from_numpy(targets_M)[None, :, None].expand(len(terms_PMQ), -1, -1)
    solved = torch.linalg.lstsq(torch.from_numpy(terms_PMQ / lengths_P1Q), targets_PM1, driver="gelsy").solution
    weights: Floats = solved[:, :, 0].numpy() / lengths_P1Q[:, 0]
    return weights


def apply(terms_PMQ: Floats, weights_PQ: Floats) -> Floats:
    """What the elements put out: P x M."""
    outputs: Floats = (terms_PMQ @ weights_PQ[:, :, None])[:, :, 0]
    return outputs


def _squares(values_PM: Floats) -> Floats:
    """The sum of squares of each row."""
    sums: Floats = np.square(values_PM).sum(axis=1)
    return sums


@dataclass(frozen=True)
class Candidates:
    """The elements that a layer may be made of, with what a criterion needs to judge them."""

    terms_A: Floats  # P x A x 6
    terms_B: Floats  # P x B x 6
    targets_A: Floats
    targets_B: Floats

    @cached_property
    def weights_A(self) -> Floats:
        """P x 6, fitted to A: those that an element keeps."""
        return least_squares(self.terms_A, self.targets_A)

    @cached_property
    def weights_B(self) -> Floats:
        """P x 6, fitted to B."""
        return least_squares(self.terms_B, self.targets_B)

    @cached_property
    def weights_all(self) -> Floats:
        """P x 6, fitted to all rows."""
        both = np.concatenate([self.terms_A, self.terms_B], axis=1)
        return least_squares(both, np.concatenate([self.targets_A, self.targets_B]))

    def error_A(self, weights_PQ: Floats) -> Floats:
        """The sum of squared errors of each element on A."""
        return _squares(apply(self.terms_A, weights_PQ) - self.targets_A)

    def error_B(self, weights_PQ: Floats) -> Floats:
        """The sum of squared errors of each element on B."""
        return _squares(apply(self.terms_B, weights_PQ) - self.targets_B)

    def outputs_differ(self, rows_PMQ: Floats) -> Floats:
        """The sum of squared differences between the outputs of elements fitted to A and of those fitted to B."""
        return _squares(apply(rows_PMQ, self.weights_A - self.weights_B))


Criterion = Callable[[Candidates], Floats]


def _noise_immunity(candidates: Candidates) -> Floats:
    to_all = apply(candidates.terms_B, candidates.weights_all - candidates.weights_A)
    noise: Floats = (to_all * apply(candidates.terms_B, candidates.weights_B - candidates.weights_all)).sum(axis=1)
    return noise


# Each gives one number for each candidate; less is better. Sums of squares, not divided by the number of rows.
CRITERIA: Mapping[str, Criterion] = {
    "regularity": lambda c: c.error_B(c.weights_A),
    "symmetric_regularity": lambda c: c.error_B(c.weights_A) + c.error_A(c.weights_B),
    "stability": lambda c: c.error_A(c.weights_A) + c.error_B(c.weights_A),
    "unbiased_outputs": lambda c: c.outputs_differ(c.terms_B),
    "symmetric_unbiased_outputs": lambda c: c.outputs_differ(c.terms_A) + c.outputs_differ(c.terms_B),
    "unbiased_coefficients": lambda c: _squares(c.weights_A - c.weights_B),
    "absolute_noise_immunity": _noise_immunity,
    "training_error": lambda c: c.error_A(c.weights_A),  # not external: what overfits, to show it
}


@dataclass(frozen=True)
class Combined:
    """A criterion made of two by name: `share` of the first and the rest of the second."""

    first: str
    second: str
    share: float = 0.5

    def __call__(self, candidates: Candidates) -> Floats:
        """One number for each candidate."""
        first, second = (named(name)(candidates) for name in (self.first, self.second))
        return self.share * first + (1 - self.share) * second


def named(criterion: str | Criterion) -> Criterion:
    """A criterion of the table by its name, a function as it is; an unknown name is refused with SettingError."""
    if not isinstance(criterion, str):
        return criterion
    if criterion not in CRITERIA:
        raise SettingError(f"There is no criterion {criterion!r}; {nearest(criterion, CRITERIA)}")
    return CRITERIA[criterion]
