"""Training patterns below the digits: edges for us1, ends, bends and crossings for us2, parts of digits for us3.

The edges of us1 are those of the table of 1988; the rest is this project's own. A feature for us2 is a bundle of arms that
leave the center of 9 x 9 pixels; arms of a curve bend. A part for us3 is what lies of a digit within a box. The numbers of
planes are those of the table: 12, 38 and 35; so are those of exemplars for us2, 123, and for us3, 73 in all.
"""

from collections.abc import Iterator
from math import cos, radians, sin
from typing import NamedTuple

import torch
from torch import Tensor

from striate.history.neocognitron import digits
from striate.history.neocognitron.strokes import Stroke, curve, render

EDGES = (
    "... ### ...", "..# ##. ...", "... .## #..", "..# .#. #..", ".#. .#. #..", "..# .#. .#.", ".#. .#. .#.", "#.. .#. .#.",
    ".#. .#. ..#", "#.. .#. ..#", "... ##. ..#", "#.. .## ...",
)  # fmt: skip
TILE_PX = 9
_ARM_STEPS = 7


class Feature(NamedTuple):
    """A plane of us2; directions are in degrees, 0 to the right and 90 up."""

    name: str  # of the feature that its group of planes extracts
    arms: tuple[int, ...]  # directions
    exemplars: int  # how many, from the beginning of `TURNS`
    bend: int = 0  # degrees by which an arm's direction has turned at its end, towards `bent_to`
    bent_to: int = 0


TURNS = (0, 8, -8, 15, -15)  # degrees by which the exemplars of a feature are turned


def _bow(name: str, opens: int, exemplars: int, bend: int, tilt: int = 0) -> Feature:
    """A curve that opens towards a direction, through the center."""
    return Feature(name, (opens + 90 + tilt, opens - 90 + tilt), exemplars, bend, opens + tilt)


FEATURES = (
    Feature("upper end", (270,), 4), Feature("lower end", (90,), 4), Feature("left end", (0,), 4),
    Feature("right end", (180,), 4),
    _bow("opens below", 270, 4, 60), _bow("opens below", 270, 4, 90), _bow("opens below", 270, 2, 60, 40),
    _bow("opens below", 270, 3, 60, -40),
    _bow("opens above", 90, 4, 60), _bow("opens above", 90, 2, 60, 40), _bow("opens above", 90, 3, 60, -40),
    _bow("opens right", 0, 4, 50), _bow("opens right", 0, 2, 60, 35), _bow("opens right", 0, 4, 60, -35),
    _bow("opens left", 180, 4, 60, 20), _bow("opens left", 180, 4, 60, -20),
    Feature("upright", (90, 270), 1), Feature("level", (0, 180), 3),
    Feature("rising", (65, 245), 5), Feature("rising", (40, 220), 4), Feature("falling", (-45, 135), 3),
    Feature("fork", (90, 270, 180), 3), Feature("fork", (0, 180, 90), 4), Feature("fork", (60, 240, 0), 3),
    Feature("fork", (50, 270, 130), 3), Feature("fork", (230, 90, 310), 4),
    Feature("crossing", (0, 90, 180, 270), 3), Feature("crossing", (45, 135, 225, 315), 3),
    Feature("crossing", (0, 75, 180, 255), 4), Feature("crossing", (0, 105, 180, 250), 3),
    Feature("corner, upper left", (0, 270), 3),
    Feature("corner, upper right", (180, 270), 3), Feature("corner, upper right", (180, 240), 4),
    Feature("corner, lower left", (90, 0), 3), Feature("corner, lower left", (50, 0), 3),
    Feature("wedge, sideways", (150, 200), 1), Feature("wedge, sideways", (30, -30), 2), Feature("wedge, up", (225, 285), 2),
)  # fmt: skip


def _arm(angle: float, bend: float, bent_to: float) -> Stroke:
    """From the center of a tile to beyond its border, in steps of a pixel."""
    side = 1 if (bent_to - angle) % 360 < 180 else -1
    x = y = (TILE_PX - 1) / 2
    points = [(x, y)]
    for step in range(_ARM_STEPS):
        direction = radians(angle + side * bend * step / (_ARM_STEPS - 1))
        x, y = x + cos(direction), y - sin(direction)
        points.append((x, y))
    return curve(*points)


def feature_tiles(feature: Feature) -> list[Tensor]:
    """The exemplars of a plane of us2, each 9 x 9."""
    return [
        render([_arm(angle + turn, feature.bend, feature.bent_to + turn) for angle in feature.arms], TILE_PX)
        for turn in TURNS[: feature.exemplars]
    ]


def edge_tiles() -> list[Tensor]:
    """The edges of us1, one for each plane, 3 x 3."""
    return [torch.tensor([[float(mark == "#") for mark in row] for row in edge.split()]) for edge in EDGES]


Box = tuple[int, int, int, int]  # left, top, right, bottom: the first and last pixels that are in


class Part(NamedTuple):
    """A plane of us3; its box is larger than the part alone, so that the ends which cutting makes lie at its border."""

    name: str  # of the part that its group of planes extracts
    box: Box
    exemplars: tuple[digits.Strokes, ...]

    @property
    def center(self) -> tuple[float, float]:
        """The center of the box, (x, y) in pixels."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


_Z, _1, _2, _3, _4, _C, _5, _6, _7, _8, _9 = (plane.exemplars for plane in digits.TRAINING)
PARTS = (
    Part("arch", (0, 0, 18, 10), (*_Z, _6[0])), Part("arch", (0, 0, 18, 10), (_2[0], _2[1], _3[0], _9[0])),
    Part("bowl", (0, 8, 18, 18), (*_Z, *_6)), Part("bowl", (0, 8, 18, 18), (*_3, *_5)), Part("bowl", (0, 8, 18, 18), _8),
    Part("left side", (0, 1, 11, 17), (*_Z, *_6)), Part("right side", (7, 1, 18, 17), _Z),
    Part("stroke's top", (1, 0, 15, 12), (_1[0], _1[2])), Part("stroke's foot", (3, 7, 15, 18), (_1[0], _1[1], _1[2])),
    Part("flag", (1, 0, 14, 11), (_1[1],)), Part("flag", (5, 0, 16, 11), _C[:1]),
    Part("foot with base", (0, 8, 14, 18), _2[:1]), Part("foot with base", (5, 9, 18, 18), _2),
    Part("notch", (3, 2, 17, 15), _3),
    Part("neck", (4, 2, 18, 16), (_2[0],)), Part("neck", (4, 2, 18, 16), (_2[1],)), Part("neck", (4, 0, 17, 13), (_3[1],)),
    Part("right bow", (5, 0, 18, 12), (_3[0], _2[0])),
    Part("right belly", (5, 4, 18, 18), (*_3, *_5)), Part("right belly", (5, 4, 18, 18), _6),
    Part("right belly", (5, 4, 18, 18), _8[1:]), Part("stem crossed", (4, 4, 18, 18), (*_4, *_C[:2])),
    Part("corner of a 4", (0, 3, 13, 16), _4), Part("corner of a 4", (0, 3, 13, 16), _C[:3]),
    Part("stem's foot", (5, 8, 17, 18), (*_4, _C[0])), Part("roof with wall", (0, 0, 16, 11), _5),
    Part("wall with belly", (0, 1, 15, 14), _5), Part("long left curve", (1, 0, 15, 13), _6),
    Part("loop below", (1, 5, 17, 18), (_6[0],)), Part("loop below", (1, 5, 17, 18), (_6[1],)),
    Part("roof with slope", (3, 0, 17, 12), _7), Part("tail", (4, 6, 18, 18), _9[:1]),
    Part("waist", (1, 2, 17, 16), (_8[0],)), Part("waist", (1, 2, 17, 16), (_8[1],)), Part("loop above", (1, 0, 17, 14), _9),
)  # fmt: skip


def part_images(part: Part, size_px: int) -> Iterator[Tensor]:
    """The exemplars of a plane of us3, with nothing outside the box."""
    left, top, right, bottom = part.box
    box_HW = torch.zeros(size_px, size_px)
    box_HW[top : bottom + 1, left : right + 1] = 1.0
    for strokes in part.exemplars:
        yield box_HW * render(strokes, size_px)
