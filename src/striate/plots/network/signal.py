"""A figure of how signals travel through a network at the start.

Legend: L layers.
"""

from collections.abc import Sequence
from math import ceil, floor, inf, isfinite, log10, nan, sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from striate.plots.axes import short_title
from striate.plots.canvas import SERIES_COLORS
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OUTPUT, GRADIENT = SERIES_COLORS[:2]
LETTER = 0.062  # inches, of a layer's name


# A layer's name, mean and variance of its output, and mean and variance of the gradient with respect to that, as
# `striate.nets.signal_propagation.Signal` has them
Row = tuple[str, float, float, float, float]


def draw(title: str, rows: Sequence[Row], path: Path) -> None:
    """Draw mean and variance of activations and of gradients over the layers, in forward order.

    The variances are on logarithmic scales of whole decades, where zero and what is not finite lie on the lower and upper edge.
    The means are in standard deviations. Of a title that takes more than two lines the middle is left out.
    """
    names, mean_L, variance_L, gradient_mean_L, gradient_variance_L = zip(*rows, strict=True)
    width = max(6.5, 1.6 + 0.17 * len(rows))
    with new_figure(path, width, 6.4 + LETTER * max(map(len, names))) as figure:
        outputs, gradients, means = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 2))
        _decades(outputs, variance_L, OUTPUT)
        outputs.set_ylabel("variance of the output")
        _decades(gradients, gradient_variance_L, GRADIENT)
        gradients.set_ylabel("variance of the gradient")
        for label, color, moments in (
            ("output", OUTPUT, zip(mean_L, variance_L, strict=True)),
            ("gradient", GRADIENT, zip(gradient_mean_L, gradient_variance_L, strict=True)),
        ):
            ratios = [mean / sqrt(variance) if 0 < variance < inf else nan for mean, variance in moments]
            means.plot(ratios, marker="o", markersize=3, linewidth=1, color=color, label=label)
        means.set_ylabel("mean, in standard\ndeviations")
        means.margins(y=0.15)
        means.set_xticks(range(len(rows)), names, rotation=90, fontsize=7)
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
