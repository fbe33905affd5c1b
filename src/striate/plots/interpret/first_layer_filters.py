"""A figure of the kernels of a first layer, with the verdict on each."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from striate.plots import save_figure
from striate.plots.axes import image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito 2008; the word stands beside each number too, since color alone says nothing to some
FRAMES: Mapping[str, str] = {
    "healthy": "#bbbbbb", "dead": "#000000", "blank": "#56b4e9", "duplicate": "#0072b2", "nearly dead": "#cc79a7",
    "noisy": "#d55e00",
}  # fmt: skip
_ACROSS, _MOST = 16, 512
Kernels = NDArray[np.float64]


def draw(
    title: str, kernels_FCkk: Kernels, verdicts: Sequence[str], path: Path, *, each: bool = False, captions: Sequence[str] = ()
) -> None:
    """Draw each kernel as an image: gray is no weight, white and black are the largest of the layer, or with `each` its own.

    Kernels have one channel or three; of more than 512 the first are drawn. Verdicts are those of `interpret.filter_health`;
    what is not healthy has a frame of its own and its word. Captions have a line or two for each kernel.
    """
    save_figure.check_file(path)
    save_figure.save(figure(title, kernels_FCkk, verdicts, each=each, captions=captions), path)


def figure(
    title: str, kernels_FCkk: Kernels, verdicts: Sequence[str], *, each: bool = False, captions: Sequence[str] = ()
) -> "Figure":
    """The figure that `draw` writes."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    shown = kernels_FCkk[:_MOST]
    most_F111 = np.abs(shown).max(axis=(1, 2, 3) if each else None, keepdims=True)
    images = np.clip(0.5 + (shown / (2 * np.maximum(most_F111, 1e-30))).transpose(0, 2, 3, 1), 0, 1)
    if images.shape[-1] == 1:
        images = images.repeat(3, axis=-1)
    across = min(_ACROSS, max(4, ceil(len(images) ** 0.5)))
    rows = ceil(len(images) / across)
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    drawing = Figure(figsize=(0.62 * across + 0.3, (0.78 + 0.1 * lines) * rows + 1.3), layout="constrained")
    grid = drawing.subplots(rows, across, squeeze=False).ravel()
    for number, (axes, pixels) in enumerate(zip(grid, images, strict=False)):
        image(axes, pixels)
        text = _frame(axes, number, verdicts[number])
        axes.set_xlabel(f"{text}\n{captions[number]}" if captions else text, fontsize=5.5, labelpad=1.5)
    for axes in grid[len(images) :]:
        axes.axis("off")
    counts = {verdict: list(verdicts).count(verdict) for verdict in FRAMES if verdict in verdicts}
    boxes = [Patch(facecolor="white", edgecolor=FRAMES[name], linewidth=2, label=f"{name} {n}") for name, n in counts.items()]
    drawing.legend(handles=boxes, loc="outside lower center", ncols=min(len(boxes), 3), fontsize=8, frameon=False)
    more = "" if len(shown) == len(kernels_FCkk) else f", the first {_MOST} of {len(kernels_FCkk):,}"
    scale = ", each on its own scale" if each else " on one scale"
    text = f"{title}: {len(kernels_FCkk):,} kernels of {shown.shape[-2]} x {shown.shape[-1]}{scale}{more}"
    drawing.suptitle("\n".join(wrap(text, max(30, 8 * across))), fontsize=9)
    return drawing


def _frame(axes: "Axes", number: int, verdict: str) -> str:
    """Frame a kernel by its verdict; the words that stand below it."""
    healthy = verdict == "healthy"
    axes.spines[:].set(color=FRAMES[verdict], linewidth=0.8 if healthy else 2.4)
    return str(number) if healthy else f"{number} {verdict}"
