"""A picture of how signals travel through a network at the start."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from striate.report.figure import save


class Row(Protocol):
    """What is drawn of a layer: `striate.nets.signal.Signal` has it."""

    @property
    def name(self) -> str:
        """The layer."""

    @property
    def variance(self) -> float:
        """Of what it puts out."""

    @property
    def gradient_variance(self) -> float:
        """Of the gradient with respect to that."""


def draw(title: str, rows: Sequence[Row], path: Path) -> None:
    """Draw the variance of activations and of gradients over the layers, on logarithmic scales.

    Args:
        title: what is shown.
        rows: layers in forward order.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.

    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6.0, 1.5 + 0.28 * len(rows)), 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    at = range(len(rows))
    panels = (
        (above, [row.variance for row in rows], "variance of the output", "#0072b2"),
        (below, [row.gradient_variance for row in rows], "variance of the gradient", "#d55e00"),
    )
    for axes, values, label, colour in panels:
        shown = [value if value > 0 else float("nan") for value in values]
        axes.plot(at, shown, marker="o", markersize=4, color=colour)
        if any(value > 0 for value in values):
            axes.set_yscale("log")
        axes.set_ylabel(label)
        axes.grid(True, which="major", linewidth=0.4, alpha=0.6)
    below.set_xticks(list(at), [row.name for row in rows], rotation=90, fontsize=7)
    below.set_xlabel("layers with weights, from the image on")
    figure.suptitle(title)
    save(figure, path)
