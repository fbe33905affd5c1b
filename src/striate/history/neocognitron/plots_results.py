"""Images of how a neocognitron did: the planes that won without a teacher, and which digits it takes for which.

Legend: S seeds, M patterns, P planes, H x W pixels, K classes.
"""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.history.neocognitron.plots import WINNER, Array
from striate.plots.save_figure import check_ending, save


def draw_winners(title: str, patterns_MHW: Array, outputs_SMP: Array, seeds: Sequence[int], path: Path) -> None:
    """Draw what each plane of the last layer answers to each pattern, for several seeds; the strongest has a frame.

    Args:
        title: what is shown.
        patterns_MHW: the patterns.
        outputs_SMP: outputs from 0 to 1.
        seeds: of the weights at the start.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    across = min(2, len(seeds))
    rows = ceil(len(seeds) / across)
    figure = Figure(figsize=(4.6 * across, 1.6 + 1.75 * rows), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.3, 1.75 * rows))[:, 0]
    for number, axes in enumerate(above.subplots(1, len(patterns_MHW), squeeze=False).flat):
        axes.imshow(patterns_MHW[number], cmap="Blues", vmin=0, vmax=1)
        axes.set_title(f"pattern {number}", fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
    panels = below.subplots(rows, across, squeeze=False)
    drawn = None
    for number, axes in enumerate(panels.flat):
        if number >= len(seeds):
            axes.set_axis_off()
            continue
        outputs_MP = outputs_SMP[number]
        drawn = axes.imshow(outputs_MP, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for pattern, plane in enumerate(outputs_MP.argmax(1)):
            if outputs_MP[pattern, plane] > 0:
                axes.add_patch(Rectangle((plane - 0.5, pattern - 0.5), 1, 1, fill=False, edgecolor=WINNER, linewidth=1.6))
        distinct = len({int(plane) for plane, row in zip(outputs_MP.argmax(1), outputs_MP, strict=True) if row.max() > 0})
        axes.set_title(f"seed {seeds[number]}: {distinct} planes win {len(outputs_MP)} patterns", fontsize=8)
        axes.set_yticks(range(len(outputs_MP)))
        axes.set_xticks(range(0, outputs_MP.shape[1], 4))
        axes.tick_params(labelsize=7)
    below.supxlabel("plane of the last layer", fontsize=8)
    below.supylabel("pattern shown", fontsize=8)
    if drawn is not None:
        bar = below.colorbar(drawn, ax=list(panels.flat), shrink=0.6, pad=0.01)
        bar.set_label("output", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    figure.suptitle(title, fontsize=10)
    save(figure, path)


def draw_confusion(title: str, counts_KK: NDArray[np.int64], names: Sequence[str], path: Path) -> None:
    """Draw how many images of each class were taken for each; the right ones, far more, are left white.

    Args:
        title: of what.
        counts_KK: true classes by answers.
        names: of the classes.
        path: .svg, .png or .pdf.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    classes = len(names)
    wrong_KK = np.where(np.eye(classes, dtype=bool), 0, counts_KK)
    figure = Figure(figsize=(5.2, 4.9), layout="constrained")
    axes = figure.subplots()
    axes.imshow(wrong_KK, cmap="Blues", vmin=0)
    for true in range(classes):
        for predicted in range(classes):
            if counts_KK[true, predicted]:
                dark = wrong_KK[true, predicted] > 0.6 * max(1, wrong_KK.max())
                axes.text(
                    predicted, true, f"{counts_KK[true, predicted]:,}", ha="center", va="center", fontsize=7,
                    color="white" if dark else "#1a1a1a", fontweight="bold" if true == predicted else "normal",
                )  # fmt: skip
    axes.set_xticks(range(classes), names, fontsize=8)
    axes.set_yticks(range(classes), names, fontsize=8)
    axes.set_xlabel("answer", fontsize=9)
    axes.set_ylabel("digit", fontsize=9)
    axes.set_title(title, fontsize=9)
    save(figure, path)
