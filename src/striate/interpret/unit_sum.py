"""The sum behind one unit: which inputs it takes, with which weights, and what each channel adds.

A unit is one place of a map of a convolution, or one number of a fully connected layer. The inputs of a convolution's unit are
read off a copy of the layer whose weights are numbered, so padding, stride, dilation and groups need no rule of their own.

Legend: C channels, k x k a kernel, U units, H x W places.
"""

import copy
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.nets.blocks import TableConv2d

Numbers = NDArray[np.float64]


class Term(NamedTuple):
    """What one channel, or one unit, of the input adds."""

    source: int  # its number
    weights_kk: Numbers  # 1 x 1 of a fully connected layer
    inputs_kk: Numbers  # zeros outside of the maps
    product: float  # the sum of weights times inputs


class UnitSum(NamedTuple):
    """The value of a unit: the sum of the terms, and the bias."""

    terms: tuple[Term, ...]  # in the order of their sources
    bias: float
    value: float

    def largest(self, most: int) -> tuple[Term, ...]:
        """So many terms that add or take away the most, those first."""
        return tuple(sorted(self.terms, key=lambda term: -abs(term.product))[:most])


def unit_sum(layer: nn.Module, given_1: Tensor, unit: int, row: int = 0, column: int = 0) -> UnitSum | None:
    """The sum of a unit of a convolution or a fully connected layer for its input, of one image; None of other layers."""
    if isinstance(layer, nn.Linear) and given_1.dim() == 2:
        weights_U, inputs_U = _double(layer.weight[unit]), _double(given_1[0])
        terms = [_term(source, weights_U[source], inputs_U[source]) for source in range(len(inputs_U))]
    elif isinstance(layer, nn.Conv2d | TableConv2d) and getattr(layer, "padding_mode", "zeros") == "zeros":
        inputs_Ckk, kernels_Ckk, sources = _inputs(layer, given_1, unit, row, column), *_kernels(layer, unit)
        terms = [_term(c, kernels_Ckk[place], inputs_Ckk[c]) for place, c in enumerate(sources)]
    else:
        return None
    bias = 0.0 if layer.bias is None else float(_double(layer.bias[unit]))
    return UnitSum(tuple(terms), bias, bias + sum(term.product for term in terms))


def _term(source: int, weights: Any, inputs: Any) -> Term:
    weights_kk, inputs_kk = np.atleast_2d(weights), np.atleast_2d(inputs)
    return Term(source, weights_kk, inputs_kk, float((weights_kk * inputs_kk).sum()))


def _kernels(layer: nn.Conv2d | TableConv2d, unit: int) -> tuple[Numbers, list[int]]:
    """The kernels of a unit, and the channels that they lie on."""
    if isinstance(layer, TableConv2d):
        sources = [source for to, source in layer.links if to == unit]
        return _double(layer.full_weight()[unit, sources]), sources
    inputs, outputs = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    first = unit // outputs * inputs
    return _double(layer.weight[unit]), [*range(first, first + inputs)]


def _inputs(layer: nn.Conv2d | TableConv2d, given_1CHW: Tensor, unit: int, row: int, column: int) -> Numbers:
    """For each channel what lies under the kernel."""
    height, width = layer.weight.shape[-2:]
    numbered = copy.deepcopy(layer)
    with torch.inference_mode(False), torch.enable_grad():
        zeros_1CHW = torch.zeros(given_1CHW.shape, requires_grad=True)
        with torch.no_grad():
            numbered.weight.copy_(torch.arange(1.0, height * width + 1).view(height, width).expand_as(numbered.weight))
        (numbers_1CHW,) = torch.autograd.grad(numbered(zeros_1CHW)[0, unit, row, column], zeros_1CHW)
    numbers_CHW = numbers_1CHW[0].round().long().numpy()
    inputs_Ckk, values_CHW = np.zeros((len(numbers_CHW), height, width)), _double(given_1CHW[0])
    channels, rows, columns = np.nonzero(numbers_CHW)
    cells = numbers_CHW[channels, rows, columns] - 1
    inputs_Ckk[channels, cells // width, cells % width] = values_CHW[channels, rows, columns]
    return inputs_Ckk


def _double(tensor: Tensor) -> Numbers:
    array: Numbers = tensor.detach().double().cpu().numpy()
    return array
