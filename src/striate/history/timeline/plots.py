"""The line from 1943 to 2015 as a figure: the test accuracy of each network on the same digits, in the order of the years."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from striate.base.phrases import percent
from striate.plots.canvas import GRAY, SERIES_COLORS
from striate.plots.save_figure import new_figure


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw accuracy from 0 to 100 % with its interval, and the input below the name; what has no score stands at the bottom.

    Each row has `year`, `name`, `large`, `input` (of what was trained), and `test` {accuracy, low, high, n} or None.
    """
    with new_figure(path, 12.0, 4.8) as figure:
        axes = figure.subplots()
        for x, row in enumerate(rows):
            score = row["test"]
            if score is None:
                reason = "not trained here" if row["large"] else "no image classifier"
                axes.text(x, 0.02, reason, rotation=90, ha="center", va="bottom", fontsize=8, color=GRAY)
                continue
            accuracy = score["accuracy"]
            ends = [[max(0.0, accuracy - score["low"])], [max(0.0, score["high"] - accuracy)]]
            axes.errorbar([x], [accuracy], ends, color=SERIES_COLORS[0], marker="o", markersize=5, elinewidth=1.2, capsize=3)
            axes.text(x, score["low"] - 0.02, percent(accuracy), ha="center", va="top", fontsize=9)
        names = [f"{row['year']}\n{row['name'].replace('_', chr(10))}\n{fill(row['input'] or '', 14)}" for row in rows]
        axes.set_xticks(range(len(rows)), names, fontsize=8)
        axes.set_xlim(-0.6, len(rows) - 0.4)
        axes.set_ylim(0.0, 1.0)
        axes.yaxis.set_major_formatter(lambda share, _tick: f"{100 * share:g} %")
        axes.set_ylabel("test accuracy, with 95 % interval")
        axes.grid(True, axis="y", linewidth=0.4, alpha=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        images = next((row["test"]["n"] for row in rows if row["test"]), 0)
        title = f"From 1943 to 2015: accuracy on the same {images} scanned digits, after a short training; below, the input"
        axes.set_title(title, fontsize=11)
