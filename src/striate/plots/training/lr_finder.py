"""A figure of a range test: the loss over the learning rate."""

from collections.abc import Sequence
from pathlib import Path

from striate.plots.axes import short_title
from striate.plots.canvas import SERIES_COLORS
from striate.plots.save_figure import new_figure

RAW, (SMOOTH, PROPOSED) = "#b3b3b3", SERIES_COLORS[:2]


def draw(
    title: str, rates: Sequence[float], losses: Sequence[float], smooth: Sequence[float], proposal: float | None, path: Path
) -> None:
    """Draw the loss of each step and its running mean over the rate, on a logarithmic scale, with the proposal marked.

    The losses reach up to a little more than twice the first; what diverges beyond that is cut off.
    """
    with new_figure(path, 6.5, 4.0) as figure:
        axes = figure.subplots()
        axes.plot(rates, losses, ".", markersize=4, color=RAW, label="loss of a step")
        axes.plot(rates, smooth, color=SMOOTH, label="running mean")
        if proposal is not None:
            axes.axvline(proposal, color=PROPOSED, linestyle="--", label=f"proposal {proposal:g}")
        axes.set_xscale("log")
        low, high = min(losses, default=0.0), 2.2 * (losses[0] if losses else 1.0)
        axes.set_ylim(max(0.0, low - 0.1 * (high - low)), high)
        axes.set_xlabel("learning rate")
        axes.set_ylabel("training loss")
        axes.grid(True, which="major", linewidth=0.4, alpha=0.6)
        axes.legend(fontsize=8, frameon=False, loc="upper left")
        axes.set_title(short_title(title), fontsize=10)
