"""Pooling: the largest and the mean of each window, windows that overlap, and where a gradient goes.

Legend: H x W places of a map, Y x X places of the pooled map.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.figures import pooling_plot as drawing
from striate.figures.table import Drawn
from striate.nets import blocks

IMAGE = ((1.0, 3, 2, 1), (4, 8, 5, 0), (2, 6, 7, 3), (1, 0, 4, 9))
LARGER = ((1.0, 3, 2, 1, 6), (4, 8, 5, 0, 2), (2, 6, 7, 3, 1), (1, 0, 4, 9, 5), (3, 2, 8, 1, 4))


def draw(path: Path) -> Drawn:
    """Pool 4 x 4 numbers by 2 x 2, and 5 x 5 numbers by 3 x 3 at stride 2; bring a gradient of ones back."""
    rows, numbers = [], dict[str, object]()
    for values, side in ((IMAGE, 2), (LARGER, 3)):
        image_HW = torch.tensor(values)
        maps, back = {}, {}
        for kind in blocks.POOLS:
            maps[kind], back[kind] = pooled(image_HW, kind, side, 2)
        rows.append(
            drawing.Row(
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
    drawing.draw(rows, path)
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
