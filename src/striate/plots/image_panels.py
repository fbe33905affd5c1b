"""Images and maps side by side, each on its own scale of gray."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from striate.plots.save_figure import check_ending, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDE = 2.3  # inches, of an image
_ROUNDING = 1e-9  # what is smaller is drawn as 0


def draw(title: str, images: Mapping[str, NDArray[np.generic]], path: Path, across: int = 5, side: float = SIDE) -> None:
    """Draw images with their names, `across` in a row.

    Args:
        title: what is shown.
        images: H x W each; where a value is below 0, zero is gray, and black and white are as far from it as the largest.
        path: .svg, .png or .pdf.
        across: most in a row.
        side: inches, of an image.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    columns = min(across, len(images))
    rows = ceil(len(images) / columns)
    tall = side * max(map(height, images.values()))
    figure = Figure(figsize=(side * columns + 0.2, (tall + 0.4) * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, (name, values_HW) in zip(grid.flat, images.items(), strict=False):
        show(axes, values_HW)
        axes.set_title("\n".join(wrap(name, int(14 * side))), fontsize=8)
    figure.suptitle("\n".join(wrap(title, int(12 * side * columns))), fontsize=10)
    save(figure, path)


def height(values_HW: NDArray[np.generic]) -> float:
    """How high an image is drawn over how wide; of very long ones, at most twice and at least an eighth."""
    return min(2.0, max(0.125, float(values_HW.shape[0] / values_HW.shape[1])))


def show(axes: "Axes", values_HW: NDArray[np.generic]) -> None:
    """One image with a frame and without ticks."""
    values = np.asarray(values_HW, float)
    most = float(np.abs(values).max())
    most = most if most > _ROUNDING else 1.0
    least = -most if values.min() < -_ROUNDING else 0.0
    axes.axis("on")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.imshow(values, cmap="gray", vmin=least, vmax=most, interpolation="nearest")
