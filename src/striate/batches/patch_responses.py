"""Features of images without a network: how strongly they respond to patches of the training images, by quarter.

Patches drawn from the images, whitened, are the filters of one convolution, whose absolute responses are averaged over the
quarters of the image (after Coates, Ng & Lee 2011, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning",
with patches in place of centroids). It sees shapes in gray levels, whatever their contrast, and 4 x 4 colors.

Legend: N images, C channels, H x W pixels, k side of a patch, P = k k, F filters, D features.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from striate.base.hash_rng import permute

SIDE_PX = 32
_PATCH_PX, _FILTERS, _COLORS_PX = 8, 128, 4
_SAMPLED_IMAGES, _STRIDE = 200, 3  # patches are drawn from those of so many images, on such a grid
_CONTRAST = 0.3  # added to the norm of a patch of levels in [0, 1], so that flat ones do not turn into noise
_RIDGE = 0.01  # times the largest variance, added to each in whitening
_FLAT = 1e-2  # variance up to which patches are rounding errors of flat images
_AT_ONCE = 128
_GRAY = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class PatchResponses:
    """The filters."""

    filters_F1kk: Tensor

    def features(self, images_NCHW: Tensor) -> NDArray[np.float32]:
        """N x D, of images as `shrink` gives them: 4 F mean responses, and 4 x 4 means of each channel."""
        return np.concatenate([self._some(some_NCHW) for some_NCHW in torch.split(images_NCHW, _AT_ONCE)])

    def _some(self, images_NCHW: Tensor) -> NDArray[np.float32]:
        gray_N1HW, k = _gray(images_NCHW), self.filters_F1kk.shape[-1]
        mean, mean_square = (functional.avg_pool2d(levels, k, stride=1) for levels in (gray_N1HW, gray_N1HW**2))
        norm = (mean_square - mean**2).clamp_min(0).mul(k * k).sqrt()
        responses_NFHW = functional.conv2d(gray_N1HW, self.filters_F1kk).abs() / (norm + _CONTRAST)
        quarters, colors = (
            functional.adaptive_avg_pool2d(responses_NFHW, 2),
            functional.adaptive_avg_pool2d(images_NCHW, _COLORS_PX),
        )
        features: NDArray[np.float32] = torch.cat([quarters.flatten(1), colors.flatten(1)], dim=1).numpy()
        return features


def fit(images_NCHW: Tensor) -> PatchResponses:
    """Filters from patches of images as `shrink` gives them; the same images give the same filters."""
    gray_N1HW = _gray(images_NCHW[:_SAMPLED_IMAGES])
    k = min(_PATCH_PX, gray_N1HW.shape[-1])
    patches_QP = functional.unfold(gray_N1HW, k, stride=_STRIDE).transpose(1, 2).reshape(-1, k * k)
    patches_QP = patches_QP - patches_QP.mean(dim=1, keepdim=True)
    patches_QP = patches_QP / (patches_QP.norm(dim=1, keepdim=True) + _CONTRAST)
    variances_P, components_PP = torch.linalg.eigh((patches_QP.T @ patches_QP / len(patches_QP)).double())
    root_P = (variances_P.clamp_min(0) + _RIDGE * variances_P.max().clamp_min(_FLAT)).rsqrt()
    whitening_PP = ((components_PP * root_P) @ components_PP.T).float()
    drawn_F = permute(np.arange(min(_FILTERS, len(patches_QP))), len(patches_QP), "patch responses")
    white_FP = functional.normalize(patches_QP[torch.from_numpy(drawn_F)] @ whitening_PP, eps=0.1)  # a flat patch stays near 0
    filters_FP = white_FP @ whitening_PP
    return PatchResponses((filters_FP - filters_FP.mean(dim=1, keepdim=True)).view(-1, 1, k, k))


def shrink(pixels_NHWC: NDArray[np.uint8]) -> Tensor:
    """Square images as levels in [0, 1], N x C x H x W; those above 32 px are averaged down to that."""
    images_NCHW = torch.from_numpy(np.ascontiguousarray(pixels_NHWC)).permute(0, 3, 1, 2).float() / 255
    return functional.adaptive_avg_pool2d(images_NCHW, SIDE_PX) if images_NCHW.shape[-1] > SIDE_PX else images_NCHW


def _gray(images_NCHW: Tensor) -> Tensor:
    if images_NCHW.shape[1] == 1:
        return images_NCHW
    return (images_NCHW * images_NCHW.new_tensor(_GRAY).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
