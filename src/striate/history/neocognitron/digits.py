"""The digits of this project's own hand, as strokes on 19 x 19 pixels: those for training, and ten in other styles to test.

For each plane of us4 as many exemplars as the table of 1988 has: 2, 3, 2, 2, 3, 4, 1, 2, 2, 2, 2; the digit 4 has two planes.
"""

from typing import NamedTuple

from striate.history.neocognitron.strokes import Point, Stroke, curve, line

Strokes = tuple[Stroke, ...]


class Plane(NamedTuple):
    """The digit of a plane of us4, and its exemplars."""

    digit: int
    exemplars: tuple[Strokes, ...]


def _oval(x: float, y: float, width: float, height: float) -> Stroke:
    """A closed curve about (x, y) that reaches `width` to both sides and `height` up and down."""
    a, b = 0.72 * width, 0.74 * height
    right: tuple[Point, ...] = ((x, y - height), (x + a, y - b), (x + width, y), (x + a, y + b), (x, y + height))
    left: tuple[Point, ...] = ((x - a, y + b), (x - width, y), (x - a, y - b), (x, y - height))
    return curve(*right, *left)


ZERO = ((_oval(9, 9, 5, 7),), (_oval(9, 9, 4, 7),))
ONE = ((line((9, 2), (9, 16)),), (line((6, 5), (9, 2), (9, 16)),), (line((11, 2), (7, 16)),))
TWO = (
    (curve((4, 6), (5, 3), (9, 2), (13, 3.6), (13.6, 6.5), (11, 10), (4, 16)), line((4, 16), (14, 16))),
    (curve((4, 5), (7, 2.4), (11, 2.4), (13, 5), (12, 8.5), (8, 12), (4, 16)), line((4, 16), (14, 16))),
)
THREE = (
    (curve((4, 4), (6.5, 2.2), (10, 2.2), (13, 5), (11.5, 7.8), (8, 9)),
     curve((8, 9), (12, 9.8), (14, 12.5), (12, 15.4), (8, 16.2), (4, 14.5))),
    (line((5, 3), (13, 2), (8, 8)), curve((8, 8), (12, 9), (14, 12), (12, 15.4), (8, 16.2), (4, 14.5))),
)  # fmt: skip
FOUR_OPEN = (
    (line((6, 2), (4, 10), (15, 10)), line((11, 6), (11, 16))),
    (line((5, 2), (5, 10), (14, 10)), line((11, 5), (11, 16))),
    (line((7, 2), (4, 11), (15, 11)), line((12, 6), (11, 16))),
)
FOUR_CLOSED = (
    (line((11, 2), (4, 11), (15, 11)), line((11, 2), (11, 16))),
    (line((12, 2), (3, 11), (15, 11)), line((12, 2), (12, 16))),
    (line((10, 2), (4, 12), (14, 12)), line((10, 2), (10, 16))),
    (line((11, 2), (5, 11), (14, 11)), line((11, 2), (11, 16))),
)
FIVE = ((line((13, 2), (6, 2), (5, 8)), curve((5, 8), (9, 7), (13, 9), (14, 12), (12, 15.2), (8, 16.2), (4, 15))),)
SIX = (
    (curve((12, 2), (8, 4), (5.2, 8), (4.4, 12), (6, 15.2), (9, 16), (13, 14.6), (13.6, 11.6), (11, 9), (7.6, 9), (5, 11)),),
    (curve((11, 2), (7, 6), (5, 11), (6, 15), (9, 16.2), (12, 15), (13, 12), (11, 9.4), (8, 9.4), (5.4, 12)),),
)
SEVEN = ((line((4, 2), (14, 2), (8, 16)),), (line((4, 2), (13, 2), (10, 8), (8, 16)),))
EIGHT = (
    (curve((9, 9), (5.4, 7), (5, 4), (9, 2), (13, 4), (12.6, 7), (9, 9), (5, 11), (4.4, 13.6), (9, 16), (13.6, 13.6), (13, 11),
           (9, 9)),),
    (curve((9, 9), (6, 7), (6, 4), (9, 2), (12, 3.4), (12, 6.4), (9, 9), (5.6, 11.4), (5, 14), (8, 16), (12, 15), (12.4, 12),
           (9, 9)),),
)  # fmt: skip
NINE = (
    (_oval(9, 6, 4.4, 4), curve((13.4, 6), (13, 10), (11.5, 13.5), (9, 16))),
    (_oval(9, 6, 4, 4), line((13, 6), (13, 16))),
)

TRAINING = (
    Plane(0, ZERO), Plane(1, ONE), Plane(2, TWO), Plane(3, THREE), Plane(4, FOUR_OPEN), Plane(4, FOUR_CLOSED), Plane(5, FIVE),
    Plane(6, SIX), Plane(7, SEVEN), Plane(8, EIGHT), Plane(9, NINE),
)  # fmt: skip

OTHERS: tuple[Strokes, ...] = (
    (curve((10, 2), (6, 4), (4, 9), (5, 14), (8, 16), (12, 14), (14, 9), (13, 4), (10, 2)),),
    (line((10, 3), (8, 15)),),
    (curve((5, 5), (8, 2.6), (12, 3), (13, 6), (10, 10), (5, 15)), curve((5, 15), (8, 14.4), (10, 15.4), (13, 15))),
    (curve((5, 3), (8, 2), (12, 3), (12.4, 6), (8, 8.4)), curve((8, 8.4), (12, 10), (13, 13), (10, 16), (6, 15.6), (4, 13.6))),
    (line((9, 3), (5, 11), (14, 10)), line((12, 5), (10, 16))),
    (line((12, 3), (6, 2), (5, 8)), curve((5, 8), (9, 7.4), (12.6, 9.4), (13, 12), (11, 15), (7, 15.6), (4, 14))),
    (curve((10, 2), (6.4, 7), (5, 12), (7, 15.6), (10, 15.6), (12.4, 13), (11, 10), (8, 10), (5.4, 12.6)),),
    (line((5, 3), (13, 2), (11, 7), (9, 15)),),
    (curve((12, 4), (9, 2), (6, 4), (7, 7), (10, 9), (13, 12), (12, 15), (9, 16), (6, 15), (5.4, 12), (8, 9), (11, 7),
           (12, 4)),),
    (curve((13, 5), (10, 2.4), (6, 4), (5.6, 8), (9, 9.6), (12, 8), (13, 5)), line((13, 5), (12, 10), (11, 16))),
)  # fmt: skip
