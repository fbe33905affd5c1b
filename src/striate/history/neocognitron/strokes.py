"""Strokes drawn as pixels: lines and smooth curves through points, one pixel wide.

Points are (x, y) in pixels, x to the right and y down, (0, 0) the center of the upper left pixel. H x W pixels.
"""

from collections.abc import Iterable
from math import ceil, hypot
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

Point = tuple[float, float]
Pixel = tuple[int, int]
_FINE = 32  # samples of a piece between two points


class Stroke(NamedTuple):
    """One movement of the pen."""

    points: tuple[Point, ...]
    smooth: bool  # a curve through all points, else straight lines from one to the next


def line(*points: Point) -> Stroke:
    """Straight from point to point."""
    return Stroke(points, smooth=False)


def curve(*points: Point) -> Stroke:
    """Smoothly through all points (Catmull & Rom's spline); closed where the last is the first."""
    return Stroke(points, smooth=True)


def render(strokes: Iterable[Stroke], size_px: int, shift: Point = (0, 0)) -> Tensor:
    """The pixels, 1 on strokes and 0 elsewhere, H x W, shifted to the right and down; what lies outside is lost."""
    image_HW = torch.zeros(size_px, size_px)
    for stroke in strokes:
        for x, y in _pixels([(x + shift[0], y + shift[1]) for x, y in path(stroke)]):
            if 0 <= x < size_px and 0 <= y < size_px:
                image_HW[y, x] = 1.0
    return image_HW


def path(stroke: Stroke) -> list[Point]:
    """Points along a stroke, less than a tenth of a pixel apart in images of up to 19 pixels."""
    points = np.array(stroke.points, float)
    closed = stroke.points[0] == stroke.points[-1]
    around = [points[-2] if closed else points[0], *points, points[1] if closed else points[-1]]
    pieces = []
    for p0, p1, p2, p3 in zip(around, around[1:], around[2:], around[3:], strict=False):
        steps = max(_FINE, ceil(10 * hypot(*(p2 - p1))))
        t = np.arange(steps)[:, None] / steps
        straight = p1 + t * (p2 - p1)
        spline = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
        pieces.append(spline if stroke.smooth else straight)
    return [(float(x), float(y)) for x, y in np.concatenate([*pieces, points[-1:]])]


def _pixels(points: Iterable[Point]) -> list[Pixel]:
    """The pixels of a path, without those at a step's corner, which make a line two pixels wide."""
    pixels: list[Pixel] = []
    for x, y in points:
        pixel = (round(x), round(y))
        if pixels and pixel == pixels[-1]:
            continue
        if len(pixels) > 1 and abs(pixel[0] - pixels[-2][0]) <= 1 and abs(pixel[1] - pixels[-2][1]) <= 1:
            pixels.pop()
        pixels.append(pixel)
    return pixels


def thinned(image_HW: Tensor) -> Tensor:
    """A drawing of 0 and 1 with its strokes one pixel wide, by Zhang & Suen's rule (1984, Comm. ACM 27:236), H x W."""
    image_HW = image_HW.clone()
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            removable_HW = _removable(image_HW, first)
            image_HW[removable_HW] = 0.0
            changed |= bool(removable_HW.any())
    return image_HW


def _removable(image_HW: Tensor, first: bool) -> Tensor:
    """Pixels on the border of a stroke, without which it stays in one piece; each subiteration takes those of two sides."""
    padded_HW = torch.nn.functional.pad(image_HW, (1, 1, 1, 1))
    h, w = image_HW.shape
    around = [(0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0), (0, 0)]  # clockwise from above
    near_8HW = torch.stack([padded_HW[y : y + h, x : x + w] for y, x in around])
    count_HW = near_8HW.sum(0)
    begins_HW = ((near_8HW == 0) & (near_8HW.roll(-1, 0) == 1)).sum(0)
    above, right, below, left = near_8HW[0], near_8HW[2], near_8HW[4], near_8HW[6]
    sides = (above * right * below, right * below * left) if first else (above * right * left, above * below * left)
    free_HW = (sides[0] == 0) & (sides[1] == 0)
    return (image_HW == 1) & (count_HW >= 2) & (count_HW <= 6) & (begins_HW == 1) & free_HW
