"""Dropout on four neurons: which are kept in training and how they are scaled, and what use makes of them.

Legend: P passes, U neurons.
"""

from math import comb
from pathlib import Path

import torch
from torch import Tensor, nn

from striate.figures import dropout_plot as drawing
from striate.figures.table import Drawn

OUTPUTS = (0.2, 0.9, 0.5, 0.6)  # of the four neurons
RATE = 0.5  # the probability that a neuron is dropped, as torch has it; the textbooks' p is 1 - rate, to be kept
SHOWN, MANY = 4, 10_000
KEEPS = (0.5, 0.8)


def draw(path: Path) -> Drawn:
    """Four passes in training and one in use; how many neurons are kept; the mean of 10,000 passes."""
    outputs_U = torch.tensor(OUTPUTS, dtype=torch.float64)
    passes_PU = passes(outputs_U, MANY)
    shown_PU = passes_PU[:SHOWN]
    used_U = nn.Dropout(RATE).eval()(outputs_U)
    kept_P = (passes_PU > 0).sum(1)
    counted = [float((kept_P == count).double().mean()) for count in range(len(OUTPUTS) + 1)]
    chances = {keep: binomial(len(OUTPUTS), keep) for keep in KEEPS}
    drawing.draw(OUTPUTS, shown_PU.numpy(), used_U.numpy(), chances, path)
    mean_U, variance_U = passes_PU.mean(0), passes_PU.var(0)
    lines = [
        f"training, pass {number}: {', '.join(f'{value:g}' for value in row)}"
        for number, row in enumerate(shown_PU.tolist(), 1)
    ]
    return Drawn(
        (
            *lines,
            f"in use: {', '.join(f'{value:g}' for value in used_U.tolist())}",
            f"mean of {MANY:,} passes: {', '.join(f'{value:.3f}' for value in mean_U.tolist())}",
            f"how many of four are kept at a rate of {RATE:g}: two in {counted[2]:.1%} of the passes, "
            f"{chances[0.5][2]:.1%} by the binomial law; none in {counted[0]:.1%}",
        ),
        {
            "rate": RATE, "outputs": list(OUTPUTS), "training": shown_PU.tolist(), "in_use": used_U.tolist(),
            "mean": mean_U.tolist(), "variance": variance_U.tolist(), "kept": counted,
            "binomial": {str(keep): shares for keep, shares in chances.items()},
        },
    )  # fmt: skip


def passes(outputs_U: Tensor, count: int) -> Tensor:
    """What so many passes in training make of these outputs, P x U, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        dropped: Tensor = nn.Dropout(RATE)(outputs_U.expand(count, -1))
    return dropped


def binomial(count: int, keep: float) -> list[float]:
    """The probability that 0, 1, ..., count are kept."""
    return [comb(count, kept) * keep**kept * (1 - keep) ** (count - kept) for kept in range(count + 1)]
