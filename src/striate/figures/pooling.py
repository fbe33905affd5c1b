"""Pooling: the largest and the mean of each window, windows that overlap, and where a gradient goes.

Legend: H x W places of a map, Y x X places of the pooled map.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.figures.catalogue import FigureResult
from striate.nets import blocks
from striate.plots.canvas import GRAY
from striate.plots.number_grid import WINDOWS, numbers, window
from striate.plots.save_figure import new_figure

Floats = NDArray[np.float32]
IMAGE = ((1.0, 3, 2, 1), (4, 8, 5, 0), (2, 6, 7, 3), (1, 0, 4, 9))
LARGER = ((1.0, 3, 2, 1, 6), (4, 8, 5, 0, 2), (2, 6, 7, 3, 1), (1, 0, 4, 9, 5), (3, 2, 8, 1, 4))
STRIDE = 2


class Row(NamedTuple):
    """One way to pool; `maps` and `gradients` by kind, "max" and "average"."""

    side: int  # of the windows
    image_HW: Floats  # so large that two by two windows fit
    maps: Mapping[str, Floats]  # 2 x 2
    gradients: Mapping[str, Floats]  # H x W, of the sum of the map


def draw(path: Path) -> FigureResult:
    """Pool 4 x 4 numbers by 2 x 2, and 5 x 5 numbers by 3 x 3 at stride 2; bring a gradient of ones back."""
    rows = []
    for values, side in ((IMAGE, 2), (LARGER, 3)):
        image_HW = torch.tensor(values)
        both = {kind: pooled(image_HW, kind, side, STRIDE) for kind in blocks.POOLS}
        maps, gradients = ({kind: pair[i].numpy() for kind, pair in both.items()} for i in (0, 1))
        rows.append(Row(side, image_HW.numpy(), maps, gradients))
    volume = blocks.pool("max", 2, STRIDE)(torch.zeros(1, 12, 32, 32)).shape[1:]
    _plot(rows, path)
    small, overlapping = (row.maps for row in rows)
    lines = (
        f"2 x 2 at stride 2: max {_text(small['max'])}, mean {_text(small['average'])}",
        f"3 x 3 at stride 2, overlapping: max {_text(overlapping['max'])}, mean {_text(overlapping['average'])}",
        f"12 maps of 32 x 32 become {volume[0]} maps of {volume[1]} x {volume[2]}: depth stays, and there are no weights",
        "a gradient of 1 goes back to the largest place of its window, or in equal parts to all",
    )
    figures: dict[str, object] = {
        f"{row.side}x{row.side}": {
            "stride": STRIDE, "image": row.image_HW.tolist(), **{kind: map_YX.tolist() for kind, map_YX in row.maps.items()},
            "gradient": {kind: gradient_HW.tolist() for kind, gradient_HW in row.gradients.items()},
        }
        for row in rows
    }  # fmt: skip
    return FigureResult(lines, figures | {"volume": {"input": [12, 32, 32], "output": list(volume), "parameters": 0}})


def pooled(image_HW: Tensor, kind: str, side: int, stride: int) -> tuple[Tensor, Tensor]:
    """The pooled map, Y x X, and what a gradient of one at each of its places gives to the image, H x W."""
    image_11HW = image_HW[None, None].clone().requires_grad_()
    map_11YX = blocks.pool(kind, side, stride)(image_11HW)
    (gradient_11HW,) = torch.autograd.grad(map_11YX.sum(), image_11HW)
    return map_11YX[0, 0].detach(), gradient_11HW[0, 0]


def _text(map_YX: NDArray[np.floating]) -> str:
    return " / ".join(" ".join(f"{value:.4g}" for value in row) for row in map_YX)


def _plot(rows: Sequence[Row], path: Path) -> None:
    """A row for each way to pool: the map with its windows, both pooled maps, both gradients."""
    places = [(y, x) for y in range(2) for x in range(2)]
    fills = dict(zip(places, WINDOWS, strict=True))
    title = "Pooling has no weights, and is done in each map alone: depth stays"
    with new_figure(path, 11.0, 2.55 * len(rows) + 0.9, title) as figure:
        grid = figure.subplots(len(rows), 5, width_ratios=(5, 3, 3, 5, 5), squeeze=False)
        for axes_row, row in zip(grid, rows, strict=True):
            overlap = row.side > STRIDE
            window_fills = {
                (y * STRIDE + below, x * STRIDE + right): fills[y, x]
                for y, x in places for below in range(row.side) for right in range(row.side)
            }  # fmt: skip
            numbers(axes_row[0], row.image_HW, {} if overlap else window_fills)
            for number, (y, x) in enumerate(places):
                inset = 0.03 + 0.05 * number if overlap else 0.05
                window(axes_row[0], y * STRIDE, x * STRIDE, row.side, fills[y, x], inset)
            titles = [f"{row.side} x {row.side} at stride {STRIDE}:\nwindows {'overlap' if overlap else 'side by side'}"]
            for column, (kind, name) in enumerate((("max", "max"), ("average", "mean")), 1):
                numbers(axes_row[column], row.maps[kind], fills)
                gradient_HW = row.gradients[kind]
                positive = {(int(y), int(x)): GRAY for y, x in np.argwhere(gradient_HW > 0)}
                numbers(axes_row[column + 2], gradient_HW, positive, 9 if kind == "max" else 8)
                titles.insert(column, f"{name} pool")
                titles.append(f"gradient of the image, for 1 at\neach place of the {name} pool")
            for axes, text in zip(axes_row, titles, strict=True):
                axes.set_title(text, fontsize=9)
