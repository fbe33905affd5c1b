"""The spread of activations through ten layers, for four ways to begin.

Legend: N inputs of the network, L layers, B bins.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.figures.catalogue import Drawn
from striate.nets import init
from striate.nets.blocks import activation
from striate.plots.canvas import SERIES_COLORS
from striate.plots.save_figure import check_ending, save

LAYERS, UNITS, INPUTS = 10, 400, 500
SHOWN = (1, 4, 7, 10)  # layers whose histograms are drawn
TANH = ("N(0, 0.01²)", "N(0, 1)", "N(0, 1/n)", "N(0, 0.01²) and batch norm")
RELU = ("N(0, 0.01²)", "N(0, 1/n)", "N(0, 2/n)", "N(0, 0.01²) and batch norm")


def draw(path: Path) -> Drawn:
    """Send N(0, 1) through ten layers of 400 units, with tanh and with ReLU."""
    deviations: dict[str, dict[str, list[float]]] = {"tanh": {}, "relu": {}}
    histograms = {}
    for act, starts in (("tanh", TANH), ("relu", RELU)):
        for start in starts:
            outputs = activations(act, start)
            deviations[act][start] = [float(output.std(correction=0)) for output in outputs]
            if act == "tanh":
                histograms[start] = [torch.histc(outputs[layer - 1], 41, -1, 1).div(INPUTS * UNITS).numpy() for layer in SHOWN]
    plot(SHOWN, histograms, deviations, path)
    lines = [
        f"{act}, {start}: standard deviation {values[0]:.3g} after layer 1, {values[4]:.3g} after 5, {values[9]:.3g} after 10"
        for act, rows in deviations.items()
        for start, values in rows.items()
    ]
    return Drawn(tuple(lines), {"layers": LAYERS, "units": UNITS, "deviations": deviations})


def stack(act: str, start: str) -> nn.Sequential:
    """Ten fully connected layers with this activation and this start."""
    net = nn.Sequential()
    for _ in range(LAYERS):
        net.append(nn.Linear(UNITS, UNITS))
        if start.endswith("batch norm"):
            net.append(nn.BatchNorm1d(UNITS))
        net.append(activation(act))
    if start.startswith("N(0, 0.01"):
        init.gaussian(net, 0.01)
    else:
        init.initialize(net, {"N(0, 1)": "gaussian", "N(0, 1/n)": "scaled", "N(0, 2/n)": "he"}[start])
    return net


@torch.no_grad()
def activations(act: str, start: str) -> list[Tensor]:
    """What each layer's activation puts out for inputs from N(0, 1), in training mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net, outputs_NU = stack(act, start), torch.randn(INPUTS, UNITS)
    layers = []
    for module in net:
        outputs_NU = module(outputs_NU)
        if not isinstance(module, nn.Linear | nn.BatchNorm1d):
            layers.append(outputs_NU)
    return layers


def plot(
    layers: Sequence[int], histograms: Mapping[str, Sequence[NDArray[Any]]],
    deviations: Mapping[str, Mapping[str, Sequence[float]]], path: Path,
) -> None:  # fmt: skip
    """Draw a row of histograms for each start, and beside them deviations over all layers.

    Args:
        layers: those that the histograms are of.
        histograms: for each start, shares of what tanh puts out in bins from -1 to 1.
        deviations: for each activation and each start, of every layer.
        path: .svg, .png or .pdf.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.0, 1.75 * len(histograms) + 0.9), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(7.4, 4.6))[0]
    grid = left.subplots(len(histograms), len(layers), sharex=True, sharey=True)
    names = [*histograms]
    others = [name for rows in deviations.values() for name in rows if name not in names]
    colors = dict(zip([*names, *dict.fromkeys(others)], SERIES_COLORS, strict=False))
    for line, (start, counts) in zip(grid, histograms.items(), strict=True):
        for axes, layer, shares_B, at in zip(line, layers, counts, range(len(layers)), strict=True):
            edges = np.linspace(-1, 1, len(shares_B) + 1)
            axes.stairs(shares_B, edges, fill=True, color=colors[start])
            axes.set_ylim(0, 0.3)
            axes.tick_params(labelsize=7)
            deviation = deviations["tanh"][start][layer - 1]
            axes.text(
                0.26, 0.92, f"{deviation:.2g}", transform=axes.transAxes, fontsize=8, ha="center", va="top",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1},
            )  # fmt: skip
            if line is grid[0]:
                axes.set_title(f"layer {layer}", fontsize=9)
            if at == 0:
                axes.set_ylabel(start.replace(" and ", "\nand "), fontsize=8, color=colors[start])
    left.supxlabel("output of tanh; the number is its standard deviation; bars above 0.3 are cut", fontsize=8)
    for axes, (act, rows) in zip(right.subplots(2, 1, sharex=True), deviations.items(), strict=True):
        for number, (start, values) in enumerate(rows.items()):
            axes.plot(range(1, len(values) + 1), values, marker="osD^"[number], markersize=4, color=colors[start], label=start)
        axes.set_yscale("log")
        axes.set_title(f"standard deviation after each layer, {act}", fontsize=9)
        axes.grid(True, linewidth=0.4, alpha=0.5)
        axes.tick_params(labelsize=7)
        axes.legend(fontsize=7, frameon=False, loc="lower left")
        axes.set_xticks(range(1, len(values) + 1))
    axes.set_xlabel("layer", fontsize=8)
    figure.suptitle(
        "Ten layers at the start: too small fades, too large saturates, 1/n suits tanh, 2/n suits ReLU", fontsize=11
    )
    save(figure, path)
