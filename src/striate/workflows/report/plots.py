"""The plots of a report, each an <svg> element with title, axes and units.

Legend: N images, K classes, L layers.
"""

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.events import Json
from striate.plots.canvas import SERIES_COLORS as COLORS
from striate.plots.save_figure import FAINT, INK, for_page, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")  # of classes beyond the colors
_WIDTH = 4.7  # inches: two fit beside each other on a desk, and one is legible on a phone
_MOST_CLASSES, _MOST_CELLS = 40, 60


def _figure(height: float = 2.9, width: float = _WIDTH) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _plot(title: str, x: str, y: str, height: float = 2.9, width: float = _WIDTH) -> tuple["Figure", "Axes"]:
    """A figure with one plot, and the names of its axes."""
    figure = _figure(height, width)
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def _with_intervals(axes: "Axes", shares: Sequence[Json], at: Sequence[float], sideways: bool = False, **style: Any) -> None:
    """Points for shares {value, low, high}, with their intervals."""
    values = [row["value"] for row in shares]
    ends = [[row["value"] - row["low"] for row in shares], [row["high"] - row["value"] for row in shares]]
    x, y = (values, at) if sideways else (at, values)
    style |= {"color": COLORS[0], "marker": "o", "markersize": 4, "linewidth": 0, "elinewidth": 1, "capsize": 2}
    axes.errorbar(x, y, **{"xerr" if sideways else "yerr": np.maximum(ends, 0), **style})


def curves(epochs: Sequence[Json], best: int | None) -> list[str]:
    """Loss and accuracy over the epochs.

    Args:
        epochs: each with `epoch`, `train_loss`, `loss` and `accuracy`; of several labels `map` too, which is shown.
        best: the epoch whose weights were kept; None where that is not known yet.

    """
    numbers = [row["epoch"] for row in epochs]
    with for_page():
        loss, axes = _plot("Loss", "epoch", "mean loss of an image")
        axes.plot(numbers, [row["train_loss"] for row in epochs], color=COLORS[0], marker="o", markersize=3, label="training")
        axes.plot(numbers, [row["loss"] for row in epochs], color=COLORS[1], marker="s", markersize=3, label="validation")
        _over_epochs(axes, best, numbers[-1])
        measure = "mAP" if "map" in epochs[0] else "Accuracy"
        values = [float(row["map" if "map" in row else "accuracy"]) for row in epochs]
        share, axes = _plot(f"{measure} on the validation images", "epoch", measure if measure == "mAP" else "accuracy")
        axes.plot(numbers, values, color=COLORS[1], marker="s", markersize=3, label="validation")
        _over_epochs(axes, best, numbers[-1])
        last = epochs[-1]
        losses = f"Loss by epoch: training {last['train_loss']:.3f} and validation {last['loss']:.3f} at the last."
        accuracy = f"Validation {'mAP' if measure == 'mAP' else 'accuracy'} by epoch, {values[-1]:.3f} at the last."
        return [inline(loss, "loss", losses), inline(share, "accuracy", accuracy)]


def _over_epochs(axes: "Axes", best: int | None, last: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(min(0.5, 1 - 0.04 * last), last + max(0.5, 0.04 * last))
    axes.grid(visible=True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if best is not None:
        axes.axvline(best, color=FAINT, linestyle=":", linewidth=1.2, label="weights kept")
    axes.legend()


def reliability(bins: Sequence[Json], unscaled: Sequence[Json] = ()) -> str:
    """How often predictions of each probability are correct, above how many there are.

    Args:
        bins: each with `low`, `high`, `images`, `confidence` and `accuracy` {value, low, high}.
        unscaled: the bins before temperature scaling; none where nothing was scaled.

    """
    with for_page():
        figure = _figure(3.6)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1, label="probabilities that are true")
        if unscaled:
            before = [[row["confidence"] for row in unscaled], [row["accuracy"]["value"] for row in unscaled]]
            above.plot(*before, color=COLORS[1], marker="s", markersize=3, linewidth=1, label="before temperature scaling")
        x = [row["confidence"] for row in bins]
        _with_intervals(above, [row["accuracy"] for row in bins], x, label="measured, with 95 % interval")
        above.set(title="Reliability diagram", ylabel="accuracy", ylim=(-0.03, 1.03))
        above.grid(visible=True)
        above.legend(loc="upper left")
        lows, widths = [row["low"] for row in bins], [row["high"] - row["low"] for row in bins]
        below.bar(lows, [row["images"] for row in bins], widths, align="edge", color=COLORS[0], alpha=0.6)
        below.set(xlabel="probability of the prediction", ylabel="images", xlim=(0, 1.01))
        alternative = "Share of correct predictions against their probability, with the number of images below."
        return inline(figure, "reliability", alternative)


def risk_coverage(points: Sequence[Json], rule: Json | None = None) -> str:
    """The error of the predictions that are given, by the share of the images that get one.

    Args:
        points: each with `coverage` and `error`, from the most probable predictions to all of them.
        rule: the threshold of the model with its `coverage`, `errors`, `n` and `max_error`; None where it has none.

    """
    with for_page():
        figure, axes = _plot("Risk-coverage curve", "share of the images that are answered", "error of the answers")
        coverages, errors = [row["coverage"] for row in points], [row["error"] for row in points]
        axes.plot(coverages, errors, color=COLORS[0], label="the most probable predictions")
        axes.axhline(errors[-1], color=FAINT, linestyle="--", linewidth=1, label="all predictions")
        if rule is not None and rule["coverage"]:
            error = rule["errors"] / (rule["coverage"] * rule["n"])
            axes.plot([rule["coverage"]], [error], color=COLORS[1], marker="o", linewidth=0, label="threshold of the model")
        top = max(*errors, 0.008, (rule or {}).get("max_error") or 0)
        if rule is not None and rule["max_error"] is not None:
            axes.axhline(rule["max_error"], color=COLORS[1], linestyle=":", linewidth=1, label="largest error that it keeps to")
        axes.set(xlim=(0, 1.01), ylim=(-0.02 * top, 1.6 * top))
        axes.grid(visible=True)
        axes.legend(loc="upper left")
        alternative = "Error of the answers against the share of the images that are answered, the most probable first."
        return inline(figure, "risk_coverage", alternative)


def classes(rows: Sequence[Json], overall: float) -> str:
    """How much of each class is found, with its interval; of more than 40 classes the 40 that are found least.

    Args:
        rows: each with `name`, `value`, `low`, `high` and `n`.
        overall: the accuracy on all images.

    """
    ordered = sorted((row for row in rows if row["n"]), key=lambda row: (-row["value"], row["name"]))
    shown = ordered[-_MOST_CLASSES:]
    less = "" if len(shown) == len(ordered) else f": the {len(shown)} found least of {len(ordered)}"
    label = "share found (recall), with 95 % interval; dashed: all images"
    with for_page():
        figure, axes = _plot(f"Each class{less}", label, "", max(1.6, 0.7 + 0.21 * len(shown)))
        y = list(range(len(shown)))
        _with_intervals(axes, shown, y, sideways=True)
        axes.axvline(overall, color=FAINT, linestyle="--", linewidth=1)
        axes.set_yticks(y, [_short(f"{row['name']} ({row['n']:,})") for row in shown])
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.6, len(shown) - 0.4))
        axes.grid(visible=True, axis="x")
        worst = shown[-1]
        return inline(figure, "classes", f"Share found of each class; least of {worst['name']}, {worst['value']:.0%}.")


def _short(name: str, most: int = 28) -> str:
    return name if len(name) <= most else f"{name[: most - 3]}..."


def confusion(matrix_KK: NDArray[np.int64], names: Sequence[str]) -> str | None:
    """Images by true class (row) and predicted class (column), as shares of the row; None for one class, or more than 60."""
    k = len(names)
    if not 1 < k <= _MOST_CELLS:
        return None
    shares_KK = matrix_KK / np.maximum(matrix_KK.sum(axis=1, keepdims=True), 1)
    with for_page():
        side = min(6.4, max(3.2, 1.6 + 0.36 * k))
        figure, axes = _plot("Confusion matrix", "predicted class", "true class", side, side + 0.4)
        axes.imshow(shares_KK, cmap=_blues(), vmin=0, vmax=1, interpolation="nearest")
        small = 8 if k <= 15 else 6 if k <= 30 else 4
        labels = [_short(name, 16) for name in names]
        turn, anchor = (45, "right") if max(map(len, labels)) > 2 else (0, "center")
        axes.set_xticks(range(k), labels, rotation=turn, ha=anchor, rotation_mode="anchor", fontsize=small)
        axes.set_yticks(range(k), labels, fontsize=small)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if k <= 20:
            for true, predicted in np.argwhere(matrix_KK).tolist():
                color = "#ffffff" if shares_KK[true, predicted] > 0.5 else INK
                style = {"ha": "center", "va": "center", "fontsize": small - 1, "color": color}
                axes.text(predicted, true, f"{matrix_KK[true, predicted]:,}", style)
        return inline(figure, "confusion", f"Confusion matrix of {k} classes; the same numbers are in report.json.")


def _blues() -> Any:
    """From nothing, which lets any page shine through, to a dark blue."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("blues", [(0.34, 0.63, 0.85, 0.0), (0.34, 0.63, 0.85, 0.6), (0.0, 0.35, 0.6, 1.0)])


def gradients(events: Sequence[Json]) -> str | None:
    """The norm of the last gradient of each layer, from the first layer to the last, at up to four epochs.

    Args:
        events: "health" of a journal: each with `epoch` and `layers` with `name` and `gradient`.

    """
    chosen = [events[at] for at in sorted({0, len(events) // 3, 2 * len(events) // 3, len(events) - 1})] if events else []
    lines = [(event["epoch"], [row["gradient"] for row in event["layers"]]) for event in chosen]
    if not any(value for _, values in lines for value in values) or len(lines[0][1]) < 2:
        return None
    names = [row["name"] for row in chosen[0]["layers"]]
    label = "layer, from the image to the answer"
    with for_page():
        figure, axes = _plot("Do gradients reach the first layers?", label, "norm of the last gradient", 3.1)
        x = np.arange(len(names))
        for number, (epoch, values) in enumerate(lines):
            y = [value or np.nan for value in values]
            axes.plot(x, y, color=COLORS[number], marker=_MARKERS[number], markersize=3, linewidth=1, label=f"epoch {epoch}")
        axes.set_yscale("log")
        every = ceil(len(names) / 14)
        axes.set_xticks(x[::every], [_short(name, 16) for name in names[::every]], rotation=45, ha="right",
                        rotation_mode="anchor", fontsize=7)  # fmt: skip
        axes.grid(visible=True)
        axes.legend(ncols=2)
        alternative = f"Gradient norm of {len(names)} layers at {len(lines)} epochs, on a logarithmic scale."
        return inline(figure, "gradients", alternative)


class PlottedImages(NamedTuple):
    """What is shown of N images besides their places: color and marker by class, a ring, a smaller point."""

    labels_N: NDArray[np.int64]  # true classes
    names: Sequence[str]  # K class names
    wrong_N: NDArray[np.bool_]  # misclassified: with a ring
    faint_N: NDArray[np.bool_]  # training images: small


def plane(points_N2: NDArray[np.float64], images: PlottedImages, title: str, axis_names: tuple[str, str], name: str) -> str:
    """Images as points by what the network makes of them, colored by class; `name` is that of the figure in the page."""
    labels_N, names, wrong_N, faint_N = images
    with for_page():
        figure, axes = _plot(title, *axis_names, 4.2)
        for k in np.unique(labels_N).tolist():
            color, marker = COLORS[k % len(COLORS)], _MARKERS[k // len(COLORS) % len(_MARKERS)]
            for faint, size, alpha in ((True, 5, 0.35), (False, 20, 0.9)):
                here_N = (labels_N == k) & (faint_N == faint)
                label = _short(names[k], 18) if not faint or not (~faint_N & (labels_N == k)).any() else None
                x_N, y_N = points_N2[here_N].T
                axes.scatter(x_N, y_N, s=size, c=color, marker=marker, alpha=alpha, linewidths=0, label=label)
        if wrong_N.any():
            x_N, y_N = points_N2[wrong_N].T
            axes.scatter(x_N, y_N, s=60, facecolors="none", edgecolors=INK, linewidths=1.0, label="misclassified")
        if axis_names[0].startswith("no unit"):
            axes.set_xticks([])
            axes.set_yticks([])
        if len(names) <= 24:
            figure.legend(loc="outside lower center", ncols=4, fontsize=7, markerscale=0.9)
        alternative = (
            f"{title}: {len(points_N2):,} images of {len(np.unique(labels_N))} classes, {int(wrong_N.sum())} misclassified."
        )
        return inline(figure, name, alternative)
