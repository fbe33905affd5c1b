"""Mixup blends two images, CutMix pastes a rectangle of one into the other; their labels are mixed in the same shares.

An image's partner is the next of the epoch's order, so it depends on no batch. Also rectangles in general, for erasing.

Legend: N images, C channels, H x W pixels.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.hash_rng import uniform
from striate.base.settings import Augment

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]

_ROUNDS = 200  # of rejection; for an exponent of 1, the worst, one in two is taken in each


class Rectangles(NamedTuple):
    """N rectangles in whole pixels: from `left` to before `right`, from `top` to before `bottom`."""

    left: Whole
    right: Whole
    top: Whole
    bottom: Whole

    def mask(self, side_px: int, device: torch.device) -> Tensor:
        """N x 1 x H x W, true within."""
        along = torch.arange(side_px, device=device)
        left, right, top, bottom = (torch.from_numpy(edge).to(device)[:, None] for edge in self)
        across, down = (along >= left) & (along < right), (along >= top) & (along < bottom)
        return (down[:, :, None] & across[:, None, :])[:, None]

    def areas(self) -> Whole:
        """In pixels."""
        return (self.right - self.left) * (self.bottom - self.top)


def mix(
    images_NCHW: Tensor, others_NCHW: Tensor, settings: Augment, ids_N: NDArray[np.uint64], seed: int, epoch: int
) -> tuple[Tensor, Tensor]:
    """(mixed images, share of each image's own label), both drawn by (seed, epoch, id).

    The share comes from a Beta distribution whose two parameters are `settings.mixup` or `settings.cutmix`; where both are set,
    each image is mixed in one of the two ways (Zhang et al. 2018; Yun et al. 2019).
    """
    device, side_px = images_NCHW.device, images_NCHW.shape[-1]
    cut_N = np.zeros(len(ids_N), dtype=bool)
    shares_N = np.ones(len(ids_N))
    if settings.cutmix:
        coin_N = uniform(ids_N, seed, epoch, "augment", "mixup or cutmix")
        cut_N = coin_N < 0.5 if settings.mixup else np.ones(len(ids_N), dtype=bool)
    if settings.mixup:
        shares_N = beta(settings.mixup, ids_N, seed, epoch, "mixup")
    own_N111 = torch.from_numpy(np.where(cut_N, 1.0, shares_N)).to(torch.float32).to(device).view(-1, 1, 1, 1)
    mixed_NCHW = torch.addcmul(others_NCHW, images_NCHW - others_NCHW, own_N111)
    if settings.cutmix:
        boxes = _boxes(1 - beta(settings.cutmix, ids_N, seed, epoch, "cutmix"), side_px, ids_N, seed, epoch)
        inside = boxes.mask(side_px, device) & torch.from_numpy(cut_N).to(device).view(-1, 1, 1, 1)
        mixed_NCHW = torch.where(inside, others_NCHW, mixed_NCHW)
        shares_N = np.where(cut_N, 1 - boxes.areas() / side_px**2, shares_N)
    return mixed_NCHW, torch.from_numpy(shares_N).to(torch.float32).to(device)


def _boxes(areas_N: Numbers, side_px: int, ids_N: NDArray[np.uint64], seed: int, epoch: int) -> Rectangles:
    """Squares of these shares of the image, their middles anywhere, cut off at its border."""
    sides_N = side_px * np.sqrt(areas_N)
    edges = []
    for axis in "xy":
        middle_N = uniform(ids_N, seed, epoch, "augment", f"cutmix {axis}") * side_px
        edges += [np.clip(np.rint(middle_N + sign * sides_N / 2), 0, side_px).astype(np.int64) for sign in (-1, 1)]
    return Rectangles(*edges)


def beta(alpha: float, ids_N: NDArray[np.uint64], seed: int, epoch: int, purpose: str) -> Numbers:
    """N draws from Beta(alpha, alpha), alpha up to 1, by Johnk's rejection (Devroye 1986, chapter IX, section 3.2)."""
    drawn_N = np.full(len(ids_N), 0.5)
    waiting = np.arange(len(ids_N))
    for turn in range(_ROUNDS):
        if not len(waiting):
            break
        first, second = (uniform(ids_N[waiting], seed, epoch, "augment", f"{purpose} {turn} {part}") for part in (0, 1))
        # In logarithms, since u^(1 / alpha) underflows where alpha is small
        log_x, log_y = (np.log(np.maximum(part, 2.0**-60)) / alpha for part in (first, second))
        log_sum = np.logaddexp(log_x, log_y)
        taken = log_sum <= 0
        drawn_N[waiting[taken]] = np.exp(log_x - log_sum)[taken]
        waiting = waiting[~taken]
    return drawn_N
