"""A figure of a range test: the loss over the learning rate."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from striate.plots.save_figure import check_ending, save

RAW, SMOOTH, PROPOSED = "#b3b3b3", "#0072b2", "#d55e00"


def draw(
    title: str, rates: Sequence[float], losses: Sequence[float], smooth: Sequence[float], proposal: float | None, path: Path
) -> None:
    """Draw the loss of each step and its running mean over the rate, on a logarithmic scale, with the proposal marked.

    The losses reach up to a little more than twice the first; what breaks beyond that leaves the image.

    Args:
        title: what was tested.
        rates: of the steps.
        losses: of the steps.
        smooth: their running mean.
        proposal: the rate to mark; None where there is none.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 4.0), layout="constrained")
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
    shown = title if len(title) <= 120 else f"{title[:58]} ... {title[-58:]}"
    axes.set_title("\n".join(wrap(shown, 66)), fontsize=10)
    save(figure, path)
