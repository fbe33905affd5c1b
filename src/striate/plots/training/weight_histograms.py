"""A figure of how the weights of each layer are spread, before and after a training."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.plots import save_figure
from striate.plots.canvas import SERIES_COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEFORE, AFTER = "#b3b3b3", SERIES_COLORS[0]
PANELS, COLUMNS, BARS = 24, 4, 41
_SHOWN = 0.998  # of the weights lie within a panel, at the least
_TOP = 1.1  # times the highest bar
_DOMINANT = 10  # times the others: from there on bars are on a logarithmic scale
_LOWEST = 1e-5  # share, at the foot of a logarithmic scale at the least


class Row(Protocol):
    """What is drawn of a layer: `striate.training.weight_histograms.Spread` has it."""

    @property
    def layer(self) -> str:
        """Its name."""

    @property
    def weights(self) -> int:
        """How many it has."""

    @property
    def zero(self) -> float:
        """Share of exact zeros."""

    @property
    def near(self) -> float:
        """Share of small ones."""

    @property
    def first(self) -> int:
        """Number of the first bin."""

    @property
    def counts(self) -> Sequence[int]:
        """Weights in the bins from there on."""


def draw(title: str, before: Sequence[Row], after: Sequence[Row], bin_width: float, near: float, path: Path) -> None:
    """Draw a panel for each layer, in which its histograms before and after lie over each other.

    Of more than 24 layers, 24 are drawn, evenly spaced from the first to the last, and the title says so. A panel reaches as
    far as 99.8 % of the weights do. Where the bar in the middle is much higher than all others it is cut; the share of zeros
    stands above. `after` is empty where there is no end yet; the middle of bin b lies at b times `bin_width`, and `near` is the
    bound of each row's share of small weights.
    """
    save_figure.check_file(path)
    save_figure.save(histograms(title, before, after, bin_width, near), path)


def histograms(title: str, before: Sequence[Row], after: Sequence[Row], bin_width: float, near: float) -> "Figure":
    """The figure that `draw` writes."""
    from matplotlib.figure import Figure

    count = min(len(before), PANELS)
    chosen = [before[round(i * (len(before) - 1) / max(1, count - 1))] for i in range(count)]
    ends = {row.layer: row for row in after}
    columns = min(COLUMNS, count)
    rows = ceil(count / columns)
    figure = Figure(figsize=(max(5.0, 2.9 * columns), 1.1 + 2.4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, row in zip(panels, chosen, strict=False):
        _panel(axes, row, ends.get(row.layer), bin_width, near)
    for axes in panels[count:]:
        axes.set_axis_off()
    layers = f"{len(before)} layers" if count == len(before) else f"{count} of {len(before)} layers"
    figure.suptitle(f"{title if len(title) <= 60 else title[:57] + '...'}: the weights of {layers}")
    figure.supxlabel("weight", fontsize=9)
    figure.supylabel("share of the layer's weights", fontsize=9)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower right", ncols=2, fontsize=8, frameon=False)
    return figure


def _panel(axes: "Axes", before: Row, after: Row | None, bin_width: float, near: float) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    rows = [before] if after is None else [before, after]
    reach = max(map(_reach, rows))
    step = ceil((2 * reach + 1) / BARS) | 1  # bins to a bar: odd, so that the middle bar is about zero
    side = ceil((reach - step // 2) / step) if reach > step // 2 else 0
    bars = [_bars(row, step, side) for row in rows]
    edges = (np.arange(-side, side + 2) - 0.5) * step * bin_width
    axes.stairs(bars[0], edges, fill=True, color=BEFORE, label="before the first step")
    if after is not None:
        axes.stairs(bars[1], edges, color=AFTER, linewidth=1.3, label="at the end")
    both = np.stack(bars)
    highest, beside = both.max(), np.delete(both, side, axis=1).max(initial=0.0)
    if 0 < _DOMINANT * beside < highest:
        axes.set_yscale("log")
        axes.set_ylim(max(_LOWEST, both[both > 0].min()) / 2, 2 * highest)
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel("logarithmic scale", fontsize=7)
    else:
        axes.set_ylim(0, _TOP * highest or 1)
        axes.locator_params(axis="y", nbins=4)
    axes.set_xlim(edges[0], edges[-1])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(labelsize=7)
    zero = " → ".join(f"{row.zero:.1%}" for row in rows)
    small = " → ".join(f"{row.near:.1%}" for row in rows)
    lines = (f"{before.layer}: {before.weights:,} weights", f"zero {zero}", f"within ±{near:g} {small}")
    axes.set_title("\n".join(lines), fontsize=7, parse_math=False)


def _reach(row: Row) -> int:
    """Bins to each side of the middle one within which enough of the weights lie."""
    numbers = np.abs(np.arange(row.first, row.first + len(row.counts)))
    within = np.cumsum(np.bincount(numbers, weights=row.counts))
    return int(np.searchsorted(within, _SHOWN * within[-1]))


def _bars(row: Row, step: int, side: int) -> NDArray[np.float64]:
    """Shares of the weights in 2 side + 1 bars of `step` bins each."""
    numbers = np.arange(row.first, row.first + len(row.counts))
    bars = (numbers + step // 2) // step + side
    inside = (bars >= 0) & (bars <= 2 * side)
    shares: NDArray[np.float64] = np.bincount(bars[inside], np.asarray(row.counts)[inside], 2 * side + 1) / row.weights
    return shares
