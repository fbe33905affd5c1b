"""The line from 1943 to 2015 as a figure: what each network makes of the same digits, one after the other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from striate.plots.save_figure import check_ending, save

_BLUE, _GRAY = "#0072b2", "#6b6b6b"


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw accuracy with its interval for each network in the order of the years; what has none stands at the line alone.

    Args:
        rows: each with `year`, `name`, `test` {accuracy, low, high, n} or None, and `large`.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 4.8), layout="constrained")
    axes = figure.subplots()
    lows = [row["test"]["low"] for row in rows if row["test"]]
    bottom = max(0.0, min(lows, default=0.0) - 0.08)
    for place, row in enumerate(rows):
        score = row["test"]
        if score is None:
            why = "not trained here" if row["large"] else "reads no digits"
            axes.plot([place], [bottom], color=_GRAY, marker="o", markersize=5, clip_on=False, zorder=3)
            axes.annotate(
                why, (place, bottom), xytext=(0, 9), textcoords="offset points", rotation=90, ha="center", va="bottom",
                fontsize=8, color=_GRAY,
            )  # fmt: skip
            continue
        ends = [[max(0.0, score["accuracy"] - score["low"])], [max(0.0, score["high"] - score["accuracy"])]]
        axes.errorbar([place], [score["accuracy"]], ends, color=_BLUE, marker="o", markersize=6, elinewidth=1.2, capsize=3)
        axes.annotate(
            f"{score['accuracy']:.1%}", (place, score["accuracy"]), xytext=(7, 0), textcoords="offset points", va="center",
            fontsize=9,
        )  # fmt: skip
    axes.set_xticks(range(len(rows)), [f"{row['year']}\n{row['name'].replace('_', chr(10))}" for row in rows], fontsize=8)
    axes.set_xlim(-0.5, len(rows) - 0.3)
    axes.set_ylim(bottom, 1.0)
    axes.set_ylabel("test accuracy, with 95 % interval")
    axes.grid(True, axis="y", linewidth=0.4, alpha=0.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    n = next((row["test"]["n"] for row in rows if row["test"]), 0)
    axes.set_title(f"From 1943 to 2015: what each makes of the same {n} scanned digits, after a short training", fontsize=11)
    save(figure, path)
