"""Changes of color as matrices: each is 3 x 4 (1 x 2 for gray), they are composed for each image and applied once.

Legend: N images, C channels, H x W pixels; levels are in [0, 1].
"""

from collections.abc import Sequence
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


def apply(images_NCHW: Tensor, matrices_NCD: Matrices, unit: float = 1.0, out: Tensor | None = None) -> Tensor:
    """The images, whose white is `unit`, through their matrices to [0, 1]; element by element, so that no batch matters.

    An image whose matrix changes nothing is divided by `unit` alone. `out`, other memory, takes the result where it is given.
    """
    out_NCHW = torch.empty_like(images_NCHW) if out is None else out
    changed_N = (matrices_NCD != np.eye(*matrices_NCD.shape[1:])).any(axis=(1, 2))
    if changed_N.all():
        return _apply_each(images_NCHW, matrices_NCD, unit, out_NCHW)
    torch.clamp(images_NCHW / unit, 0.0, 1.0, out=out_NCHW)
    if changed_N.any():
        chosen = torch.from_numpy(np.flatnonzero(changed_N)).to(images_NCHW.device)
        some = images_NCHW[chosen]
        out_NCHW[chosen] = _apply_each(some, matrices_NCD[changed_N], unit, torch.empty_like(some))
    return out_NCHW


def _apply_each(images_NCHW: Tensor, matrices_NCD: Matrices, unit: float, out: Tensor) -> Tensor:
    scaled_NCD = np.concatenate([matrices_NCD[..., :-1] / unit, matrices_NCD[..., -1:]], axis=2)
    m = torch.from_numpy(scaled_NCD).to(torch.float32).to(images_NCHW.device)[..., None, None]
    channels = images_NCHW.shape[1]
    for row in range(channels):
        level = torch.addcmul(m[:, row, channels], images_NCHW[:, 0], m[:, row, 0])
        for column in range(1, channels):
            if matrices_NCD[:, row, column].any():
                level.addcmul_(images_NCHW[:, column], m[:, row, column])
        torch.clamp(level, 0.0, 1.0, out=out[:, row])
    return out
