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

from striate.figures.catalogue import Drawn
from striate.nets import blocks
from striate.plots.canvas import GRAY
from striate.plots.number_grid import WINDOWS, numbers, window
from striate.plots.save_figure import check_ending, save

Floats = NDArray[np.float32]
IMAGE = ((1.0, 3, 2, 1), (4, 8, 5, 0), (2, 6, 7, 3), (1, 0, 4, 9))
LARGER = ((1.0, 3, 2, 1, 6), (4, 8, 5, 0, 2), (2, 6, 7, 3, 1), (1, 0, 4, 9, 5), (3, 2, 8, 1, 4))


class Row(NamedTuple):
    """One way to pool.

    Attributes:
        side: of the windows.
        stride: from one window to the next.
        image_HW: what is pooled, so that two by two windows fit.
        maps: by kind, "max" and "average", each 2 x 2.
        back: by kind, what a gradient of one at each place of the map gives to the image, H x W.

    """

    side: int
    stride: int
    image_HW: Floats
    maps: Mapping[str, Floats]
    back: Mapping[str, Floats]


def draw(path: Path) -> Drawn:
    """Pool 4 x 4 numbers by 2 x 2, and 5 x 5 numbers by 3 x 3 at stride 2; bring a gradient of ones back."""
    rows, numbers = [], dict[str, object]()
    for values, side in ((IMAGE, 2), (LARGER, 3)):
        image_HW = torch.tensor(values)
        maps, back = {}, {}
        for kind in blocks.POOLS:
            maps[kind], back[kind] = pooled(image_HW, kind, side, 2)
        rows.append(
            Row(
                side, 2, image_HW.numpy(), {kind: one.numpy() for kind, one in maps.items()},
                {kind: one.numpy() for kind, one in back.items()},
            )
        )  # fmt: skip
        numbers[f"{side}x{side}"] = {
            "stride": 2, "image": image_HW.tolist(), **{kind: one.tolist() for kind, one in maps.items()},
            "gradient": {kind: one.tolist() for kind, one in back.items()},
        }  # fmt: skip
    volume = blocks.pool("max", 2, 2)(torch.zeros(1, 12, 28, 28)).shape[1:]
    numbers["volume"] = {"input": [12, 28, 28], "output": list(volume), "parameters": 0}
    plot(rows, path)
    first, second = (row.maps for row in rows)
    return Drawn(
        (
            f"2 x 2 at stride 2: max {_said(first['max'])}, mean {_said(first['average'])}",
            f"3 x 3 at stride 2, overlapping: max {_said(second['max'])}, mean {_said(second['average'])}",
            f"12 maps of 28 x 28 become {volume[0]} maps of {volume[1]} x {volume[2]}: depth stays, and nothing is to learn",
            "a gradient of 1 goes back to the largest place of its window, or in equal parts to all",
        ),
        numbers,
    )


def pooled(image_HW: Tensor, kind: str, side: int, stride: int) -> tuple[Tensor, Tensor]:
    """The pooled map, Y x X, and what a gradient of one at each of its places gives to the image, H x W."""
    image_11HW = image_HW[None, None].clone().requires_grad_()
    map_11YX = blocks.pool(kind, side, stride)(image_11HW)
    (back_11HW,) = torch.autograd.grad(map_11YX.sum(), image_11HW)
    return map_11YX[0, 0].detach(), back_11HW[0, 0]


def _said(map_YX: NDArray[np.floating]) -> str:
    return " / ".join(" ".join(f"{value:.4g}" for value in row) for row in map_YX)


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw a row for each way to pool: the map with its windows, both pooled maps, both gradients.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 2.55 * len(rows) + 0.9), layout="constrained")
    grid = figure.subplots(len(rows), 5, width_ratios=(5, 3, 3, 5, 5), squeeze=False)
    for line, row in zip(grid, rows, strict=True):
        places = [(y, x) for y in range(2) for x in range(2)]
        fills = dict(zip(places, WINDOWS, strict=True))
        overlap = row.side > row.stride
        covered = {} if overlap else {
            (y * row.stride + a, x * row.stride + b): fills[y, x]
            for y, x in places for a in range(row.side) for b in range(row.side)
        }  # fmt: skip
        numbers(line[0], row.image_HW, covered)
        for number, (y, x) in enumerate(places):
            inset = 0.03 + 0.05 * number if overlap else 0.05
            window(line[0], y * row.stride, x * row.stride, row.side, fills[y, x], inset)
        kind = "windows overlap" if overlap else "windows side by side"
        line[0].set_title(f"{row.side} x {row.side} at stride {row.stride}:\n{kind}", fontsize=9)
        numbers(line[1], row.maps["max"], fills)
        line[1].set_title("max pool", fontsize=9)
        numbers(line[2], row.maps["average"], fills)
        line[2].set_title("mean pool", fontsize=9)
        for axes, name, title in ((line[3], "max", "max"), (line[4], "average", "mean")):
            some = {(int(y), int(x)): GRAY for y, x in np.argwhere(row.back[name] > 0)}
            numbers(axes, row.back[name], some, 9 if name == "max" else 8)
            axes.set_title(f"what a gradient of 1 at each place\ngives back through the {title}", fontsize=9)
    figure.suptitle("Pooling has no weights, and is done in each map alone: depth stays", fontsize=11)
    save(figure, path)
