"""Principal components of image patches, which a first convolution may start from (`nets.init.whiten`).

Legend: N images, C channels, H x W pixels, k side of a patch, P = C k k numbers in a patch.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from striate.base.errors import ShapeError
from striate.base.hash_rng import permute
from striate.batches.preprocess import Preprocess
from striate.data.on_the_fly import PixelRows, in_chunks

_IMAGES = 2000  # a sample: a covariance of P x P needs no more
_PLACES = 1024  # about so many patches of an image, evenly spread
_NUMBERS = 2**23  # of patches held at a time, in float64: 64 MiB


class Components(NamedTuple):
    """Variances, falling, and the components that have them, one in each column; numbers in the order C, k, k."""

    variances_P: Tensor
    components_PP: Tensor


def components(
    pixels_NHWC: PixelRows, rows_M: NDArray[np.int64], preprocess: Preprocess, kernel_px: int, seed: int
) -> Components:
    """Eigenpairs of E[x x^T] over the patches of up to 2,000 of the M images, after preprocessing, in float64.

    Of a large image about 1,024 patches are taken, on an even grid; memory does not grow with images or sizes.
    The mean is not taken out, since the convolution that starts from these has no bias to take it out with.
    """
    if kernel_px > min(pixels_NHWC.shape[1:3]):
        raise ShapeError(
            f"patches of {kernel_px} px do not fit into images of {pixels_NHWC.shape[1]} x {pixels_NHWC.shape[2]}. "
            "Set preprocess.size_px higher, or net.init=paper."
        )
    side = preprocess.channels * kernel_px**2
    total_PP = torch.zeros(side, side, dtype=torch.float64)
    count = 0
    order = permute(np.arange(len(rows_M)), len(rows_M), seed, "patches")[:_IMAGES]
    sample = np.sort(rows_M[order])
    places = (pixels_NHWC.shape[1] - kernel_px + 1) * (pixels_NHWC.shape[2] - kernel_px + 1)
    step = max(1, round((places / _PLACES) ** 0.5))
    chunk = max(1, _NUMBERS * step**2 // (places * side))
    for pixels in in_chunks(pixels_NHWC, sample, chunk):
        patches_NPL = functional.unfold(preprocess.images(torch.from_numpy(pixels)), kernel_px, stride=step)
        patches_QP = patches_NPL.transpose(1, 2).reshape(-1, side).to(torch.float64)
        total_PP += patches_QP.T @ patches_QP
        count += len(patches_QP)
    variances_P, components_PP = torch.linalg.eigh(total_PP / count)
    return Components(variances_P.flip(0), components_PP.flip(1))
