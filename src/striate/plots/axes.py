"""What the axes of many plots share: names in small type, images without ticks, tables, confusion matrices."""

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.plots.canvas import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def label(axes: "Axes", title: str = "", x: str = "", y: str = "", *, ticks: float = 7, grid: bool = False) -> None:
    """Title, names of both axes and their ticks in small type, `ticks` in points; a faint grid where wanted."""
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.tick_params(labelsize=ticks)
    if grid:
        axes.grid(True, linewidth=0.4, alpha=0.6)


def image(axes: "Axes", pixels: Any, frame: bool = True, **options: Any) -> None:
    """Pixels as they are, without ticks; `options` of matplotlib's imshow."""
    axes.imshow(pixels, **({"interpolation": "nearest"} | options))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(frame)


def short_title(text: str, most: int = 120, line: int = 66) -> str:
    """In lines of so many letters; of what takes more than `most`, the middle is left out."""
    shown = text if len(text) <= most else f"{text[: most // 2]} ... {text[-(most // 2) :]}"
    return "\n".join(wrap(shown, line))


def table(axes: "Axes", rows: Sequence[Sequence[str]], scale: tuple[float, float], **options: Any) -> None:
    """Rows of text between horizontal lines, the first of them the heads; `scale` of the cells' width and height."""
    axes.axis("off")
    cells = axes.table(cellText=rows, loc="center", cellLoc="center", edges="horizontal", **options)
    cells.auto_set_font_size(False)
    cells.set_fontsize(9)
    cells.scale(*scale)


def confusion_matrix(axes: "Axes", counts_KK: NDArray[np.int64], names: Sequence[str], title: str = "") -> None:
    """Images by true (row) and predicted class; the correct predictions, far more, are left white."""
    wrong_KK = np.where(np.eye(len(names), dtype=bool), 0, counts_KK)
    dark_KK = wrong_KK > 0.6 * max(1, wrong_KK.max())
    axes.imshow(wrong_KK, cmap="Blues", vmin=0)
    for true, predicted in np.argwhere(counts_KK).tolist():
        axes.text(
            predicted, true, f"{counts_KK[true, predicted]:,}", ha="center", va="center", fontsize=7,
            color="white" if dark_KK[true, predicted] else INK, fontweight="bold" if true == predicted else "normal",
        )  # fmt: skip
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    label(axes, title, "predicted class", "true class", ticks=8)
