"""From uint8 pixels to the numbers that a network sees, and back.

Pixels are first brought to [0, 1]. Then the mean is subtracted - of each channel, or of each pixel of each channel - and the
result divided by the standard deviation of each channel. Both are fitted on the training split alone, in one pass in float64,
and travel with the weights.

Legend: N images, C channels, H x W pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.config import Prepare
from striate.base.errors import ShapeError

EPSILON = 1e-6
_CHUNK = 2048


@dataclass(frozen=True)
class Preprocess:
    """`images = (pixels / 255 - mean) / std`, in float32.

    Attributes:
        mean: C x 1 x 1 or C x H x W, in [0, 1]; zeros where nothing is subtracted.
        std: C x 1 x 1; ones where nothing is divided.
        epsilon: what was added to the variance before the root, so that constant pixels do not divide by zero.

    """

    mean: Tensor
    std: Tensor
    epsilon: float = EPSILON

    @property
    def channels(self) -> int:
        """C."""
        return self.mean.shape[0]

    def to(self, device: torch.device) -> "Preprocess":
        """The same on another device."""
        return Preprocess(self.mean.to(device), self.std.to(device), self.epsilon)

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
        return images_NCHW.sub_(self.mean).div_(self.std)

    def pixels(self, images_NCHW: Tensor) -> Tensor:
        """The inverse, for display: uint8 pixels N x H x W x C, equal to those that `images` was given."""
        levels_NCHW = (images_NCHW * self.std + self.mean) * 255.0
        return levels_NCHW.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    def as_json(self) -> dict[str, Any]:
        """What `from_json` needs: mean and std of each channel, without the mean image."""
        whole = self.mean.shape[1:] != (1, 1)
        means = None if whole else self.mean.flatten().tolist()
        return {"mean": means, "mean_image": whole, "std": self.std.flatten().tolist(), "epsilon": self.epsilon}

    def tensors(self) -> dict[str, Tensor]:
        """The mean image, where there is one, to be stored beside the weights."""
        return {"preprocess.mean": self.mean} if self.mean.shape[1:] != (1, 1) else {}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Self:
        """What `as_json` and `tensors` wrote, bit for bit."""
        if saved["mean_image"]:
            mean = tensors["preprocess.mean"]
        else:
            mean = torch.tensor(saved["mean"], dtype=torch.float32).view(-1, 1, 1)
        return cls(mean, torch.tensor(saved["std"], dtype=torch.float32).view(-1, 1, 1), saved["epsilon"])


def fit(pixels_NHWC: NDArray[np.uint8], rows_M: NDArray[np.int64], settings: Prepare) -> Preprocess:
    """Mean and standard deviation of the pixels in M rows, in one pass whose memory does not grow with M.

    The standard deviation is sqrt(variance + epsilon) of a channel around what is subtracted; epsilon is in units of [0, 1]
    squared.
    """
    _, height, width, channels = pixels_NHWC.shape
    total = np.zeros((height, width, channels))
    squares = np.zeros((height, width, channels))
    for start in range(0, len(rows_M), _CHUNK):
        levels = pixels_NHWC[rows_M[start : start + _CHUNK]]
        total += levels.sum(axis=0, dtype=np.float64)
        squares += np.einsum("nhwc,nhwc->hwc", levels, levels, dtype=np.float64)
    mean_image = total / (255.0 * len(rows_M))
    mean_square = squares / (255.0**2 * len(rows_M))
    mean = {
        "none": np.zeros((1, 1, channels)),
        "pixel": mean_image.mean(axis=(0, 1), keepdims=True),
        "image": mean_image,
    }[settings.centre]
    epsilon = settings.epsilon or EPSILON
    std = np.ones(channels)
    if settings.scale == "std":
        # E[(x - m)^2] = E[x^2] - 2 m E[x] + m^2, place by place: right for a mean pixel and for a mean image
        spread = (mean_square - 2 * mean * mean_image + mean**2).mean(axis=(0, 1))
        std = np.sqrt(np.maximum(spread, 0.0) + epsilon)
    as_chw = torch.from_numpy(np.ascontiguousarray(mean.transpose(2, 0, 1))).to(torch.float32)
    return Preprocess(as_chw, torch.from_numpy(std).to(torch.float32).view(-1, 1, 1), epsilon)
