"""1980: learning without a teacher. Patterns are shown again and again; the cells that respond most are reinforced.

In each presentation every S-column - the cells of all planes within a small square - nominates its strongest cell. Of its own
nominees each plane takes the strongest, its representative, which is reinforced, and with it all cells of the plane; a plane
without a nominee learns nothing. So planes that come to respond to the same feature are pushed apart. All layers learn at each
presentation. Source: Fukushima 1980, Biol. Cybern. 36:193. The number of sweeps and q of the first layer are not confirmed.

Legend: P planes, H x W cells of a plane.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from striate.base import hash_rng
from striate.history.neocognitron.digits import Strokes
from striate.history.neocognitron.net import DESIGN_1980, Neocognitron
from striate.history.neocognitron.strokes import curve, line, render

COLUMNS = (5, 5, 2)  # sides of the S-columns of the three layers
Q = (1.0, 16.0, 16.0)
START = 0.05  # the initial weights a lie between 0 and this, b is 0
SWEEPS = 20

PATTERNS: tuple[Strokes, ...] = (
    (curve((7.5, 2), (4.5, 3.4), (3.2, 7.5), (4.5, 11.6), (7.5, 13), (10.5, 11.6), (11.8, 7.5), (10.5, 3.4), (7.5, 2)),),
    (line((7, 2), (7, 13)),),
    (curve((3, 5), (5, 2.4), (9, 2.4), (11, 5), (9, 8.6), (3, 13)), line((3, 13), (12, 13))),
    (curve((3, 3), (7, 2), (11, 4.4), (7, 7)), curve((7, 7), (12, 9.4), (9, 12.8), (3, 12))),
    (line((9, 2), (3, 9), (13, 9)), line((9, 2), (9, 13))),
)  # 0 to 4


class Representative(NamedTuple):
    """The seed cell by which a plane is reinforced."""

    plane: int
    row: int
    column: int


def patterns() -> Tensor:
    """The digits 0 to 4 on 16 x 16 pixels, 5 x 1 x 16 x 16."""
    return torch.stack([render(strokes, DESIGN_1980.size_px) for strokes in PATTERNS])[:, None]


def representatives(maps_PHW: Tensor, column: int) -> list[Representative]:
    """The strongest nominee of each plane, of S-columns that overlap; only cells that respond can be nominated."""
    strongest_HW, plane_HW = maps_PHW.max(0)
    _, places = functional.max_pool2d(strongest_HW[None, None], column, stride=1, return_indices=True)
    strongest: dict[int, tuple[float, Representative]] = {}
    for place in sorted(set(places.flatten().tolist())):
        row, col = divmod(place, maps_PHW.shape[2])
        output, plane = float(strongest_HW[row, col]), int(plane_HW[row, col])
        if output > 0 and output > strongest.get(plane, (0.0, None))[0]:
            strongest[plane] = (output, Representative(plane, row, col))
    return [representative for _, representative in strongest.values()]


def start(seed: int) -> Neocognitron:
    """The network of 1980 with small random initial weights a."""
    net = Neocognitron(DESIGN_1980)
    generator = torch.Generator().manual_seed(hash_rng.seed_of(seed, "neocognitron 1980"))
    for stage in range(1, len(DESIGN_1980.stages) + 1):
        weights = net.s_layer(stage).a_PKkk
        weights.copy_(START * torch.rand(weights.shape, generator=generator))
    return net


def present(net: Neocognitron, image_1CHW: Tensor) -> None:
    """Show one pattern: the representatives of each layer are reinforced by its input."""
    maps = image_1CHW
    for stage, (column, q) in enumerate(zip(COLUMNS, Q, strict=True), start=1):
        layer = net.s_layer(stage)
        outputs = layer(maps)
        for plane, row, col in representatives(outputs[0], column):
            layer.reinforce(plane, layer.window_at(maps, 0, row, col), q)
        maps = net.c_layer(stage)(outputs)


def organize(images_NCHW: Tensor, seed: int, sweeps: int = SWEEPS) -> Neocognitron:
    """A network that has organized itself by a few unlabeled patterns of 16 x 16 pixels, ink 1, each shown `sweeps` times."""
    net = start(seed)
    for _ in range(sweeps):
        for image_CHW in images_NCHW:
            present(net, image_CHW[None])
    return net
