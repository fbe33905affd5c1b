"""The line from 1943 to 2015 as a picture: what each network makes of the same digits, and what came without digits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from striate.report.figure import check_ending, save

_BLUE, _INK, _GREY = "#0072b2", "#1a1a1a", "#6b6b6b"


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw accuracy with its interval over the year, and a mark below for what has no accuracy.

    Args:
        rows: each with `year`, `name`, `test` {accuracy, low, high, n} or None, and `large`.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 5.2), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1.5))
    scored = [row for row in rows if row["test"] is not None]
    for number, row in enumerate(scored):
        year, score = row["year"] + 0.6 * _twin(scored, number), row["test"]
        ends = [[max(0.0, score["accuracy"] - score["low"])], [max(0.0, score["high"] - score["accuracy"])]]
        above.errorbar([year], [score["accuracy"]], ends, color=_BLUE, marker="o", markersize=5, elinewidth=1, capsize=2)
        side = 1 if number % 2 else -1
        above.annotate(
            f"{row['name']}\n{score['accuracy']:.1%}", (year, score["high" if side > 0 else "low"]), xytext=(0, 7 * side),
            textcoords="offset points", ha="center", va="bottom" if side > 0 else "top", fontsize=8, color=_INK,
        )  # fmt: skip
    if scored:
        lowest = min(row["test"]["low"] for row in scored)
        above.set_ylim(max(0.0, lowest - 0.25 * (1 - lowest) - 0.02), 1 + 0.25 * (1 - lowest) + 0.02)
        n = scored[0]["test"]["n"]
        above.set_title(f"What each makes of the same {n} scanned digits, after a short training", fontsize=11)
    above.set_ylabel("test accuracy, with 95 % interval")
    above.grid(True, linewidth=0.4, alpha=0.5)
    below.set_ylim(-0.2, 4)
    below.set_yticks([])
    below.axhline(0, color=_INK, linewidth=1)
    others = [row for row in rows if row["test"] is None]
    for number, row in enumerate(others):
        height = 0.7 + number % 4 * 0.85
        year = row["year"] + 0.6 * _twin(others, number)
        below.plot([year, year], [0, height], color=_GREY, linewidth=0.8)
        near_end = row["year"] > 2005
        below.text(year, height, f"{row['year']} {row['name']}", ha="right" if near_end else "left", va="bottom", fontsize=8)
    below.set_xlim(1940, 2018)
    below.set_xlabel("year")
    below.set_title("without digits to read, or not trained here" if others else "", fontsize=9, color=_GREY)
    for side in ("top", "right", "left"):
        below.spines[side].set_visible(False)
    save(figure, path)


def _twin(rows: Sequence[Mapping[str, Any]], number: int) -> int:
    """How many before have the same year."""
    return sum(row["year"] == rows[number]["year"] for row in rows[:number])
