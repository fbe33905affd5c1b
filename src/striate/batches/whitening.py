"""Whitening: images as coordinates that are uncorrelated and of variance one (PCA), or turned back into images (ZCA).

Of centered levels x with the covariance U diag(S) U^T, over all training images and divided by their number, PCA whitening is
U^T x / sqrt(S + epsilon): its covariance is diag(S / (S + epsilon)), not quite one where there is hardly any variance. ZCA
whitening, U U^T x / sqrt(S + epsilon), has the same, looks most like the image and is symmetric (Bell & Sejnowski 1997,
section 5). With K components, the K directions of the largest variances are kept and the others left out.

Legend: M training images, N images of a batch, D = C H W numbers of an image, K components.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.errors import ShapeError
from striate.data.on_the_fly import PixelRows, read

log = logging.getLogger("striate")

EPSILON = 1e-5
MOST_EXACT = 4096
MOST_INCREMENTAL = 1024
_EXACT_ROWS = 256  # sums of so many products of two bytes are whole numbers below 2^24, which float32 holds exactly
_NULL = 1e-10  # of [0, 1] squared: directions with less variance are said to have none


@dataclass(frozen=True)
class Whitening:
    """The rotation and the variances; it works on centered levels in [0, 1]."""

    kind: Literal["pca", "zca"]  # `pca` gives K coordinates, as N x K x 1 x 1; `zca` gives images
    components_KD: Tensor  # float32, of length one, by falling variance; numbers of an image in the order C, H, W
    variances_K: Tensor  # float32
    epsilon: float  # added to the variances

    def to(self, device: torch.device) -> "Whitening":
        """The same on another device; itself where it is there already, so that its matrix is multiplied out once."""
        if self.components_KD.device == device:
            return self
        return Whitening(self.kind, self.components_KD.to(device), self.variances_K.to(device), self.epsilon)

    @cached_property
    def _deviations_K(self) -> Tensor:
        return (self.variances_K + self.epsilon).sqrt()

    @cached_property
    def _in_one_DD(self) -> Tensor | None:
        """ZCA as one product, where that is cheaper than two."""
        count, size = self.components_KD.shape
        if self.kind != "zca" or 2 * count <= size:
            return None
        return (self.components_KD.T / self._deviations_K) @ self.components_KD

    def forward(self, centered_NCHW: Tensor) -> Tensor:
        """Whitened images; N x K x 1 x 1 of `pca`."""
        flat_ND = centered_NCHW.flatten(1)
        if self._in_one_DD is not None:
            return (flat_ND @ self._in_one_DD).view_as(centered_NCHW)
        coordinates_NK = (flat_ND @ self.components_KD.T) / self._deviations_K
        if self.kind == "pca":
            return coordinates_NK[..., None, None]
        return (coordinates_NK @ self.components_KD).view_as(centered_NCHW)

    def back(self, whitened_NCHW: Tensor, chw: tuple[int, int, int]) -> Tensor:
        """Centered levels again, without what lies outside of the K components."""
        flat_NX = whitened_NCHW.flatten(1)
        coordinates_NK = flat_NX if self.kind == "pca" else flat_NX @ self.components_KD.T
        return ((coordinates_NK * self._deviations_K) @ self.components_KD).view(-1, *chw)


def fit(
    pixels_NHWC: PixelRows,
    rows_M: NDArray[np.int64],
    kind: Literal["pca", "zca"],
    components: int | None = None,
    epsilon: float | None = None,
) -> tuple[Whitening, Tensor]:
    """Fit to the pixels in M rows, in one pass whose memory does not grow with M; also gives the mean image, C x H x W.

    Up to 4,096 dimensions it is exact: products of bytes are summed as whole numbers, so neither their order nor the number of
    threads matters, and the eigenvalues are found in float64. Beyond, the components are found by incremental PCA (Ross et
    al. 2008) in float64, of which there may be 1,024.
    """
    height, width, channels = pixels_NHWC.shape[1:]
    size = height * width * channels
    check(components, (channels, height, width), len(rows_M))
    find = _exact if size <= MOST_EXACT else _incremental
    mean_D, variances_K, components_KD = find(pixels_NHWC, rows_M, components or size)
    empty = int((variances_K < _NULL).sum())
    if empty:
        log.warning(
            "%d of %d directions have no variance in the %d training images, and whitening them only brings out noise: "
            "preprocess.components=%d leaves them out.", empty, len(variances_K), len(rows_M), len(variances_K) - empty,
        )  # fmt: skip
    largest_K = np.abs(components_KD).argmax(axis=1)
    signs_K = np.sign(components_KD[np.arange(len(components_KD)), largest_K])  # else the sign is the library's whim
    parts = (torch.from_numpy(array).to(torch.float32) for array in (components_KD * signs_K[:, None], variances_K, mean_D))
    rotation_KD, spread_K, mean_image = parts
    whitening = Whitening(kind, rotation_KD.contiguous(), spread_K, epsilon or EPSILON)
    return whitening, mean_image.view(channels, height, width)


def check(components: int | None, chw: tuple[int, int, int], images: int) -> None:
    """Refuse more components than so many images of this shape have, or than are computed."""
    channels, height, width = chw
    size, what = prod(chw), f"{width} x {height} pixels of {channels} channel{'s' * (channels > 1)}"
    if components is None:
        if size > MOST_EXACT:
            raise ShapeError(
                f"whitening {what} means {size:,} dimensions; exactly it is done up to {MOST_EXACT:,}. "
                f"Set preprocess.components, to 256 say (at most {MOST_INCREMENTAL:,}), or a smaller preprocess.size_px."
            )
        return
    most = size if size <= MOST_EXACT else min(images, MOST_INCREMENTAL)
    if components > most:
        raise ShapeError(
            f"expected preprocess.components of at most {most:,} for {what} and {images:,} training images; got "
            f"{components:,}. "
            "Set it lower, or take a smaller preprocess.size_px."
        )


def _flat(pixels_NHWC: PixelRows, rows_M: NDArray[np.int64], count: int) -> Iterator[NDArray[np.uint8]]:
    """The images in the order C, H, W, so many at a time, in parts whose sizes differ by at most one."""
    parts = np.array_split(rows_M, -(-len(rows_M) // count))
    for _, some_NHWC in read(pixels_NHWC, parts, lambda rows_N: rows_N):
        yield some_NHWC.transpose(0, 3, 1, 2).reshape(len(some_NHWC), -1)


Moments = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _exact(pixels_NHWC: PixelRows, rows_M: NDArray[np.int64], components: int) -> Moments:
    size = int(np.prod(pixels_NHWC.shape[1:]))
    total_D, products_DD = np.zeros(size), np.zeros((size, size))
    for bytes_ND in _flat(pixels_NHWC, rows_M, _EXACT_ROWS):
        exact_ND = bytes_ND.astype(np.float32)
        total_D += bytes_ND.sum(axis=0, dtype=np.int64)
        products_DD += exact_ND.T @ exact_ND
    mean_D = total_D / (255.0 * len(rows_M))
    covariance_DD = products_DD / (255.0**2 * len(rows_M))
    covariance_DD -= np.outer(mean_D, mean_D)
    variances_D, vectors_DD = np.linalg.eigh(covariance_DD)
    chosen = slice(None, -components - 1, -1)
    return mean_D, np.maximum(variances_D[chosen], 0.0), vectors_DD.T[chosen]


def _incremental(pixels_NHWC: PixelRows, rows_M: NDArray[np.int64], components: int) -> Moments:
    from sklearn.decomposition import IncrementalPCA

    pca = IncrementalPCA(n_components=components)
    parts = max(1, len(rows_M) // max(2 * components, _EXACT_ROWS))
    for bytes_ND in _flat(pixels_NHWC, rows_M, -(-len(rows_M) // parts)):
        pca.partial_fit(bytes_ND / 255.0)
    own = (len(rows_M) - 1) / len(rows_M)  # the library divides by one less than the number of images
    return pca.mean_, pca.explained_variance_ * own, pca.components_
