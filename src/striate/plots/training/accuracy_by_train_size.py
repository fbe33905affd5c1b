"""A figure of learning curves: test accuracy over the number of training images, one line for each strategy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from striate.plots.axes import short_title
from striate.plots.save_figure import new_figure

# Okabe & Ito 2008: told apart also by people who see fewer colors; and by their markers in print
STYLES: Mapping[str, tuple[str, str]] = {
    "extract": ("#0072b2", "o"), "adapt": ("#009e73", "s"), "retrain": ("#d55e00", "^"), "scratch": ("#7f7f7f", "x"),
}  # fmt: skip


def draw(title: str, points: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw accuracy with its 95 % interval over the number of training images, on a logarithmic scale.

    Each point has `images` and `strategies`, of which each has `name`, `val` and `test` as {accuracy, low, high, n}; where
    there are no test images the validation images are shown.
    """
    with new_figure(path, 6.5, 4.2) as figure:
        from matplotlib.ticker import NullLocator, PercentFormatter

        axes = figure.subplots()
        names = [strategy["name"] for strategy in points[0]["strategies"]]
        part = "test" if all(strategy["test"] for point in points for strategy in point["strategies"]) else "val"
        for number, name in enumerate(names):
            rows = [(point["images"], row[part]) for point in points for row in point["strategies"] if row["name"] == name]
            shifted = [images * 1.025 ** (number - (len(names) - 1) / 2) for images, _ in rows]  # so that bars lie side by side
            accuracies = [score["accuracy"] for _, score in rows]
            below = [score["accuracy"] - score["low"] for _, score in rows]
            above = [score["high"] - score["accuracy"] for _, score in rows]
            color, marker = STYLES[name]
            axes.errorbar(
                shifted, accuracies, [below, above], color=color, marker=marker, markersize=5, linewidth=1.2, elinewidth=0.8,
                capsize=2, label=name,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xticks([point["images"] for point in points], [f"{point['images']:,}" for point in points])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel("training images")
        axes.set_ylabel(f"{'test' if part == 'test' else 'validation'} accuracy, with 95 % interval")
        axes.grid(True, which="major", linewidth=0.4, alpha=0.6)
        axes.legend(fontsize=8, frameon=False, loc="lower right")
        axes.set_title(short_title(title), fontsize=10)
