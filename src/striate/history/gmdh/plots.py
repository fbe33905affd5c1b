"""Images of GMDH: a grown network, what happens without an external criterion, and ten networks on the digits.

Legend: K elements of a layer, L layers, N classes.
"""

from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.plots.save_figure import check_ending, save

FITTED, EXTERNAL, INPUT = "#0072b2", "#d55e00", "#7f7f7f"
# Okabe & Ito's eight, and two grays: ten lines that are told apart together with their markers
TEN = ("#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#7f7f7f", "#b3b3b3")
MARKERS = "osv^D<>pX*"
_TALLEST = 1e2


def draw_network(
    title: str,
    inputs: Sequence[str],
    pairs: Sequence[NDArray[np.int64]],
    criteria: Sequence[NDArray[np.float64]],
    path: Path,
) -> None:
    """Draw a grown network from left to right: inputs, elements with their criterion, and which two each takes.

    Args:
        title: what is shown.
        inputs: names.
        pairs: of each layer, K x 2 positions in the layer before.
        criteria: of each layer, K numbers to write into the elements.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    tallest = max(len(inputs), *(len(layer) for layer in pairs))
    figure = Figure(figsize=(2.2 + 1.9 * len(pairs), 1.2 + 0.75 * tallest), layout="constrained")
    axes = figure.subplots()
    before = _column(len(inputs))
    used = set(pairs[0].ravel().tolist())
    for number, (name, height) in enumerate(zip(inputs, before, strict=True)):
        color = "black" if number in used else "#b3b3b3"
        box = {"boxstyle": "circle,pad=0.3", "facecolor": "white", "edgecolor": color}
        axes.text(0, height, name, ha="center", va="center", color=color, bbox=box, zorder=3)
    for depth, (pairs_K2, criteria_K) in enumerate(zip(pairs, criteria, strict=True), 1):
        heights = _column(len(pairs_K2))
        for (i, j), criterion, height in zip(pairs_K2, criteria_K, heights, strict=True):
            for source in (i, j):
                axes.plot([depth - 1, depth], [before[source], height], color=FITTED, linewidth=1.2, zorder=1)
            box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": FITTED}
            axes.text(depth, height, f"{criterion:.2f}", ha="center", va="center", bbox=box, zorder=3)
        before = heights
    axes.set_xlim(-0.4, len(pairs) + 0.5)
    axes.set_ylim(-tallest / 2 - 0.1, tallest / 2 + 0.1)
    axes.set_xticks(range(len(pairs) + 1), ["inputs", *(f"layer {n}\ndegree {2**n}" for n in range(1, len(pairs) + 1))])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("in an element: its squared error on the rows it was not fitted to")
    figure.suptitle(title, fontsize=10)
    save(figure, path)


def _column(count: int) -> list[float]:
    return [(count - 1) / 2 - number for number in range(count)]


def draw_overfit(without: Mapping[str, Any], with_: Mapping[str, Any], path: Path) -> None:
    """Draw errors over layers side by side: chosen by the rows that weights are fitted to, and by the others.

    Args:
        without: `fitted`, `external` (None for what is no number) and `accepted` of each layer, without an external criterion.
        with_: the same with it; a layer that was not accepted is drawn hollow.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True, sharex=True)
    titles = "chosen by the rows fitted to:\ngrowth never ends", "chosen by the other rows:\ngrowth ends by itself"
    for axes, errors, title in zip(panels, (without, with_), titles, strict=True):
        layers = np.arange(1, len(errors["fitted"]) + 1)
        accepted = np.array(errors["accepted"])
        for name, color, marker in (("fitted", FITTED, "o"), ("external", EXTERNAL, "s")):
            values = np.array([nan if value is None else value for value in errors[name]])
            axes.plot(layers[accepted], values[accepted], color=color, linewidth=1.2, zorder=2)
            label = "rows fitted to" if name == "fitted" else "the other rows"
            axes.plot(layers[accepted], values[accepted], marker, color=color, markersize=5, label=label, zorder=2)
            axes.plot(layers[~accepted], values[~accepted], marker, color=color, markersize=5, fillstyle="none", zorder=2)
        axes.set_yscale("log")
        axes.set_ylim(0.7 * min(without["fitted"]), _TALLEST)
        axes.set_xlabel("layer")
        axes.set_xticks(range(1, len(without["fitted"]) + 1))
        axes.set_title(title, fontsize=10)
        axes.grid(True, which="major", linewidth=0.4, alpha=0.6)
    above = sum(value is None or value > _TALLEST for value in without["external"])
    if above:
        words = f"{above} error{'s' * (above > 1)} of the other rows lie{'s' * (above == 1)} above the image"
        panels[0].text(0.03, 0.96, words, transform=panels[0].transAxes, fontsize=8, va="top")
    panels[0].set_ylabel("mean squared error of the best element")
    panels[1].plot([], [], "o", color=INPUT, markersize=5, fillstyle="none", label="layer that was refused")
    panels[1].legend(fontsize=8, frameon=False, loc="upper right")
    save(figure, path)


def draw_digits(
    title: str, classes: Sequence[str], errors: Sequence[Sequence[float]], confusion: Sequence[Sequence[int]], path: Path
) -> None:
    """Draw how the error of each class's network falls from layer to layer, and which digits are taken for which.

    Args:
        title: what is shown, with the score.
        classes: N names.
        errors: of each class's network, the mean squared error of its best element on the external rows, layer by layer.
        confusion: N x N images, a row for each true class.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, 4.3), layout="constrained")
    falls, table = figure.subplots(1, 2, width_ratios=(5, 4.4))
    most = max(len(values) for values in errors)
    for name, values, color, marker in zip(classes, errors, TEN, MARKERS, strict=False):
        layers = range(1, len(values) + 1)
        falls.plot(layers, values, marker=marker, markersize=4, linewidth=1, color=color, label=name)
    falls.set_ylim(0, None)
    falls.set_xticks(range(1, most + 1))
    falls.set_xlabel("layer")
    falls.set_ylabel("mean squared error on validation images")
    falls.grid(True, which="major", linewidth=0.4, alpha=0.6)
    falls.legend(title="network of", fontsize=8, title_fontsize=8, ncols=2, frameon=False, loc="upper right")
    counts = np.array(confusion)
    off = counts - np.diag(np.diag(counts))
    table.imshow(off, cmap="Oranges", vmin=0, vmax=max(4.0, 1.8 * int(off.max())))  # pale enough to read on
    for (row, column), count in np.ndenumerate(counts):
        if count:
            weight = "bold" if row == column else "normal"
            table.text(column, row, f"{count}", ha="center", va="center", fontsize=8, weight=weight)
    table.set_xticks(range(len(classes)), classes)
    table.set_yticks(range(len(classes)), classes)
    table.set_xlabel("said")
    table.set_ylabel("is")
    figure.suptitle(title, fontsize=10)
    save(figure, path)
