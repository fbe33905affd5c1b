"""Geometric changes as matrices: 3 x 3 homographies, multiplied for each image, so that pixels are interpolated once.

A matrix maps a place in the new image to the place in the old one that it shows. Places are in units of half a side, with the
middle at (0, 0), x to the right and y down; so sides do not appear in it. Of changes applied one after another the matrices are
multiplied in that order, the first on the left.

Legend: N images, C channels, H x W pixels.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import repeat
from math import pi
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from striate.base.hash_rng import uniform
from striate.base.settings import Augment

Matrices = NDArray[np.float64]
Numbers = NDArray[np.float64]

_PADDING = {"mirror": "reflection", "edge": "border", "black": "zeros"}
_SHRINKS = 1.5  # source pixels for one new pixel, from where on an area mean is sampled
_STILL = -1
_RATIO = (3 / 4, 4 / 3)


def homographies(
    settings: Augment, ids_N: NDArray[np.uint64], side_px: int, seed: int, epoch: int, after: Sequence[Matrices] = ()
) -> Matrices | None:
    """N x 3 x 3 matrices, new place to old place, drawn by (seed, epoch, id); None where nothing geometric is asked for.

    The order: crop, flips, perspective, scale, shear, rotation, shift; then those `after`.
    """

    def draw(purpose: str) -> Numbers:
        return uniform(ids_N, seed, epoch, "augment", purpose)

    def around(purpose: str, most: float) -> Numbers:
        return (2 * draw(purpose) - 1) * most

    maps: list[Matrices] = []
    if settings.crop is not None:
        maps.append(crop(settings.crop, *(draw(f"crop {what}") for what in ("area", "ratio", "x", "y"))))
    if settings.flip:
        mirrored_N = draw("flip") < 0.5
        if settings.flip_alternate:  # Jordan 2024, section 3.6: no image is shown twice in a row alike
            mirrored_N = (uniform(ids_N, seed, 0, "augment", "flip") < 0.5) ^ bool(epoch % 2)
        maps.append(scaling(np.where(mirrored_N, -1.0, 1.0), np.ones(len(ids_N))))
    if settings.flip_vertical:
        maps.append(scaling(np.ones(len(ids_N)), np.where(draw("flip vertical") < 0.5, -1.0, 1.0)))
    if settings.perspective:
        corners = np.stack([draw(f"corner {number}") for number in range(8)], axis=1)
        maps.append(perspective(settings.perspective * corners.reshape(-1, 4, 2)))
    if settings.scale:
        factors = (1 + settings.scale) ** around("scale", 1.0)
        maps.append(scaling(1 / factors, 1 / factors))
    if settings.shear:
        maps.append(shear(around("shear", settings.shear)))
    if settings.rotate:
        maps.append(rotation(around("rotate", settings.rotate)))
    if settings.shift:
        most_px = settings.shift * side_px
        dx, dy = (np.rint(around(f"shift {axis}", most_px)) * (2 / side_px) for axis in "xy")
        maps.append(translation(dx, dy))
    maps += after
    return reduce(np.matmul, maps) if maps else None


def scaling(x: Numbers, y: Numbers) -> Matrices:
    """Shows `x` times as much of the old image from left to right, `y` times from top to bottom; -1 mirrors."""
    maps = np.tile(np.eye(3), (len(x), 1, 1))
    maps[:, 0, 0], maps[:, 1, 1] = x, y
    return maps


def translation(x: Numbers, y: Numbers) -> Matrices:
    """Moves the image by `x` to the right and `y` down, in half sides."""
    maps = np.tile(np.eye(3), (len(x), 1, 1))
    maps[:, 0, 2], maps[:, 1, 2] = -x, -y
    return maps


def rotation(degrees: Numbers) -> Matrices:
    """Turns the image clockwise."""
    maps, turn = np.tile(np.eye(3), (len(degrees), 1, 1)), degrees * pi / 180
    maps[:, 0, 0], maps[:, 0, 1] = np.cos(turn), np.sin(turn)
    maps[:, 1, 0], maps[:, 1, 1] = -np.sin(turn), np.cos(turn)
    return maps


def shear(degrees: Numbers) -> Matrices:
    """Slants vertical lines by so many degrees, to the right at the bottom."""
    maps = np.tile(np.eye(3), (len(degrees), 1, 1))
    maps[:, 0, 1] = -np.tan(degrees * pi / 180)
    return maps


def crop(least_area: float, area: Numbers, ratio: Numbers, x: Numbers, y: Numbers) -> Matrices:
    """Parts of `least_area` to 1 of the image with a width to height of 3/4 to 4/3, brought to the whole size.

    The four draws are from [0, 1). A part that would be wider or higher than the image is as wide or as high.
    """
    areas = least_area + area * (1 - least_area)
    low, high = np.log(_RATIO[0]), np.log(_RATIO[1])
    ratios = np.exp(low + ratio * (high - low))
    wide, tall = np.minimum(np.sqrt(areas * ratios), 1.0), np.minimum(np.sqrt(areas / ratios), 1.0)
    maps = scaling(wide, tall)
    maps[:, 0, 2], maps[:, 1, 2] = (2 * x - 1) * (1 - wide), (2 * y - 1) * (1 - tall)
    return maps


def perspective(inward_N42: Numbers) -> Matrices:
    """Pulls the image's corners inward by so much of half a side, x and y: top left, top right, bottom right, bottom left.

    What is shown is found from four pairs of points: eight linear equations for each image.
    """
    signs = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    new_N42 = signs * (1 - inward_N42)
    n = len(inward_N42)
    left, right = np.zeros((n, 8, 8)), np.zeros((n, 8))
    for corner in range(4):
        (u, v), (x, y) = new_N42[:, corner].T, signs[corner]
        for row, target in ((2 * corner, x), (2 * corner + 1, y)):
            first = 0 if row % 2 == 0 else 3
            left[:, row, first], left[:, row, first + 1], left[:, row, first + 2] = u, v, 1.0
            left[:, row, 6], left[:, row, 7] = -target * u, -target * v
            right[:, row] = target
    solved = np.linalg.solve(left, right[..., None])[..., 0]
    return np.concatenate([solved, np.ones((n, 1))], axis=1).reshape(n, 3, 3)


class Places(NamedTuple):
    """What `N` matrices say of each column and each row of the new images, which together give the places to look at."""

    levels_N: NDArray[np.int64]  # how often each image is halved first; `_STILL` for none that moves
    across_N1W: Tensor  # complex: x and y of the old place, as far as the column gives it
    down_NH1: Tensor  # complex: as far as the row does
    divisor_N1W: Tensor | None  # of both, as far as the column gives it, each twice; None where no matrix has a perspective
    divisor_NH1: Tensor | None

    def split(self, size: int) -> "Iterator[Places]":
        """Those of `size` images after `size` images; all at once, since a slice costs as much as a pass over an image."""
        across, down = torch.split(self.across_N1W, size), torch.split(self.down_NH1, size)
        beside = (repeat(None) if each is None else torch.split(each, size) for each in (self.divisor_N1W, self.divisor_NH1))
        for number, tensors in enumerate(zip(across, down, *beside, strict=False)):
            yield Places(self.levels_N[number * size : (number + 1) * size], *tensors)

    def only(self, chosen_N: NDArray[np.bool_]) -> "Places":
        """Those of the chosen images."""
        chosen = torch.from_numpy(chosen_N).to(self.down_NH1.device)
        divisors = (None if each is None else each[chosen] for each in (self.divisor_N1W, self.divisor_NH1))
        return Places(self.levels_N[chosen_N], self.across_N1W[chosen], self.down_NH1[chosen], *divisors)

    def grid(self) -> Tensor:
        """N x H x W x 2; element by element, so that no batch rounds otherwise than another.

        What depends on one side alone is cheap; each line here that joins both is a pass over all pixels, and none goes over
        x alone or y alone, which lie side by side.
        """
        places_NHW = self.across_N1W + self.down_NH1
        grid_NHW2 = torch.view_as_real(places_NHW)
        if self.divisor_N1W is not None and self.divisor_NH1 is not None:
            nearness_NHW = (self.divisor_N1W + self.divisor_NH1).reciprocal_()
            grid_NHW2.view(nearness_NHW.shape).mul_(nearness_NHW)
        return grid_NHW2


def places(matrices_N33: Matrices, side_px: int, size_px: int, device: torch.device) -> Places:
    """What `sample_at` needs to know of the matrices, for images of `side_px` and new ones of `size_px`."""
    m = torch.from_numpy(matrices_N33 / matrices_N33[:, 2:, 2:]).to(torch.float32).to(device)[..., None, None]
    along = (torch.arange(size_px, dtype=torch.float32, device=device) * 2 + 1) / size_px - 1
    x, y = along[None, None, :], along[None, :, None]
    across = torch.stack([m[:, row, 0] * x + m[:, row, 2] for row in (0, 1)], -1)
    down = torch.stack([m[:, row, 1] * y for row in (0, 1)], -1)
    divisors: tuple[Tensor | None, Tensor | None] = None, None
    if (matrices_N33[:, 2, :2] != 0).any():
        divisors = (m[:, 2, 0] * x + 1.0).repeat_interleave(2, dim=2), m[:, 2, 1] * y
    levels_N = _levels(side_px, matrices_N33, size_px)
    return Places(levels_N, torch.view_as_complex(across), torch.view_as_complex(down), *divisors)


def sample(images_NCHW: Tensor, matrices_N33: Matrices, size_px: int, border: str = "mirror") -> Tensor:
    """N x C x size_px x size_px float32: each new pixel is interpolated between four old ones (bilinear).

    Where an image is shrunk by more than 1.5, its means over 2 x 2, 4 x 4, ... pixels are sampled in its place, so that nothing
    between the pixels is missed; one that stays where it is keeps its pixels. Each image's result depends on that image alone,
    whatever the batch.
    """
    return sample_at(images_NCHW, places(matrices_N33, images_NCHW.shape[-1], size_px, images_NCHW.device), border)


def sample_at(images_NCHW: Tensor, at: Places, border: str = "mirror") -> Tensor:
    """As `sample`, for matrices whose `places` are known."""
    size_px = at.down_NH1.shape[1]
    out_NCHW = images_NCHW.new_empty(*images_NCHW.shape[:2], size_px, size_px)
    reduced = images_NCHW
    for level in range(_STILL, int(at.levels_N.max()) + 1):
        if level > 0:
            reduced = functional.avg_pool2d(reduced, 2)
        chosen_N = at.levels_N == level
        if not chosen_N.any():
            continue
        every = bool(chosen_N.all())
        source = reduced if every else reduced[torch.from_numpy(chosen_N).to(reduced.device)]
        if level != _STILL:
            grid_NHW2 = (at if every else at.only(chosen_N)).grid()
            source = functional.grid_sample(
                source, grid_NHW2, mode="bilinear", padding_mode=_PADDING[border], align_corners=False
            )
        if every:
            return source
        out_NCHW[torch.from_numpy(chosen_N).to(reduced.device)] = source
    return out_NCHW


def _levels(side_px: int, matrices_N33: Matrices, size_px: int) -> NDArray[np.int64]:
    """How often each image is halved first, by the area that a new pixel covers in its middle; `_STILL` for no change."""
    areas_N = np.abs(np.linalg.det(matrices_N33)) / np.abs(matrices_N33[:, 2, 2]) ** 3
    shrinks_N = np.sqrt(np.maximum(areas_N, 1e-12)) * side_px / size_px
    halvings_N = np.where(shrinks_N > _SHRINKS, np.maximum(1, np.round(np.log2(shrinks_N))), 0)
    most = int(np.log2(side_px))
    still_N = (matrices_N33 == np.eye(3)).all(axis=(1, 2)) & (side_px == size_px)
    return np.where(still_N, _STILL, np.minimum(halvings_N, most)).astype(np.int64)
