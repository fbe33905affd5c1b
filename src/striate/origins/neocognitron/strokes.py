"""Strokes drawn as pixels: lines and smooth curves through points, one pixel wide.

Points are (x, y) in pixels, x to the right and y down, (0, 0) the middle of the upper left pixel. H x W pixels.
"""

from collections.abc import Iterable
from math import ceil, hypot
from typing import NamedTuple

import torch
from torch import Tensor

Point = tuple[float, float]
Pixel = tuple[int, int]
_FINE = 32  # samples of a piece between two points


class Stroke(NamedTuple):
    """One movement of the pen.

    Attributes:
        points: where it goes.
        smooth: by a curve through all points, else by straight lines from one to the next.

    """

    points: tuple[Point, ...]
    smooth: bool


def line(*points: Point) -> Stroke:
    """Straight from point to point."""
    return Stroke(points, smooth=False)


def curve(*points: Point) -> Stroke:
    """Smoothly through all points (Catmull & Rom's spline); closed where the last is the first."""
    return Stroke(points, smooth=True)


def render(strokes: Iterable[Stroke], size_px: int, move: Point = (0, 0)) -> Tensor:
    """The pixels, 1 on strokes and 0 elsewhere, H x W; what lies outside is lost.

    Args:
        strokes: what to draw.
        size_px: side of the picture.
        move: pixels by which all is shifted to the right and down.

    """
    picture_HW = torch.zeros(size_px, size_px)
    for stroke in strokes:
        for x, y in _thinned([(x + move[0], y + move[1]) for x, y in path(stroke)]):
            if 0 <= x < size_px and 0 <= y < size_px:
                picture_HW[y, x] = 1.0
    return picture_HW


def path(stroke: Stroke) -> list[Point]:
    """Points along a stroke, less than a tenth of a pixel apart in pictures of up to 19 pixels."""
    points = stroke.points
    closed = points[0] == points[-1]
    before = points[-2] if closed else points[0]
    after = points[1] if closed else points[-1]
    along = (before, *points, after)
    found: list[Point] = []
    for n in range(len(points) - 1):
        p0, p1, p2, p3 = along[n : n + 4]
        fine = max(_FINE, ceil(10 * hypot(p2[0] - p1[0], p2[1] - p1[1])))
        for t in (step / fine for step in range(fine)):
            found.append(_spline(p0, p1, p2, p3, t) if stroke.smooth else _between(p1, p2, t))
    return [*found, points[-1]]


def _between(p: Point, q: Point, t: float) -> Point:
    return p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])


def _spline(p0: Point, p1: Point, p2: Point, p3: Point, t: float) -> Point:
    def along(a: float, b: float, c: float, d: float) -> float:
        return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))

    return along(p0[0], p1[0], p2[0], p3[0]), along(p0[1], p1[1], p2[1], p3[1])


def _thinned(points: Iterable[Point]) -> list[Pixel]:
    """Pixels met on the way, without those at a step's corner, which make a line two pixels wide."""
    met: list[Pixel] = []
    for x, y in points:
        pixel = (round(x), round(y))
        if met and pixel == met[-1]:
            continue
        if len(met) > 1 and abs(pixel[0] - met[-2][0]) <= 1 and abs(pixel[1] - met[-2][1]) <= 1:
            met.pop()
        met.append(pixel)
    return met
