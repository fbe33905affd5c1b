"""A drawing of pooling: windows on a map, their largest and their mean, and where a gradient goes.

Legend: H x W places of a map, Y x X places of the pooled map.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.figures.number_grid import WINDOWS, numbers, window
from striate.plots.canvas import GRAY
from striate.plots.save_figure import check_ending, save

Floats = NDArray[np.float32]


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


def draw(rows: Sequence[Row], path: Path) -> None:
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
