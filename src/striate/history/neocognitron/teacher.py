"""1988: learning with a teacher, who shows each plane what it shall find and says at which cell.

Layer by layer: a layer is shown its exemplars when those before it have learned. Each exemplar is shown once; the cell at the
place that the teacher points at, the seed, is reinforced, and with it all cells of its plane. What a layer sees does not depend
on what it has learned itself, so all its exemplars are shown as one batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from striate.history.neocognitron import digits, features
from striate.history.neocognitron.net import Neocognitron
from striate.history.neocognitron.strokes import render

Q = 1e5  # how much one exemplar reinforces: "large enough"


class Lesson(NamedTuple):
    """One exemplar: the plane it is for, the image H x W, and the seed's row and column in that plane."""

    plane: int
    image_HW: Tensor
    row: int
    column: int


def lessons(stage: int) -> list[Lesson]:
    """What the S-cells of a stage, from 1 to 4, are shown."""
    size_px = 19
    if stage == 1:
        return [Lesson(plane, _amid(tile, size_px), 9, 9) for plane, tile in enumerate(features.edge_tiles())]
    if stage == 2:
        return [
            Lesson(plane, _amid(tile, size_px), 10, 10)
            for plane, feature in enumerate(features.FEATURES)
            for tile in features.feature_tiles(feature)
        ]
    if stage == 3:
        return [
            Lesson(plane, image, _cell(part.middle[1]), _cell(part.middle[0]))
            for plane, part in enumerate(features.PARTS)
            for image in features.part_images(part, size_px)
        ]
    return [
        Lesson(plane, render(strokes, size_px), 1, 1)
        for plane, taught in enumerate(digits.TEACHING)
        for strokes in taught.exemplars
    ]


def _amid(tile_hw: Tensor, size_px: int) -> Tensor:
    image_HW = torch.zeros(size_px, size_px)
    start, side = (size_px - len(tile_hw)) // 2, len(tile_hw)
    image_HW[start : start + side, start : start + side] = tile_hw
    return image_HW


def _cell(px: float) -> int:
    """The cell of us3 whose view is about a pixel of the input: 13 cells, two pixels apart, the middle one over pixel 9."""
    return round(6 + (px - 9) / 2)


def teach(net: Neocognitron) -> Neocognitron:
    """Teach a fresh network of the table of 1988 its four layers of S-cells; gives it back."""
    for stage in range(1, len(net.design.stages) + 1):
        layer, shown = net.s_layer(stage), lessons(stage)
        with torch.no_grad():
            maps_NKHW = net.up_to(torch.stack([lesson.image_HW for lesson in shown])[:, None], stage - 1)
        for number, lesson in enumerate(shown):
            layer.reinforce(lesson.plane, layer.seen_by(maps_NKHW, number, lesson.row, lesson.column), Q)
    return net
