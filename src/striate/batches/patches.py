"""Principal components of image patches, which a first convolution may start from (`nets.init.whiten`).

Legend: N images, C channels, H x W pixels, k side of a patch, P = C k k numbers in a patch.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from striate.base.draws import permute
from striate.base.errors import ShapeError
from striate.batches.preprocess import Preprocess

_IMAGES = 2000  # a sample: a covariance of P x P needs no more
_CHUNK = 250


class Components(NamedTuple):
    """Variances, falling, and the components that have them, one in each column; numbers in the order C, k, k."""

    variances_P: Tensor
    components_PP: Tensor


def components(
    pixels_NHWC: NDArray[np.uint8], rows_M: NDArray[np.int64], preprocess: Preprocess, kernel_px: int, seed: int
) -> Components:
    """Eigenpairs of E[x x^T] over all patches of up to 2,000 of the M images, after preprocessing, in float64.

    The mean is not taken out, since the convolution that starts from these has no bias to take it out with.

    Raises:
        ShapeError: the images are smaller than a patch.

    """
    if kernel_px > min(pixels_NHWC.shape[1:3]):
        raise ShapeError(
            f"patches of {kernel_px} px do not fit into images of {pixels_NHWC.shape[1]} x {pixels_NHWC.shape[2]}. "
            "Set prepare.size_px higher, or net.init=paper."
        )
    side = preprocess.channels * kernel_px**2
    total_PP = torch.zeros(side, side, dtype=torch.float64)
    count = 0
    order = permute(np.arange(len(rows_M)), len(rows_M), seed, "patches")[:_IMAGES]
    sample = np.sort(rows_M[order])
    for start in range(0, len(sample), _CHUNK):
        pixels = torch.from_numpy(pixels_NHWC[sample[start : start + _CHUNK]])
        patches_NPL = functional.unfold(preprocess.images(pixels), kernel_px)
        patches_QP = patches_NPL.transpose(1, 2).reshape(-1, side).to(torch.float64)
        total_PP += patches_QP.T @ patches_QP
        count += len(patches_QP)
    variances_P, components_PP = torch.linalg.eigh(total_PP / count)
    return Components(variances_P.flip(0), components_PP.flip(1))
