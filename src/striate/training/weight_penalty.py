"""Weight penalties: L2, L1, both (the elastic net), and a bound on each unit's norm (max-norm).

`l2` adds l2 * sum of w^2 to the loss, whose gradient is 2 l2 w. `weight_decay` adds w * weight_decay to the gradient of SGD and
Adam, the same for SGD where weight_decay = 2 l2; for AdamW it shrinks the weights beside the gradient, where Adam's scaling
does not touch it (Loshchilov & Hutter 2019). `l1` adds l1 * sum of |w|. Its subgradient, with sign(0) = 0, makes weights small
but hardly ever zero; the proximal step, soft thresholding after each step, makes exact zeros (Parikh & Boyd 2014, 6.5.2).
Biases and norms, which have one dimension, are left out.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn

from striate.base.config import Train
from striate.nets.blocks import TableConv2d

_ALIKE: Mapping[str, float] = MappingProxyType({})


class Penalty(NamedTuple):
    """What a training adds to its gradients and does to its weights."""

    weights: tuple[Tensor, ...]  # the parameters that it concerns
    factors: tuple[float, ...]  # what the learning rate of each is multiplied with
    # for the weights of a TableConv2d the unit that each link leads to; None where rows are units
    units_L: tuple[Tensor | None, ...]
    l1: float  # of the loss
    l2: float  # of the loss
    proximal: bool  # L1 by soft thresholding after each step, not by its subgradient
    max_norm: float | None  # largest norm of what comes into one unit; None for no bound

    @torch.no_grad()
    def before_step(self) -> None:
        """Add the gradients of the penalties to those of the loss."""
        for weight in self.weights:
            if weight.grad is None:
                continue
            if self.l2:
                weight.grad.add_(weight, alpha=2 * self.l2)
            if self.l1 and not self.proximal:
                weight.grad.add_(weight.sign(), alpha=self.l1)

    @torch.no_grad()
    def after_step(self, rate: float) -> None:
        """Threshold and bound the weights that a step at this learning rate has made."""
        if self.l1 and self.proximal:
            for weight, factor in zip(self.weights, self.factors, strict=True):
                soft_threshold(weight, rate * factor * self.l1)
        if self.max_norm is not None:
            for weight, units_L in zip(self.weights, self.units_L, strict=True):
                bound_norms(weight, self.max_norm, units_L)


def make(net: nn.Module, settings: Train, factors: Mapping[str, float] = _ALIKE) -> Penalty | None:
    """The penalty that the settings ask for; None for none. `factors` are those of `layer_lr.factors`."""
    if not (settings.l1 or settings.l2 or settings.max_norm):
        return None
    named = {name: weight for name, weight in net.named_parameters() if weight.requires_grad and weight.dim() > 1}
    weights = tuple(named.values())
    tables = {id(layer.weight): layer.table[:, 0] for layer in net.modules() if isinstance(layer, TableConv2d)}
    own_factors, units = tuple(factors.get(name, 1.0) for name in named), tuple(tables.get(id(weight)) for weight in weights)
    proximal = settings.l1_by != "subgradient"
    return Penalty(weights, own_factors, units, settings.l1, settings.l2, proximal, settings.max_norm)


@torch.no_grad()
def soft_threshold(weight: Tensor, amount: float) -> None:
    """Move every number by `amount` towards zero, and to exactly zero where it is nearer than that."""
    weight.copy_(weight.sign() * (weight.abs() - amount).clamp(min=0))


@torch.no_grad()
def bound_norms(weight: Tensor, largest: float, units_L: Tensor | None = None) -> None:
    """Scale what comes into a unit, a row or a filter, to this norm where it is longer (Srivastava et al. 2014, 5.1)."""
    squares = weight.flatten(1).square().sum(1)
    if units_L is not None:
        squares = squares.new_zeros(int(units_L.max()) + 1).index_add(0, units_L, squares)[units_L]
    norms = squares.sqrt()
    scales = torch.where(norms > largest, largest / norms.clamp(min=1e-12), torch.ones_like(norms))
    weight.mul_(scales.view(-1, *[1] * (weight.dim() - 1)))
