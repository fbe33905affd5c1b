"""Dropout on four neurons: which are kept in training and how they are scaled, and what use makes of them.

Legend: P passes, U neurons.
"""

from collections.abc import Mapping, Sequence
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.figures.catalogue import Drawn
from striate.plots.canvas import GRAY, INK, SERIES_COLORS
from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
_RADIUS = 0.3
BLUE, ORANGE = "#0072b2", "#d55e00"
OUTPUTS = (0.2, 0.9, 0.5, 0.6)  # of the four neurons
RATE = 0.5  # the probability that a neuron is dropped, as torch has it; the textbooks' p is 1 - rate, to be kept
SHOWN, MANY = 4, 10_000
KEEPS = (0.5, 0.8)


def draw(path: Path) -> Drawn:
    """Four passes in training and one at inference; how many neurons are kept; the mean of 10,000 passes."""
    outputs_U = torch.tensor(OUTPUTS, dtype=torch.float64)
    passes_PU = passes(outputs_U, MANY)
    shown_PU = passes_PU[:SHOWN]
    used_U = nn.Dropout(RATE).eval()(outputs_U)
    kept_P = (passes_PU > 0).sum(1)
    counted = [float((kept_P == count).double().mean()) for count in range(len(OUTPUTS) + 1)]
    chances = {keep: binomial(len(OUTPUTS), keep) for keep in KEEPS}
    plot(OUTPUTS, shown_PU.numpy(), used_U.numpy(), chances, path)
    mean_U, variance_U = passes_PU.mean(0), passes_PU.var(0)
    lines = [
        f"training, pass {number}: {', '.join(f'{value:g}' for value in row)}"
        for number, row in enumerate(shown_PU.tolist(), 1)
    ]
    return Drawn(
        (
            *lines,
            f"at inference: {', '.join(f'{value:g}' for value in used_U.tolist())}",
            f"mean of {MANY:,} passes: {', '.join(f'{value:.3f}' for value in mean_U.tolist())}",
            f"how many of four are kept at a rate of {RATE:g}: two in {counted[2]:.1%} of the passes, "
            f"{chances[0.5][2]:.1%} by the binomial law; none in {counted[0]:.1%}",
        ),
        {
            "rate": RATE, "outputs": list(OUTPUTS), "training": shown_PU.tolist(), "inference": used_U.tolist(),
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
    return [comb(count, alive) * keep**alive * (1 - keep) ** (count - alive) for alive in range(count + 1)]


def plot(
    outputs_U: Sequence[float],
    passes_PU: NDArray[Any],
    used_U: NDArray[Any],
    chances: Mapping[float, Sequence[float]],
    path: Path,
) -> None:
    """Draw the layer in each pass and at inference, and how likely it is that so many are kept.

    Args:
        outputs_U: of the neurons, without dropout.
        passes_PU: in training; 0 where a neuron was dropped.
        used_U: at inference.
        chances: for each probability to be kept, how likely 0, 1, ... kept neurons are.
        path: .svg, .png or .pdf.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    count = len(passes_PU) + 1
    figure = Figure(figsize=(2.05 * count + 3.6, 4.3), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(2.05 * count, 3.6))[0]
    panels = left.subplots(1, count)
    for number, (axes, row_U) in enumerate(zip(panels, [*passes_PU, used_U], strict=True), 1):
        title = f"training, pass {number}" if number < count else "inference"
        _layer(axes, title, outputs_U, row_U, ORANGE if number == count else BLUE)
    axes = right.subplots()
    width = 0.8 / len(chances)
    for number, (keep, shares) in enumerate(chances.items()):
        places = [alive + (number - (len(chances) - 1) / 2) * width for alive in range(len(shares))]
        bars = axes.bar(places, shares, width, color=SERIES_COLORS[number], label=f"each kept with {keep:g}")
        axes.bar_label(bars, [f"{share:.0%}" for share in shares], fontsize=7)
    axes.set_xlabel("neurons kept, of four", fontsize=8)
    axes.set_ylabel("probability", fontsize=8)
    axes.set_title("how many are kept is not fixed", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.set_ylim(0, 0.52)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle("Dropout at a rate of 0.5: what is kept is scaled by 1 / 0.5, so inference needs no scaling", fontsize=11)
    save(figure, path)


def _layer(axes: "Axes", title: str, outputs_U: Sequence[float], values_U: NDArray[Any], color: str) -> None:
    """Three inputs, the neurons with what they put out, and the two units that read them."""
    from matplotlib.patches import Circle

    count = len(outputs_U)
    below = [(x, 0.0) for x in (0.6, 1.5, 2.4)]
    neurons = [(float(number), 1.9) for number in range(count)]
    above = [(x, 3.8) for x in (0.9, 2.1)]
    for (x, y), value in zip(neurons, values_U, strict=True):
        input_spec: dict[str, Any] = (
            {"color": INK, "linewidth": 1.0} if value else {"color": "#c4c4c4", "linewidth": 0.7, "linestyle": ":"}
        )
        for a, b in (*below, *above):
            axes.plot([a, x], [b, y], zorder=1, **input_spec)
    for x, y in (*below, *above):
        axes.add_patch(Circle((x, y), 0.16, facecolor="#d9d9d9", edgecolor=INK, linewidth=0.8, zorder=2))
    for (x, y), value in zip(neurons, values_U, strict=True):
        edge = color if value else GRAY
        axes.add_patch(Circle((x, y), _RADIUS, facecolor="white", edgecolor=edge, linewidth=1.8 if value else 0.9, zorder=3))
        if value:
            axes.text(x, y, f"{value:.1f}", ha="center", va="center", fontsize=8, color=INK, zorder=4)
        else:
            for sign in (-1, 1):
                axes.plot([x - 0.21, x + 0.21], [y - 0.21 * sign, y + 0.21 * sign], color=GRAY, linewidth=1.5, zorder=4)
    axes.set_xlim(-0.45, count - 0.55)
    axes.set_ylim(-0.4, 4.2)
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_title(title, fontsize=9)
