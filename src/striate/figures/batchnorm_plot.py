"""A drawing of batch norm: histograms of three channels stage by stage, and the running statistics batch by batch.

Legend: C channels, T batches.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.plots.interpret.unit_curves import COLORS
from striate.plots.save_figure import check_ending, save


def draw(
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
            axes.stairs(counts, edges, fill=True, alpha=0.35, color=COLORS[channel])
            axes.stairs(counts, edges, color=COLORS[channel], linewidth=1.2, label=f"channel {channel}")
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("value", fontsize=8)
        axes.tick_params(labelsize=7)
    panels[0].set_ylabel("share of a channel's values", fontsize=8)
    panels[0].legend(fontsize=8, frameon=False)
    for axes, found_TC, true, name in zip(
        lower.subplots(1, 2), (means_TC, deviations_TC), (true_means, true_deviations), ("mean", "deviation"), strict=True
    ):
        for channel in range(channels):
            axes.plot(found_TC[:, channel], color=COLORS[channel], linewidth=1.6)
            axes.axhline(true[channel], color=COLORS[channel], linewidth=0.9, linestyle="--")
        axes.set_title(f"running {name}, which use takes in place of the batch's; dashed: the true one", fontsize=9)
        axes.set_xlabel("batches seen in training", fontsize=8)
        axes.set_ylabel(f"running {name}", fontsize=8)
        axes.set_xlim(0, len(found_TC) - 1)
        axes.tick_params(labelsize=7)
    figure.suptitle("Batch norm: every batch of training is normalized, each channel by itself", fontsize=11)
    save(figure, path)
