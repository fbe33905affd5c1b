"""A figure of how signals travel through a network at the start."""

from collections.abc import Sequence
from math import ceil, floor, inf, isfinite, log10, nan, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from striate.plots.axes import short_title
from striate.plots.canvas import SERIES_COLORS
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OUTPUT, GRADIENT = SERIES_COLORS[:2]
LETTER = 0.062  # inches, of a layer's name


class Row(Protocol):
    """What is drawn of a layer: `striate.nets.signal_propagation.Signal` has it."""

    @property
    def name(self) -> str:
        """The layer."""

    @property
    def mean(self) -> float:
        """Of what it puts out."""

    @property
    def variance(self) -> float:
        """Of what it puts out."""

    @property
    def gradient_mean(self) -> float:
        """Of the gradient with respect to that."""

    @property
    def gradient_variance(self) -> float:
        """Of the gradient with respect to that."""


def draw(title: str, rows: Sequence[Row], path: Path) -> None:
    """Draw mean and variance of activations and of gradients over the layers, in forward order.

    The variances are on logarithmic scales of whole decades, where zero and what is not finite lie on the lower and upper edge.
    The means are in standard deviations. Of a title that takes more than two lines the middle is left out.
    """
    width, names = max(6.5, 1.6 + 0.17 * len(rows)), LETTER * max(len(row.name) for row in rows)
    with new_figure(path, width, 6.4 + names) as figure:
        outputs, gradients, means = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
        _decades(outputs, [row.variance for row in rows], OUTPUT)
        outputs.set_ylabel("variance of the output")
        _decades(gradients, [row.gradient_variance for row in rows], GRADIENT)
        gradients.set_ylabel("variance of the gradient")
        for label, color, moments in (
            ("output", OUTPUT, [(row.mean, row.variance) for row in rows]),
            ("gradient", GRADIENT, [(row.gradient_mean, row.gradient_variance) for row in rows]),
        ):
            ratios = [mean / sqrt(variance) if 0 < variance < inf else nan for mean, variance in moments]
            means.plot(range(len(rows)), ratios, marker="o", markersize=3, linewidth=1, color=color, label=label)
        means.set_ylabel("mean, in standard\ndeviations")
        means.margins(y=0.15)
        means.set_xticks(range(len(rows)), [row.name for row in rows], rotation=90, fontsize=7)
        means.set_xlim(-0.6, len(rows) - 0.4)
        means.set_xlabel("layers with weights, from the image on")
        for axes in (outputs, gradients, means):
            axes.grid(True, which="major", linewidth=0.4, alpha=0.6)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize=7, ncols=2, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
        figure.align_ylabels()
        figure.suptitle(short_title(title, int(16 * width), int(9 * width)))


def _decades(axes: "Axes", values: Sequence[float], color: str) -> None:
    from matplotlib.ticker import NullFormatter

    logs = [log10(value) for value in values if 0 < value < inf]
    low, high = (floor(min(logs)), ceil(max(logs))) if logs else (-1, 0)
    high = max(high, low + 1)
    margin = 0.05 * (high - low)
    bottom, top = 10.0 ** (low - margin), 10.0 ** (high + margin)
    axes.plot([value if 0 < value < inf else nan for value in values], marker="o", markersize=4, color=color)
    zero = [layer for layer, value in enumerate(values) if value == 0]
    infinite = [layer for layer, value in enumerate(values) if not isfinite(value)]
    for label, edge, marker, layers in (("zero", bottom, "v", zero), ("not finite", top, "^", infinite)):
        if layers:
            edges = [edge] * len(layers)
            axes.plot(layers, edges, marker, markersize=5, fillstyle="none", color=color, clip_on=False, label=label)
    axes.set_yscale("log")
    axes.set_ylim(bottom, top)
    axes.yaxis.set_minor_formatter(NullFormatter())
