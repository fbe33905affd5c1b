"""Plots of the scores of several labels an image, as <svg> elements.

Legend: N images, K labels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.metrics.multi_label import Summary
from striate.plots.canvas import SERIES_COLORS as COLORS
from striate.plots.save_figure import FAINT, for_page, inline

_MOST_LABELS, _MOST_CURVES = 40, 6
_WIDTH, _HEIGHT = 4.7, 2.9  # inches, as the other plots of a report


def _plot(title: str, x: str, y: str, height: float) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(visible=True)
    return figure, axes


def labels(summary: Summary) -> str:
    """The average precision of each label with its interval; of more than 40 labels those with the lowest."""
    rows = [
        (name, row.average_precision)
        for name, row in zip(summary.classes, summary.per_label, strict=True)
        if row.average_precision is not None
    ]
    ordered = sorted(rows, key=lambda row: (-row[1].value, row[0]))
    shown = ordered[-_MOST_LABELS:]
    less = "" if len(shown) == len(ordered) else f": the lowest {len(shown)} of {len(ordered)}"
    with for_page():
        label = "average precision, with 95 % interval; dashed: mAP"
        figure, axes = _plot(f"Each label{less}", label, "", max(1.6, 0.7 + 0.21 * len(shown)))
        for place, (_, score) in enumerate(shown):
            axes.plot([score.low, score.high], [place, place], color=COLORS[0], linewidth=1)
            axes.plot([score.value], [place], color=COLORS[0], marker="o", markersize=4)
        axes.axvline(summary.mean_average_precision.value, color=FAINT, linestyle="--", linewidth=1)
        axes.set_yticks(range(len(shown)), [name if len(name) <= 24 else f"{name[:23]}..." for name, _ in shown])
        axes.set(xlim=(-0.02, 1.02), ylim=(len(shown) - 0.5, -0.5))
        return inline(figure, "labels", f"Average precision of {len(shown)} labels with their 95 % intervals.")


def precision_recall(logits_NK: NDArray[np.floating[Any]], true_NK: NDArray[np.bool_], names: tuple[str, ...]) -> str:
    """Precision over recall of each label; of more than 6 labels, of those that most images have."""
    images_K = true_NK.sum(axis=0)
    chosen = [k for k in np.argsort(-images_K, kind="stable").tolist() if images_K[k]][:_MOST_CURVES]
    less = "" if len(chosen) == np.count_nonzero(images_K) else f": the {len(chosen)} most frequent labels"
    with for_page():
        figure, axes = _plot(f"Precision and recall{less}", "recall", "precision", _HEIGHT)
        for place, k in enumerate(chosen):
            hits_N = np.cumsum(true_NK[np.argsort(-logits_NK[:, k], kind="stable"), k])
            axes.step(
                hits_N / images_K[k], hits_N / np.arange(1, len(hits_N) + 1), where="pre", color=COLORS[place % len(COLORS)],
                linewidth=1.2, label=names[k] if len(names[k]) <= 24 else f"{names[k][:23]}...",
            )  # fmt: skip
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.05))
        axes.legend(loc="lower left")
        return inline(figure, "precision-recall", f"Precision against recall of {len(chosen)} labels.")
