"""Batch norm on three channels: before, normalized, scaled and moved; the running statistics; and the textbook's four numbers.

Legend: N images, C channels, H x W places, T batches.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.figures.catalogue import FigureResult
from striate.plots.axes import label
from striate.plots.canvas import SERIES_COLORS
from striate.plots.save_figure import new_figure

MEANS, STDS = (4.0, -2.0, 0.5), (2.0, 0.5, 1.0)  # of the input's channels
GAMMA, BETA = (0.5, 1.5, 1.0), (2.0, 0.0, -2.0)
IMAGES, SIDE, BATCHES = 32, 8, 60


def draw(path: Path) -> FigureResult:
    """Normalize batches with known means and standard deviations until the running statistics know them; then infer."""
    generator = torch.Generator().manual_seed(0)
    course = normalize_batches(generator, BATCHES)
    with torch.no_grad():
        scaled_NCHW = rescale(course.norm, GAMMA, BETA)(course.maps_NCHW)
        image_NCHW = batch(generator, 1)
        at_inference = moments_of(course.norm.eval()(image_NCHW))
        as_if_training = moments_of(course.norm.train()(image_NCHW))
    stages = {
        "input": course.maps_NCHW,
        "normalized over N, H and W": course.normalized_NCHW,
        "times gamma (0.5, 1.5, 1), plus beta (2, 0, -2)": scaled_NCHW,
    }
    values = {name: [channel.flatten().numpy() for channel in maps.unbind(1)] for name, maps in stages.items()}
    _plot(values, course.means_TC.numpy(), course.stds_TC.numpy(), path)
    moments = {name: moments_of(maps) for name, maps in stages.items()}
    means, stds, four = course.means_TC[-1].tolist(), course.stds_TC[-1].tolist(), four_numbers()
    lines = (
        *(f"{name}: " + "; ".join(f"mean {mean:.3f}, standard deviation {std:.3f}" for mean, std in channels)
          for name, channels in moments.items()),
        f"running mean after 60 batches: {_join(means, '.3f')}; running standard deviation: {_join(stds, '.3f')}",
        "one image at inference, by the running statistics: " + ", ".join(f"mean {mean:.2f}" for mean, _ in at_inference)
        + "; by its own, as if training: " + ", ".join(f"mean {mean:.2f}" for mean, _ in as_if_training),
        f"1, 2, 3, 4 become {_join(four, '.6f')}",
    )  # fmt: skip
    numbers: dict[str, object] = {
        "stages": moments, "gamma": list(GAMMA), "beta": list(BETA), "running_mean": means, "running_std": stds,
        "inference": at_inference, "four_numbers": four,
    }  # fmt: skip
    return FigureResult(lines, numbers)


class Course(NamedTuple):
    """Batch norm after some batches of training.

    Attributes:
        norm: the layer.
        maps_NCHW: the last batch.
        normalized_NCHW: the same as the layer put it out, with gamma 1 and beta 0.
        means_TC: the running means before the first batch and after each.
        stds_TC: the running standard deviations.

    """

    norm: nn.BatchNorm2d
    maps_NCHW: Tensor
    normalized_NCHW: Tensor
    means_TC: Tensor
    stds_TC: Tensor


def normalize_batches(generator: torch.Generator, batches: int, images: int = IMAGES, side: int = SIDE) -> Course:
    """Send batches of so many images through batch norm in training."""
    norm = nn.BatchNorm2d(len(MEANS))
    means_TC, variances_TC = [_copy(norm.running_mean)], [_copy(norm.running_var)]
    maps_NCHW = batch(generator, images, side)
    normalized_NCHW = maps_NCHW
    for _ in range(batches):
        maps_NCHW = batch(generator, images, side)
        normalized_NCHW = norm(maps_NCHW).detach()
        means_TC.append(_copy(norm.running_mean))
        variances_TC.append(_copy(norm.running_var))
    return Course(norm, maps_NCHW, normalized_NCHW, torch.stack(means_TC), torch.stack(variances_TC).sqrt())


@torch.no_grad()
def rescale(norm: nn.BatchNorm2d, gamma: Sequence[float], beta: Sequence[float]) -> nn.BatchNorm2d:
    """Give a layer this scale and this shift of each channel."""
    norm.weight.copy_(torch.tensor(gamma))
    norm.bias.copy_(torch.tensor(beta))
    return norm


def batch(generator: torch.Generator, images: int, side: int = SIDE) -> Tensor:
    """Maps whose channels have the means and standard deviations of this file."""
    noise_NCHW = torch.randn(images, len(MEANS), side, side, generator=generator)
    return noise_NCHW * torch.tensor(STDS)[:, None, None] + torch.tensor(MEANS)[:, None, None]


def four_numbers() -> list[float]:
    """What batch norm makes of 1, 2, 3, 4 in one channel."""
    normalized: list[float] = nn.BatchNorm1d(1)(torch.tensor([[1.0], [2.0], [3.0], [4.0]])).flatten().tolist()
    return normalized


def _copy(statistic: Tensor | None) -> Tensor:
    assert statistic is not None
    return statistic.clone()


def moments_of(maps_NCHW: Tensor) -> list[list[float]]:
    """Mean and standard deviation of each channel over images and places."""
    return [[float(channel.mean()), float(channel.std(correction=0))] for channel in maps_NCHW.unbind(1)]


def _join(values: Iterable[float], form: str) -> str:
    return ", ".join(f"{value:{form}}" for value in values)


def _plot(
    stages: Mapping[str, Sequence[NDArray[Any]]], means_TC: NDArray[Any], stds_TC: NDArray[Any], path: Path
) -> None:  # fmt: skip
    """The values of each channel at each stage; below, the running statistics from before the first batch on."""
    title = "Batch norm: every batch of training is normalized, each channel by itself"
    with new_figure(path, 11.4, 6.0, title) as figure:
        upper, lower = figure.subfigures(2, 1, squeeze=False)[:, 0]
        panels = upper.subplots(1, len(stages), sharex=True, sharey=True)
        edges = np.linspace(-8, 12, 101)
        for axes, (name, values) in zip(panels, stages.items(), strict=True):
            for channel, values_P in enumerate(values):
                shares = np.histogram(values_P, edges)[0] / len(values_P)
                axes.stairs(shares, edges, fill=True, alpha=0.35, color=SERIES_COLORS[channel])
                axes.stairs(shares, edges, color=SERIES_COLORS[channel], linewidth=1.2, label=f"channel {channel}")
            label(axes, name, "value", "share of a channel's values" if axes is panels[0] else "")
        panels[0].legend(fontsize=8, frameon=False)
        running = (("mean", means_TC, MEANS), ("standard deviation", stds_TC, STDS))
        for axes, (name, running_TC, true_C) in zip(lower.subplots(1, 2), running, strict=True):
            for channel, true in enumerate(true_C):
                axes.plot(running_TC[:, channel], color=SERIES_COLORS[channel], linewidth=1.6)
                axes.axhline(true, color=SERIES_COLORS[channel], linewidth=0.9, linestyle="--")
            label(axes, f"running {name}, used at inference; dashed: true", "training batches", f"running {name}")
            axes.set_xlim(0, len(running_TC) - 1)
