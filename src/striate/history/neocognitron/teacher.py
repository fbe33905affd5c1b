"""1988: learning with a teacher, who shows each plane the feature to extract and points at the cell that shall respond.

Layer by layer: a layer is trained when those before it have learned. Each exemplar is shown once; the cell that the teacher
points at, the seed cell, is reinforced, and with it all cells of its plane. The input of a layer does not depend on what it has
learned itself, so all its exemplars are shown as one batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from striate.history.neocognitron import digits, features
from striate.history.neocognitron.net import DESIGN_1988, Neocognitron
from striate.history.neocognitron.strokes import render

Q = 1e5  # how much one exemplar reinforces: "large enough"
_SIZE_PX = DESIGN_1988.size_px


class Lesson(NamedTuple):
    """One exemplar: the plane it is for, the image H x W, and the seed cell's row and column in that plane."""

    plane: int
    image_HW: Tensor
    row: int
    column: int


def lessons(stage: int) -> list[Lesson]:
    """The exemplars of the S-cells of a stage, from 1 to 4."""
    if stage == 1:
        return [Lesson(plane, _centered(tile), 9, 9) for plane, tile in enumerate(features.edge_tiles())]
    if stage == 2:
        return [
            Lesson(plane, _centered(tile), 10, 10)
            for plane, feature in enumerate(features.FEATURES)
            for tile in features.feature_tiles(feature)
        ]
    if stage == 3:
        return [
            Lesson(plane, image, _us3_cell(part.center[1]), _us3_cell(part.center[0]))
            for plane, part in enumerate(features.PARTS)
            for image in features.part_images(part, _SIZE_PX)
        ]
    return [
        Lesson(plane, render(strokes, _SIZE_PX), 1, 1)
        for plane, digit in enumerate(digits.TRAINING)
        for strokes in digit.exemplars
    ]


def _centered(tile_hw: Tensor) -> Tensor:
    return torch.nn.functional.pad(tile_hw, ((_SIZE_PX - len(tile_hw)) // 2,) * 4)


def _us3_cell(px: float) -> int:
    """The cell of us3 over a pixel of the input: 13 cells, two pixels apart, the center one over pixel 9."""
    return round(6 + (px - 9) / 2)


def teach(net: Neocognitron) -> Neocognitron:
    """Train the four layers of S-cells of an empty network of the table of 1988; gives it back."""
    for stage in range(1, len(net.design.stages) + 1):
        layer, exemplars = net.s_layer(stage), lessons(stage)
        with torch.no_grad():
            maps_NKHW = net.up_to(torch.stack([lesson.image_HW for lesson in exemplars])[:, None], stage - 1)
        for number, lesson in enumerate(exemplars):
            layer.reinforce(lesson.plane, layer.window_at(maps_NKHW, number, lesson.row, lesson.column), Q)
    return net
