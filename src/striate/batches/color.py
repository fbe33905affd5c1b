"""Changes of color as matrices: each is 3 x 4 (1 x 2 for gray), they are composed for each image and applied once.

Legend: N images, C channels, H x W pixels; levels are in [0, 1].
"""

from collections.abc import Iterator, Sequence
from math import pi
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.hash_rng import uniform
from striate.base.settings import Augment

Matrices = NDArray[np.float64]
Numbers = NDArray[np.float64]

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601, as the decoder's
_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_RGB = np.linalg.inv(_YIQ)
COLOR_ONLY = ("saturation", "hue", "pca_noise", "gray")


class Factors(NamedTuple):
    """What multiplies brightness, contrast and saturation of N images, in this order; 1 changes nothing."""

    brightness_N: Numbers
    contrast_N: Numbers
    saturation_N: Numbers


def matrices(
    settings: Augment, ids_N: NDArray[np.uint64], means_NC: Numbers, colors_33: Numbers | None, seed: int, epoch: int,
    after: Sequence[Factors] = (),
) -> Matrices | None:  # fmt: skip
    """N x C x (C + 1) matrices, drawn by (seed, epoch, id); None where nothing of color is asked for.

    The order: brightness, contrast, saturation, hue, PCA noise, gray; then the factors `after`.
    `means_NC`, the mean level of each channel, is for contrast; the columns of `colors_33` are principal components of the
    training pixels times their variances. Saturation does not apply to gray images.
    """
    n, channels = means_NC.shape

    def factor(purpose: str, most: float) -> Numbers:
        return 1 + (2 * uniform(ids_N, seed, epoch, "augment", purpose) - 1) * most

    def grays() -> Numbers:
        return compose(steps, n, channels, means_NC) @ (LUMA if channels == 3 else np.ones(1))

    steps: list[Matrices] = []
    if settings.brightness:
        steps.append(brightness(factor("brightness", settings.brightness), channels))
    if settings.contrast:
        steps.append(contrast(factor("contrast", settings.contrast), grays(), channels))
    if settings.saturation:
        steps.append(saturation(factor("saturation", settings.saturation)))
    if settings.hue:
        steps.append(hue(factor("hue", settings.hue) - 1))
    if settings.pca_noise and colors_33 is not None:
        draws_N3 = np.stack([_normal(ids_N, seed, epoch, f"lighting {axis}") for axis in range(3)], axis=1)
        steps.append(shift(draws_N3 * settings.pca_noise @ colors_33.T))
    if settings.gray:
        drawn_N = uniform(ids_N, seed, epoch, "augment", "grey") < settings.gray
        steps.append(saturation(np.where(drawn_N, 0.0, 1.0)))
    for factors in after:
        steps.append(brightness(factors.brightness_N, channels))
        steps.append(contrast(factors.contrast_N, grays(), channels))
        if channels == 3:
            steps.append(saturation(factors.saturation_N))
    return multiply(steps, n, channels) if steps else None


def multiply(steps: list[Matrices], n: int, channels: int) -> Matrices:
    """One matrix that does what these do one after another."""
    whole = np.tile(np.eye(channels, channels + 1), (n, 1, 1))
    for step in steps:
        linear, constant = step[..., :-1], step[..., -1:]
        whole = np.concatenate([linear @ whole[..., :-1], linear @ whole[..., -1:] + constant], axis=2)
    return whole


def compose(steps: list[Matrices], n: int, channels: int, levels_NC: Numbers) -> Numbers:
    """What these make of one level of each channel of each image."""
    whole = multiply(steps, n, channels)
    return (whole[..., :-1] @ levels_NC[..., None])[..., 0] + whole[..., -1]


def _normal(ids_N: NDArray[np.uint64], seed: int, epoch: int, purpose: str) -> Numbers:
    """Draws from N(0, 1) by Box and Muller's transform."""
    first, second = (uniform(ids_N, seed, epoch, "augment", f"{purpose} {which}") for which in ("radius", "angle"))
    draws_N: Numbers = np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * pi * second)
    return draws_N


def brightness(factors_N: Numbers, channels: int) -> Matrices:
    """Multiplies every level."""
    matrices = np.zeros((len(factors_N), channels, channels + 1))
    for channel in range(channels):
        matrices[:, channel, channel] = factors_N
    return matrices


def contrast(factors_N: Numbers, means_N: Numbers, channels: int) -> Matrices:
    """Multiplies the distance of every level to the image's mean gray."""
    matrices = brightness(factors_N, channels)
    matrices[..., -1] = ((1 - factors_N) * means_N)[:, None]
    return matrices


def saturation(factors_N: Numbers) -> Matrices:
    """Multiplies the distance of every level to its pixel's gray; 0 makes gray images."""
    linear = factors_N[:, None, None] * np.eye(3) + (1 - factors_N)[:, None, None] * LUMA
    return np.concatenate([linear, np.zeros((len(factors_N), 3, 1))], axis=2)


def hue(turns_N: Numbers) -> Matrices:
    """Turns the color circle by so much of it: a rotation of I and Q of YIQ, which keeps the gray of every pixel."""
    angle = 2 * pi * turns_N
    turn = np.tile(np.eye(3), (len(turns_N), 1, 1))
    turn[:, 1, 1], turn[:, 1, 2], turn[:, 2, 1], turn[:, 2, 2] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    return np.concatenate([_RGB @ turn @ _YIQ, np.zeros((len(turns_N), 3, 1))], axis=2)


def shift(levels_N3: Numbers) -> Matrices:
    """Adds one level to each channel."""
    matrices = np.tile(np.eye(3, 4), (len(levels_N3), 1, 1))
    matrices[..., 3] = levels_N3
    return matrices


class Changes(NamedTuple):
    """Matrices as the pixels of a device meet them."""

    changed_N: NDArray[np.bool_]  # whether an image's matrix changes anything
    mixes: bool  # whether a channel is made of others anywhere
    columns_DNC11: Tensor  # float32, of levels up to `unit`; the last is what is added
    unit: float  # the level of white

    def split(self, size: int) -> "Iterator[Changes]":
        """Those of `size` images after `size` images."""
        for number, columns_DNC11 in enumerate(torch.split(self.columns_DNC11, size, dim=1)):
            yield Changes(self.changed_N[number * size : (number + 1) * size], self.mixes, columns_DNC11, self.unit)

    def only(self, chosen_N: NDArray[np.bool_]) -> "Changes":
        """Those of the chosen images."""
        chosen = torch.from_numpy(chosen_N).to(self.columns_DNC11.device)
        return self._replace(changed_N=self.changed_N[chosen_N], columns_DNC11=self.columns_DNC11[:, chosen])


def changes(matrices_NCD: Matrices, unit: float, device: torch.device) -> Changes:
    """What `apply_changes` needs to know of the matrices."""
    channels = matrices_NCD.shape[1]
    scaled_NCD = np.concatenate([matrices_NCD[..., :-1] / unit, matrices_NCD[..., -1:]], axis=2)
    columns_DNC = np.ascontiguousarray(scaled_NCD.transpose(2, 0, 1), dtype=np.float32)
    mixes = bool((matrices_NCD[..., :-1] * (1 - np.eye(channels))).any())
    changed_N = (matrices_NCD != np.eye(channels, channels + 1)).any(axis=(1, 2))
    return Changes(changed_N, mixes, torch.from_numpy(columns_DNC).to(device)[..., None, None], unit)


def apply(images_NCHW: Tensor, matrices_NCD: Matrices, unit: float = 1.0) -> Tensor:
    """The images, whose white is `unit`, through their matrices to [0, 1]; element by element, so that no batch matters.

    An image whose matrix changes nothing is divided by `unit` alone.
    """
    out_NCHW = torch.empty_like(images_NCHW)
    apply_changes(images_NCHW, changes(matrices_NCD, unit, images_NCHW.device), out_NCHW)
    return out_NCHW


def apply_changes(images_NCHW: Tensor, by: Changes, out_NCHW: Tensor) -> None:
    """As `apply`, for matrices whose `changes` are known, into other memory."""
    if by.changed_N.all():
        _apply_each(images_NCHW, by, out_NCHW)
        return
    torch.clamp(images_NCHW / by.unit, 0.0, 1.0, out=out_NCHW)
    if by.changed_N.any():
        chosen = torch.from_numpy(np.flatnonzero(by.changed_N)).to(images_NCHW.device)
        some = images_NCHW[chosen]
        changed = torch.empty_like(some)
        _apply_each(some, by.only(by.changed_N), changed)
        out_NCHW[chosen] = changed


def _apply_each(images_NCHW: Tensor, by: Changes, out_NCHW: Tensor) -> None:
    *columns, added_NC11 = by.columns_DNC11.unbind()  # in place, since each copy of an image is one more pass over memory
    if by.mixes:
        torch.addcmul(added_NC11, images_NCHW[:, :1], columns[0], out=out_NCHW)
        for channel, column_NC11 in enumerate(columns[1:], 1):
            out_NCHW.addcmul_(images_NCHW[:, channel : channel + 1], column_NC11)
    else:
        own_NC11 = by.columns_DNC11[:-1].diagonal(dim1=0, dim2=2).permute(0, 3, 1, 2)
        torch.addcmul(added_NC11, images_NCHW, own_NC11, out=out_NCHW)
    out_NCHW.clamp_(0.0, 1.0)
