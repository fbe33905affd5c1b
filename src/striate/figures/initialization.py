"""The spread of activations through ten layers, for four ways to begin.

Legend: N inputs of the network, L layers, B bins.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from striate.figures import initialization_plot as drawing
from striate.figures.table import Drawn
from striate.nets import init
from striate.nets.blocks import activation

LAYERS, UNITS, INPUTS = 10, 400, 500
SHOWN = (1, 4, 7, 10)  # layers whose histograms are drawn
TANH = ("N(0, 0.01²)", "N(0, 1)", "N(0, 1/n)", "N(0, 0.01²) and batch norm")
RELU = ("N(0, 0.01²)", "N(0, 1/n)", "N(0, 2/n)", "N(0, 0.01²) and batch norm")


def draw(path: Path) -> Drawn:
    """Send N(0, 1) through ten layers of 400 units, with tanh and with rectifiers."""
    deviations: dict[str, dict[str, list[float]]] = {"tanh": {}, "relu": {}}
    histograms = {}
    for act, starts in (("tanh", TANH), ("relu", RELU)):
        for start in starts:
            outputs = activations(act, start)
            deviations[act][start] = [float(output.std(correction=0)) for output in outputs]
            if act == "tanh":
                histograms[start] = [torch.histc(outputs[layer - 1], 41, -1, 1).div(INPUTS * UNITS).numpy() for layer in SHOWN]
    drawing.draw(SHOWN, histograms, deviations, path)
    lines = [
        f"{act}, {start}: deviation {found[0]:.3g} after layer 1, {found[4]:.3g} after 5, {found[9]:.3g} after 10"
        for act, rows in deviations.items()
        for start, found in rows.items()
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
    found = []
    for module in net:
        outputs_NU = module(outputs_NU)
        if not isinstance(module, nn.Linear | nn.BatchNorm1d):
            found.append(outputs_NU)
    return found
