"""From uint8 pixels to the numbers that a network sees, and back.

Pixels are first brought to [0, 1]. Then the mean is subtracted - of each channel, or of each pixel of each channel - and the
result divided by the standard deviation, again of either, or whitened (`whitening.py`). All is fitted on the training split
alone, in one pass in float64, and travels with the weights.

Legend: N images, C channels, H x W pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.config import PreprocessSettings
from striate.base.errors import ShapeError
from striate.batches import whitening
from striate.batches.whitening import Whitening
from striate.data.on_the_fly import PixelRows, in_chunks

EPSILON = 1e-6
_CHUNK = 2048


@dataclass(frozen=True)
class Preprocess:
    """`images = (pixels / 255 - mean) / std`, in float32; whitened after that where there is a whitening."""

    mean: Tensor  # C x 1 x 1 or C x H x W, in [0, 1]; zeros where nothing is subtracted
    std: Tensor  # C x 1 x 1 or C x H x W; ones where nothing is divided
    epsilon: float = EPSILON  # what was added to the variance before the root, so that constant pixels do not divide by zero
    whitening: Whitening | None = None  # of the result; None for none

    @property
    def channels(self) -> int:
        """C."""
        return self.mean.shape[0]

    def to(self, device: torch.device) -> "Preprocess":
        """The same on another device."""
        moved = None if self.whitening is None else self.whitening.to(device)
        return Preprocess(self.mean.to(device), self.std.to(device), self.epsilon, moved)

    def output_chw(self, chw: tuple[int, int, int]) -> tuple[int, int, int]:
        """The shape of what a network gets for images of this shape: another with PCA alone, whose numbers have no places."""
        if self.whitening is None or self.whitening.kind == "zca":
            return chw
        return len(self.whitening.components_KD), 1, 1

    def images(self, pixels_NHWC: Tensor) -> Tensor:
        """uint8 pixels as float32 images, N x C x H x W."""
        if pixels_NHWC.dim() != 4 or pixels_NHWC.shape[3] != self.channels:
            raise ShapeError(
                f"expected pixels_NHWC with C={self.channels}; got {tuple(pixels_NHWC.shape)}. "
                "Decode the image with the model's own size and channels."
            )
        images_NCHW = pixels_NHWC.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        return self.levels(images_NCHW.div_(255.0))

    def levels(self, images_NCHW: Tensor) -> Tensor:
        """Images with levels in [0, 1] as a network sees them; changed in place."""
        scaled_NCHW = images_NCHW.sub_(self.mean).div_(self.std)
        return scaled_NCHW if self.whitening is None else self.whitening.forward(scaled_NCHW)

    def pixels(self, images_NCHW: Tensor) -> Tensor:
        """The inverse, for display: the uint8 pixels N x H x W x C that `images` got, less what a whitening left out."""
        return (self.back(images_NCHW) * 255.0).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    def back(self, images_NCHW: Tensor) -> Tensor:
        """The inverse of `levels`: in [0, 1] for what was an image, beyond for numbers that no image has."""
        if self.whitening is not None:
            channels, height, width = self.mean.shape
            images_NCHW = self.whitening.back(images_NCHW, (channels, height, width))
        return images_NCHW * self.std + self.mean

    def as_json(self) -> dict[str, Any]:
        """What `from_json` needs, without what `tensors` gives."""
        described: dict[str, Any] = {"epsilon": self.epsilon}
        for name, value in (("mean", self.mean), ("std", self.std)):
            described[name] = None if _is_whole(value) else value.flatten().tolist()
        if self.whitening is not None:
            described["whitening"] = {"kind": self.whitening.kind, "epsilon": self.whitening.epsilon}
        return described

    def tensors(self) -> dict[str, Tensor]:
        """Mean and deviation of whole images, and the whitening, where there are such, to be stored beside the weights."""
        by_name = {f"preprocess.{name}": value for name, value in (("mean", self.mean), ("std", self.std)) if _is_whole(value)}
        if self.whitening is not None:
            by_name["preprocess.components"] = self.whitening.components_KD
            by_name["preprocess.variances"] = self.whitening.variances_K
        return by_name

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Self:
        """What `as_json` and `tensors` wrote, bit for bit."""
        mean, std = (
            tensors[f"preprocess.{name}"]
            if saved[name] is None
            else torch.tensor(saved[name], dtype=torch.float32).view(-1, 1, 1)
            for name in ("mean", "std")
        )
        described, transform = saved.get("whitening"), None
        if described is not None:
            parts = tensors["preprocess.components"], tensors["preprocess.variances"]
            transform = Whitening(described["kind"], *parts, described["epsilon"])
        return cls(mean, std, saved["epsilon"], transform)


def _is_whole(value: Tensor) -> bool:
    return value.shape[1:] != (1, 1)


def fit(pixels_NHWC: PixelRows, rows_M: NDArray[np.int64], settings: PreprocessSettings) -> Preprocess:
    """Mean and standard deviation of the pixels in M rows, in one pass whose memory does not grow with M.

    The standard deviation is sqrt(variance + epsilon) of a channel, or of each of its pixels, around what is subtracted;
    epsilon is in units of [0, 1] squared. A whitening is of the images around their mean image.
    """
    if settings.scale in ("pca", "zca"):
        transform, mean = whitening.fit(pixels_NHWC, rows_M, settings.scale, settings.components, settings.epsilon)
        return Preprocess(mean, torch.ones(len(mean), 1, 1), transform.epsilon, transform)
    _, height, width, channels = pixels_NHWC.shape
    total = np.zeros((height, width, channels))
    squares = np.zeros((height, width, channels))
    for levels in in_chunks(pixels_NHWC, rows_M, _CHUNK):
        total += levels.sum(axis=0, dtype=np.float64)
        squares += np.einsum("nhwc,nhwc->hwc", levels, levels, dtype=np.float64)
    mean_image = total / (255.0 * len(rows_M))
    mean_square = squares / (255.0**2 * len(rows_M))
    pixel_mean = mean_image.mean(axis=(0, 1), keepdims=True)
    centers = {"none": np.zeros((1, 1, channels)), "pixel": pixel_mean, "image": mean_image}
    mean = centers[settings.center or "pixel"]
    epsilon = settings.epsilon or EPSILON
    std = np.ones((1, 1, channels))
    if settings.scale != "none":
        # E[(x - m)^2] = E[x^2] - 2 m E[x] + m^2, place by place: right for a mean pixel and for a mean image
        spread = mean_square - 2 * mean * mean_image + mean**2
        if settings.scale == "std":
            spread = spread.mean(axis=(0, 1), keepdims=True)
        std = np.sqrt(np.maximum(spread, 0.0) + epsilon)
    return Preprocess(_as_chw(mean), _as_chw(std), epsilon)


def _as_chw(levels_HWC: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(levels_HWC.transpose(2, 0, 1))).to(torch.float32)
