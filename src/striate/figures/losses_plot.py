"""A drawing of losses: curves over the margin, and a table of some scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from striate.figures.curves import Panel, curves
from striate.plots.save_figure import check_ending, save


def draw(
    panels: Sequence[Panel], scores: Sequence[tuple[float, ...]], table: Mapping[str, Sequence[float]], path: Path
) -> None:
    """Draw the panels side by side, and below them each loss of each row of scores, the first of which is the right one.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, 5.2), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(3.4, 1.5))[:, 0]
    for axes, panel in zip(upper.subplots(1, len(panels)), panels, strict=True):
        curves(axes, panel)
    upper.axes[0].legend(fontsize=8, frameon=False)
    axes = lower.subplots()
    axes.axis("off")
    heads = ["", *("scores " + ", ".join(f"{score:g}" for score in row) for row in scores)]
    rows = [[name, *(f"{value:.4g}" for value in values)] for name, values in table.items()]
    grid = axes.table(cellText=[heads, *rows], loc="center", cellLoc="center", edges="horizontal")
    grid.auto_set_font_size(False)
    grid.set_fontsize(9)
    grid.scale(0.85, 1.25)
    axes.set_title("three classes, the first is right; hinges with a margin of 10", fontsize=9)
    figure.suptitle("Cross-entropy never rests; a hinge rests once the margin is met", fontsize=11)
    save(figure, path)
