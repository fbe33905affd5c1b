"""Dropout on four neurons: which are kept in training and how they are scaled, and that inference needs no scaling.

Legend: P passes, U neurons.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from striate.figures.catalogue import FigureResult
from striate.plots.axes import label
from striate.plots.canvas import GRAY, INK, SERIES_COLORS
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
_RADIUS = 0.3
OUTPUTS = (0.2, 0.9, 0.5, 0.6)  # of the four neurons
RATE = 0.5  # the probability that a neuron is dropped, as torch has it; the textbooks' p is 1 - rate, to be kept
SHOWN, MANY = 4, 10_000
SEED = 4
KEEPS = (0.5, 0.8)


def draw(path: Path) -> FigureResult:
    """Four passes in training and one at inference; how many neurons are kept; the mean of 10,000 passes."""
    outputs_U = torch.tensor(OUTPUTS, dtype=torch.float64)
    passes_PU = passes(outputs_U, MANY)
    training = passes_PU[:SHOWN].tolist()
    inference = at_inference(outputs_U).tolist()
    shares = shares_kept(passes_PU)
    chances = {keep: binomial(len(OUTPUTS), keep) for keep in KEEPS}
    _plot(training, inference, chances, path)
    mean_U = passes_PU.mean(0).tolist()
    lines = (
        *(f"training, pass {number}: {_join(row)}" for number, row in enumerate(training, 1)),
        f"at inference: {_join(inference)}",
        f"mean of {MANY:,} passes: {_join(mean_U, '.3f')}",
        f"how many of four are kept at a rate of {RATE:g}: two in {shares[2]:.1%} of the passes, "
        f"{chances[0.5][2]:.1%} by the binomial law; none in {shares[0]:.1%}",
    )
    numbers = {
        "rate": RATE, "outputs": list(OUTPUTS), "training": training, "inference": inference, "mean": mean_U,
        "variance": passes_PU.var(0).tolist(), "kept": shares, "binomial": {str(keep): row for keep, row in chances.items()},
    }  # fmt: skip
    return FigureResult(lines, numbers)


def passes(outputs_U: Tensor, count: int, rate: float = RATE, seed: int = SEED) -> Tensor:
    """What so many passes in training make of these outputs, P x U, always the same for a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        dropped: Tensor = nn.Dropout(rate)(outputs_U.expand(count, -1))
    return dropped


def at_inference(outputs_U: Tensor, rate: float = RATE) -> Tensor:
    """What dropout makes of these outputs at inference."""
    same_U: Tensor = nn.Dropout(rate).eval()(outputs_U)
    return same_U


def shares_kept(passes_PU: Tensor) -> list[float]:
    """In which share of the passes 0, 1, ..., all of the neurons are kept."""
    kept_P = (passes_PU > 0).sum(1)
    return [float((kept_P == count).double().mean()) for count in range(passes_PU.shape[1] + 1)]


def binomial(count: int, keep: float) -> list[float]:
    """The probability that 0, 1, ..., count are kept."""
    return [comb(count, alive) * keep**alive * (1 - keep) ** (count - alive) for alive in range(count + 1)]


def _join(values: Iterable[float], form: str = "g") -> str:
    return ", ".join(f"{value:{form}}" for value in values)


def _plot(
    training: Sequence[Sequence[float]], inference: Sequence[float], chances: Mapping[float, Sequence[float]], path: Path
) -> None:
    """The layer in each pass and at inference, and for each probability to be kept how likely 0, 1, ... kept neurons are."""
    count = len(training) + 1
    title = "Dropout at a rate of 0.5: what is kept is scaled by 1 / 0.5, so inference needs no scaling"
    with new_figure(path, 2.05 * count + 3.6, 4.3, title) as figure:
        left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(2.05 * count, 3.6))[0]
        for number, (axes, values_U) in enumerate(zip(left.subplots(1, count), [*training, inference], strict=True), 1):
            _layer(axes, values_U, SERIES_COLORS[1 if number == count else 0])
            axes.set_title(f"training, pass {number}" if number < count else "inference", fontsize=9)
        axes = right.subplots()
        width = 0.8 / len(chances)
        for number, (keep, shares) in enumerate(chances.items()):
            places = [alive + (number - (len(chances) - 1) / 2) * width for alive in range(len(shares))]
            bars = axes.bar(places, shares, width, color=SERIES_COLORS[number], label=f"each kept with {keep:g}")
            axes.bar_label(bars, [f"{share:.0%}" for share in shares], fontsize=7)
        label(axes, "how many are kept varies", "neurons kept, of four", "probability", ticks=8)
        axes.set_ylim(0, 0.52)
        axes.legend(fontsize=8, frameon=False, loc="upper left")
        axes.spines[["top", "right"]].set_visible(False)


def _layer(axes: "Axes", values_U: Sequence[float], color: str) -> None:
    """Three inputs, the neurons with their outputs, crossed out where dropped, and the two units above them."""
    from matplotlib.patches import Circle

    below = [(x, 0.0) for x in (0.6, 1.5, 2.4)]
    above = [(x, 3.8) for x in (0.9, 2.1)]
    y = 1.9
    for x, value in enumerate(values_U):
        style: dict[str, Any] = {"color": INK, "linewidth": 1.0}
        if not value:
            style = {"color": "#c4c4c4", "linewidth": 0.7, "linestyle": ":"}
        for end_x, end_y in (*below, *above):
            axes.plot([end_x, x], [end_y, y], zorder=1, **style)
    for place in (*below, *above):
        axes.add_patch(Circle(place, 0.16, facecolor="#d9d9d9", edgecolor=INK, linewidth=0.8, zorder=2))
    for x, value in enumerate(values_U):
        edge, width = (color, 1.8) if value else (GRAY, 0.9)
        axes.add_patch(Circle((x, y), _RADIUS, facecolor="white", edgecolor=edge, linewidth=width, zorder=3))
        if value:
            axes.text(x, y, f"{value:.1f}", ha="center", va="center", fontsize=8, color=INK, zorder=4)
        else:
            for sign in (-1, 1):
                axes.plot([x - 0.21, x + 0.21], [y - 0.21 * sign, y + 0.21 * sign], color=GRAY, linewidth=1.5, zorder=4)
    axes.set_xlim(-0.45, len(values_U) - 0.55)
    axes.set_ylim(-0.4, 4.2)
    axes.set_aspect("equal")
    axes.axis("off")
