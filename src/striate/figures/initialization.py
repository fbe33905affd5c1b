"""The spread of activations through ten layers, for four initializations of each of two activations.

Legend: N inputs of the network, B bins.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.figures.catalogue import FigureResult
from striate.nets import init
from striate.nets.blocks import activation
from striate.plots.axes import label
from striate.plots.canvas import SERIES_COLORS
from striate.plots.save_figure import new_figure

LAYERS, UNITS, INPUTS = 10, 400, 500
SHOWN = (1, 4, 7, 10)  # layers whose histograms are drawn
TANH = ("N(0, 0.01²)", "N(0, 1)", "N(0, 1/n)", "N(0, 0.01²) and batch norm")
RELU = ("N(0, 0.01²)", "N(0, 1/n)", "N(0, 2/n)", "N(0, 0.01²) and batch norm")


def draw(path: Path) -> FigureResult:
    """Send N(0, 1) through ten layers of 400 units, with tanh and with ReLU."""
    stds: dict[str, dict[str, list[float]]] = {"tanh": {}, "relu": {}}
    histograms = {}
    for act, schemes in (("tanh", TANH), ("relu", RELU)):
        for scheme in schemes:
            outputs = activations(act, scheme)
            stds[act][scheme] = [float(output.std(correction=0)) for output in outputs]
            if act == "tanh":
                histograms[scheme] = [torch.histc(outputs[layer - 1], 41, -1, 1).div(INPUTS * UNITS).numpy() for layer in SHOWN]
    _plot(histograms, stds, path)
    lines = tuple(
        f"{act}, {scheme}: standard deviation {values[0]:.3g} after layer 1, {values[4]:.3g} after 5, {values[9]:.3g} after 10"
        for act, rows in stds.items()
        for scheme, values in rows.items()
    )
    return FigureResult(lines, {"layers": LAYERS, "units": UNITS, "deviations": stds})


def stack(act: str, scheme: str, layers: int = LAYERS, units: int = UNITS) -> nn.Sequential:
    """Fully connected layers with this activation and this initialization."""
    net = nn.Sequential()
    for _ in range(layers):
        net.append(nn.Linear(units, units))
        if scheme.endswith("batch norm"):
            net.append(nn.BatchNorm1d(units))
        net.append(activation(act))
    if scheme.startswith("N(0, 0.01"):
        init.gaussian(net, 0.01)
    else:
        init.initialize(net, {"N(0, 1)": "gaussian", "N(0, 1/n)": "scaled", "N(0, 2/n)": "he"}[scheme])
    return net


@torch.no_grad()
def activations(act: str, scheme: str, layers: int = LAYERS, units: int = UNITS, inputs: int = INPUTS) -> list[Tensor]:
    """Each layer's activations for inputs from N(0, 1), in training mode."""
    return _forward(act, scheme, layers, units, inputs)


def gradients(act: str, scheme: str, layers: int = LAYERS, units: int = UNITS, inputs: int = INPUTS) -> list[Tensor]:
    """The gradient with respect to each layer's activations, for one from N(0, 1) at the last layer."""
    outputs = _forward(act, scheme, layers, units, inputs)
    last_NU = torch.randn(outputs[-1].shape, generator=torch.Generator().manual_seed(1))
    return list(torch.autograd.grad(outputs[-1], outputs, last_NU))


def _forward(act: str, scheme: str, layers: int, units: int, inputs: int) -> list[Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net, outputs_NU = stack(act, scheme, layers, units), torch.randn(inputs, units)
    outputs = []
    for module in net:
        outputs_NU = module(outputs_NU)
        if not isinstance(module, nn.Linear | nn.BatchNorm1d):
            outputs.append(outputs_NU)
    return outputs


def _plot(
    histograms: Mapping[str, Sequence[NDArray[Any]]], stds: Mapping[str, Mapping[str, Sequence[float]]], path: Path
) -> None:
    """A row of histograms of tanh for each initialization; beside them standard deviations over all layers."""
    schemes = dict.fromkeys([*histograms, *(scheme for rows in stds.values() for scheme in rows)])
    colors = dict(zip(schemes, SERIES_COLORS, strict=False))
    title = "Ten layers at the start: too small fades, too large saturates, 1/n suits tanh, 2/n suits ReLU"
    with new_figure(path, 12.0, 1.75 * len(histograms) + 0.9, title) as figure:
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(7.4, 4.6))[0]
        grid = left.subplots(len(histograms), len(SHOWN), sharex=True, sharey=True)
        for row, (scheme, shares) in zip(grid, histograms.items(), strict=True):
            for axes, layer, shares_B in zip(row, SHOWN, shares, strict=True):
                axes.stairs(shares_B, np.linspace(-1, 1, len(shares_B) + 1), fill=True, color=colors[scheme])
                axes.set_ylim(0, 0.3)
                axes.tick_params(labelsize=7)
                axes.text(
                    0.26, 0.92, f"{stds['tanh'][scheme][layer - 1]:.2g}", transform=axes.transAxes, fontsize=8, ha="center",
                    va="top", bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
                )  # fmt: skip
            row[0].set_ylabel(scheme.replace(" and ", "\nand "), fontsize=8, color=colors[scheme])
        for axes, layer in zip(grid[0], SHOWN, strict=True):
            axes.set_title(f"layer {layer}", fontsize=9)
        left.supxlabel("output of tanh; the number is its standard deviation; bars above 0.3 are cut", fontsize=8)
        for axes, (act, rows) in zip(right.subplots(2, 1, sharex=True), stds.items(), strict=True):
            for marker, (scheme, values) in zip("osD^", rows.items(), strict=True):
                axes.plot(range(1, LAYERS + 1), values, marker=marker, markersize=4, color=colors[scheme], label=scheme)
            axes.set_yscale("log")
            label(axes, f"standard deviation after each layer, {act}")
            axes.grid(True, linewidth=0.4, alpha=0.5)
            axes.legend(fontsize=7, frameon=False, loc="lower left")
            axes.set_xticks(range(1, LAYERS + 1))
        axes.set_xlabel("layer", fontsize=8)
