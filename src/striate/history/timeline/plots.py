"""The line from 1943 to 2015 as a figure: the test accuracy of each network on the same digits, in the order of the years."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from striate.plots.canvas import GRAY, SERIES_COLORS
from striate.plots.save_figure import new_figure


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw accuracy with its interval for each network; what has none stands at the bottom.

    Each row has `year`, `name`, `large`, and `test` {accuracy, low, high, n} or None.
    """
    scores = [row["test"] for row in rows if row["test"]]
    bottom = max(0.0, min((score["low"] for score in scores), default=0.0) - 0.08)
    with new_figure(path, 10.0, 4.8) as figure:
        axes = figure.subplots()
        for x, row in enumerate(rows):
            score = row["test"]
            if score is None:
                reason = "not trained here" if row["large"] else "no image classifier"
                axes.plot([x], [bottom], color=GRAY, marker="o", markersize=5, clip_on=False, zorder=3)
                axes.annotate(
                    reason, (x, bottom), xytext=(0, 9), textcoords="offset points", rotation=90, ha="center", va="bottom",
                    fontsize=8, color=GRAY,
                )  # fmt: skip
                continue
            accuracy = score["accuracy"]
            ends = [[max(0.0, accuracy - score["low"])], [max(0.0, score["high"] - accuracy)]]
            axes.errorbar([x], [accuracy], ends, color=SERIES_COLORS[0], marker="o", markersize=6, elinewidth=1.2, capsize=3)
            text = f"{100 * accuracy:.1f} %"
            axes.annotate(text, (x, accuracy), xytext=(7, 0), textcoords="offset points", va="center", fontsize=9)
        axes.set_xticks(range(len(rows)), [f"{row['year']}\n{row['name'].replace('_', chr(10))}" for row in rows], fontsize=8)
        axes.set_xlim(-0.5, len(rows) - 0.3)
        axes.set_ylim(bottom, 1.0)
        axes.yaxis.set_major_formatter(lambda share, _tick: f"{100 * share:g} %")
        axes.set_ylabel("test accuracy, with 95 % interval")
        axes.grid(True, axis="y", linewidth=0.4, alpha=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        images = scores[0]["n"] if scores else 0
        axes.set_title(f"From 1943 to 2015: accuracy on the same {images} scanned digits, after a short training", fontsize=11)
