"""Batch norm on three channels: before, normalized, scaled and moved; the running statistics; and the textbook's four numbers.

Legend: N images, C channels, H x W places, T batches.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.figures.catalogue import Drawn
from striate.plots.canvas import SERIES_COLORS
from striate.plots.save_figure import check_ending, save

MEANS, DEVIATIONS = (4.0, -2.0, 0.5), (2.0, 0.5, 1.0)  # of what comes in
GAMMA, BETA = (0.5, 1.5, 1.0), (2.0, 0.0, -2.0)
IMAGES, SIDE, BATCHES = 32, 8, 60


def draw(path: Path) -> Drawn:
    """Train-mode norms of batches with known means and deviations, until the running statistics know them; then use."""
    generator = torch.Generator().manual_seed(0)
    norm = nn.BatchNorm2d(len(MEANS))
    running_TC, variance_TC = [_kept(norm.running_mean)], [_kept(norm.running_var)]
    maps_NCHW = batch(generator, IMAGES)
    normalized_NCHW = maps_NCHW
    for _ in range(BATCHES):
        maps_NCHW = batch(generator, IMAGES)
        normalized_NCHW = norm(maps_NCHW).detach()
        running_TC.append(_kept(norm.running_mean))
        variance_TC.append(_kept(norm.running_var))
    with torch.no_grad():
        norm.weight.copy_(torch.tensor(GAMMA))
        norm.bias.copy_(torch.tensor(BETA))
        moved_NCHW = norm(maps_NCHW)
        one_NCHW = batch(generator, 1)
        used_NCHW = norm.eval()(one_NCHW)
        alone_NCHW = norm.train()(one_NCHW)
    stages = {
        "what comes in": maps_NCHW,
        "normalized over N, H and W": normalized_NCHW,
        "times gamma (0.5, 1.5, 1), plus beta (2, 0, -2)": moved_NCHW,
    }
    values = {name: [channel.flatten().numpy() for channel in maps.unbind(1)] for name, maps in stages.items()}
    plot(values, torch.stack(running_TC).numpy(), torch.stack(variance_TC).sqrt().numpy(), MEANS, DEVIATIONS, path)
    four = four_numbers()
    rows = {name: _moments(maps) for name, maps in stages.items()}
    lines = [
        f"{name}: " + "; ".join(f"mean {mean:.3f}, standard deviation {std:.3f}" for mean, std in levels)
        for name, levels in rows.items()
    ]
    used, alone = _moments(used_NCHW), _moments(alone_NCHW)
    return Drawn(
        (
            *lines,
            "running mean after 60 batches: " + ", ".join(f"{value:.3f}" for value in running_TC[-1].tolist())
            + "; running standard deviation: " + ", ".join(f"{value:.3f}" for value in variance_TC[-1].sqrt().tolist()),
            "one image at inference, by the running statistics: " + ", ".join(f"mean {mean:.2f}" for mean, _ in used)
            + "; by its own, as if training: " + ", ".join(f"mean {mean:.2f}" for mean, _ in alone),
            "1, 2, 3, 4 become " + ", ".join(f"{value:.6f}" for value in four),
        ),
        {
            "stages": {name: [list(pair) for pair in levels] for name, levels in rows.items()},
            "gamma": list(GAMMA), "beta": list(BETA),
            "running_mean": running_TC[-1].tolist(), "running_std": variance_TC[-1].sqrt().tolist(),
            "inference": [list(pair) for pair in used], "four_numbers": four,
        },
    )  # fmt: skip


def batch(generator: torch.Generator, images: int) -> Tensor:
    """Maps whose channels have the means and deviations of this file."""
    noise_NCHW = torch.randn(images, len(MEANS), SIDE, SIDE, generator=generator)
    return noise_NCHW * torch.tensor(DEVIATIONS)[:, None, None] + torch.tensor(MEANS)[:, None, None]


def four_numbers() -> list[float]:
    """What batch norm makes of 1, 2, 3, 4 in one channel."""
    normalized: list[float] = nn.BatchNorm1d(1)(torch.tensor([[1.0], [2.0], [3.0], [4.0]])).flatten().tolist()
    return normalized


def _kept(statistic: Tensor | None) -> Tensor:
    assert statistic is not None
    return statistic.clone()


def _moments(maps_NCHW: Tensor) -> list[tuple[float, float]]:
    return [(float(channel.mean()), float(channel.std(correction=0))) for channel in maps_NCHW.unbind(1)]


def plot(
    stages: Mapping[str, Sequence[NDArray[Any]]], means_TC: NDArray[Any], deviations_TC: NDArray[Any],
    true_means: Sequence[float], true_deviations: Sequence[float], path: Path,
) -> None:  # fmt: skip
    """Draw each stage's channels, then running means and deviations with what they should come to.

    Args:
        stages: for each stage, the values of each channel.
        means_TC: running means, from before the first batch on.
        deviations_TC: running deviations, likewise.
        true_means: of what comes in, C.
        true_deviations: likewise.
        path: .svg, .png or .pdf.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.4, 6.0), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False)[:, 0]
    channels = len(true_means)
    panels = upper.subplots(1, len(stages), sharex=True, sharey=True)
    edges = np.linspace(-8, 12, 101)
    for axes, (name, values) in zip(panels, stages.items(), strict=True):
        for channel, values_P in enumerate(values):
            counts = np.histogram(values_P, edges)[0] / len(values_P)
            axes.stairs(counts, edges, fill=True, alpha=0.35, color=SERIES_COLORS[channel])
            axes.stairs(counts, edges, color=SERIES_COLORS[channel], linewidth=1.2, label=f"channel {channel}")
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("value", fontsize=8)
        axes.tick_params(labelsize=7)
    panels[0].set_ylabel("share of a channel's values", fontsize=8)
    panels[0].legend(fontsize=8, frameon=False)
    for axes, running_TC, true, name in zip(
        lower.subplots(1, 2),
        (means_TC, deviations_TC),
        (true_means, true_deviations),
        ("mean", "standard deviation"),
        strict=True,
    ):
        for channel in range(channels):
            axes.plot(running_TC[:, channel], color=SERIES_COLORS[channel], linewidth=1.6)
            axes.axhline(true[channel], color=SERIES_COLORS[channel], linewidth=0.9, linestyle="--")
        axes.set_title(f"running {name}, used at inference; dashed: true", fontsize=9)
        axes.set_xlabel("batches seen in training", fontsize=8)
        axes.set_ylabel(f"running {name}", fontsize=8)
        axes.set_xlim(0, len(running_TC) - 1)
        axes.tick_params(labelsize=7)
    figure.suptitle("Batch norm: every batch of training is normalized, each channel by itself", fontsize=11)
    save(figure, path)
