"""Images of GMDH: a grown network, what happens without an external criterion, and ten networks on the digits.

Legend: K elements of a layer, N classes.
"""

from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.history.gmdh.model import Layer
from striate.plots.axes import confusion_matrix
from striate.plots.canvas import SERIES_COLORS
from striate.plots.save_figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FITTED, EXTERNAL, REFUSED = *SERIES_COLORS[:2], "#7f7f7f"
# Okabe & Ito's eight, and two grays: ten lines that are told apart together with their markers
TEN = ("#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#7f7f7f", "#b3b3b3")
MARKERS = "osv^D<>pX*"
_TALLEST = 1e2


def draw_network(title: str, inputs: Sequence[str], layers: Sequence[Layer], path: Path) -> None:
    """Draw a grown network from left to right: inputs, elements with their criterion, and which two each takes."""
    tallest = max(len(inputs), *(len(layer.pairs_K2) for layer in layers))
    with new_figure(path, 2.2 + 1.9 * len(layers), 1.2 + 0.75 * tallest, title) as figure:
        axes = figure.subplots()
        before = _column(len(inputs))
        for number, (name, height) in enumerate(zip(inputs, before, strict=True)):
            _node(axes, 0, height, name, "circle,pad=0.3", "black" if number in layers[0].pairs_K2 else "#b3b3b3")
        for depth, layer in enumerate(layers, 1):
            heights = _column(len(layer.pairs_K2))
            for pair, criterion, height in zip(layer.pairs_K2, layer.criteria_K, heights, strict=True):
                for source in pair:
                    axes.plot([depth - 1, depth], [before[source], height], color=FITTED, linewidth=1.2, zorder=1)
                _node(axes, depth, height, f"{criterion:.2f}", "round,pad=0.35", FITTED, color="black")
            before = heights
        axes.set_xlim(-0.4, len(layers) + 0.5)
        axes.set_ylim(-tallest / 2 - 0.1, tallest / 2 + 0.1)
        degrees = [f"layer {n}\ndegree {2**n}" for n in range(1, len(layers) + 1)]
        axes.set_xticks(range(len(layers) + 1), ["inputs", *degrees])
        axes.set_yticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("in an element: its squared error on the rows it was not fitted to")


def _node(axes: "Axes", x: float, y: float, text: str, shape: str, edge: str, color: str | None = None) -> None:
    """Text in a white shape, of the color of its edge unless another is given."""
    box = {"boxstyle": shape, "facecolor": "white", "edgecolor": edge}
    axes.text(x, y, text, ha="center", va="center", color=color or edge, bbox=box, zorder=3)


def _column(count: int) -> list[float]:
    return [(count - 1) / 2 - number for number in range(count)]


def draw_overfit(without: Mapping[str, Any], with_: Mapping[str, Any], path: Path) -> None:
    """Draw errors over layers without an external criterion and with one; a layer that was refused is hollow."""
    with new_figure(path, 7.6, 3.6) as figure:
        panels = figure.subplots(1, 2, sharey=True, sharex=True)
        titles = "chosen by the rows fitted to:\ngrowth never ends", "chosen by the other rows:\ngrowth ends by itself"
        for axes, errors, title in zip(panels, (without, with_), titles, strict=True):
            _errors(axes, errors)
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
        panels[1].plot([], [], "o", color=REFUSED, markersize=5, fillstyle="none", label="layer that was refused")
        panels[1].legend(fontsize=8, frameon=False, loc="upper right")


def _errors(axes: "Axes", errors: Mapping[str, Any]) -> None:
    layers, accepted = np.arange(1, len(errors["fitted"]) + 1), np.array(errors["accepted"])
    kinds = (("fitted", FITTED, "o", "rows fitted to"), ("external", EXTERNAL, "s", "the other rows"))
    for name, color, marker, label in kinds:
        values = np.array([nan if value is None else value for value in errors[name]])
        axes.plot(layers[accepted], values[accepted], color=color, linewidth=1.2, zorder=2)
        style: dict[str, Any] = {"marker": marker, "color": color, "markersize": 5, "linestyle": "none", "zorder": 2}
        axes.plot(layers[accepted], values[accepted], label=label, **style)
        axes.plot(layers[~accepted], values[~accepted], fillstyle="none", **style)


def draw_digits(
    title: str, classes: Sequence[str], errors: Sequence[Sequence[float]], confusion: Sequence[Sequence[int]], path: Path
) -> None:
    """Draw how the error of each class's network falls from layer to layer, and the confusion matrix, N x N."""
    with new_figure(path, 9.2, 4.3, title) as figure:
        curves, matrix = figure.subplots(1, 2, width_ratios=(5, 4.4))
        for name, values, color, marker in zip(classes, errors, TEN, MARKERS, strict=False):
            layers = range(1, len(values) + 1)
            curves.plot(layers, values, marker=marker, markersize=4, linewidth=1, color=color, label=name)
        curves.set_ylim(0, None)
        curves.set_xticks(range(1, max(map(len, errors)) + 1))
        curves.set_xlabel("layer")
        curves.set_ylabel("mean squared error on validation images")
        curves.grid(True, which="major", linewidth=0.4, alpha=0.6)
        curves.legend(title="network of", fontsize=8, title_fontsize=8, ncols=2, frameon=False, loc="upper right")
        confusion_matrix(matrix, np.array(confusion), classes)
