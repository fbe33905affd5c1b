"""Kernel noise: whether kernels can be told from white noise.

A filter that has learned something is smooth or repeats itself; one that has not looks like its random initialization. Two
numbers tell them apart, and both have a known distribution where every weight is drawn by itself from one normal:

- roughness: the mean squared difference of neighbors over the variance; 2 k^2 / (k^2 - 1) for k x k white noise;
- spectral entropy: of the shares of energy at the (k^2 - 1) / 2 frequencies, in nats; H_N - 1 for N of them, H_N harmonic.

What is smooth has a small roughness; what repeats itself, as a fine grating, a small entropy. A filter is called noisy
where both are as large as those of white noise. Kernels of 3 x 3 are too small for that; of these a whole layer is judged
by how evenly its kernels fill their nine dimensions (Gavrikov & Keuper 2022, section 3.3).

Legend: F filters, C channels, k x k a kernel, N frequencies.
"""

from functools import lru_cache
from math import exp, log2
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.hash_rng import seed_of

SMALLEST_K = 5
_DRAWS = 4000
_TINY = 1e-30
Kernels = NDArray[np.float64]


class Whiteness(NamedTuple):
    """How much filters are like white noise, F of each."""

    roughness_F: NDArray[np.float64]  # mean over the channels
    entropy_F: NDArray[np.float64]  # mean over the channels, in nats
    noisy_F: NDArray[np.bool_]  # both are at least what white noise falls below with half of the error rate each


class Bounds(NamedTuple):
    """What the two numbers of white noise fall below with half of an error rate each."""

    roughness: float
    entropy: float


def roughness(kernels: Kernels) -> NDArray[np.float64]:
    """Mean squared difference of vertical and horizontal neighbors over the variance, for each of ... x k x k.

    0 for a kernel that is constant.

    >>> float(roughness(np.array([[1.0, -1.0], [-1.0, 1.0]])))  # a checkerboard: differences of 2, variance 1
    4.0
    """
    down, right = np.diff(kernels, axis=-2), np.diff(kernels, axis=-1)
    total = np.square(down).sum(axis=(-2, -1)) + np.square(right).sum(axis=(-2, -1))
    pairs = down.shape[-2] * down.shape[-1] + right.shape[-2] * right.shape[-1]
    variance = kernels.var(axis=(-2, -1))
    return np.where(variance > _TINY, total / pairs / np.maximum(variance, _TINY), 0.0)


def spectral_entropy(kernels: Kernels) -> NDArray[np.float64]:
    """Entropy of the shares of energy at the frequencies other than 0, each with its mirror image once, in nats.

    For odd k, of ... x k x k; 0 for a kernel that is constant.
    """
    rows, columns = _half_plane(kernels.shape[-1])
    energy = np.square(np.abs(np.fft.fft2(kernels)))[..., rows, columns]
    total = energy.sum(axis=-1, keepdims=True)
    shares = energy / np.maximum(total, _TINY)
    entropy: NDArray[np.float64] = -(shares * np.log(np.maximum(shares, _TINY))).sum(axis=-1)
    return np.where(total[..., 0] > _TINY, entropy, 0.0)


@lru_cache
def _half_plane(k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each pair of frequencies (u, v) and (-u, -v) one, without (0, 0)."""
    taken = [(u, v) for u in range(k) for v in range(k) if (u, v) != (0, 0) and (u, v) <= ((-u) % k, (-v) % k)]
    return np.array([u for u, _ in taken]), np.array([v for _, v in taken])


def white_entropy(k: int) -> float:
    """Mean spectral entropy of k x k white noise: H_N - 1 nats, N = (k^2 - 1) / 2.

    Shares of N exponential energies are uniform on a simplex, and -x ln x has the mean (H_N - 1) / N there.

    >>> [round(white_entropy(k), 4) for k in (5, 7, 11)]
    [2.1032, 2.776, 3.6799]
    """
    return sum(1 / n for n in range(1, (k * k - 1) // 2 + 1)) - 1


@lru_cache
def bounds(k: int, channels: int, error: float) -> Bounds:
    """What white noise of so many channels falls below with probability `error` / 2, each of the two; by 4,000 draws.

    Of more than 16 channels the means are as good as normal, so mean and standard deviation of one channel give the bounds.
    """
    rng = np.random.default_rng(seed_of(k, channels, "white noise"))
    drawn = min(channels, 16)
    kernels = rng.standard_normal((_DRAWS, drawn, k, k))
    limits = []
    for values in (roughness(kernels), spectral_entropy(kernels)):
        if channels <= 16:
            limits.append(float(np.quantile(values.mean(axis=1), error / 2)))
        else:
            limits.append(float(values.mean() + NormalDist().inv_cdf(error / 2) * values.std() / channels**0.5))
    return Bounds(*limits)


def whiteness(kernels_FCkk: Kernels, error: float = 0.05) -> Whiteness | None:
    """Judge filters F x C x k x k of at least 5 x 5, k odd; None for others.

    `error` is the share of filters of white noise that are not called noisy.
    """
    k = kernels_FCkk.shape[-1]
    if k < SMALLEST_K or k % 2 == 0 or kernels_FCkk.shape[-2] != k:
        return None
    rough_F = roughness(kernels_FCkk).mean(axis=1)
    entropy_F = spectral_entropy(kernels_FCkk).mean(axis=1)
    least = bounds(k, kernels_FCkk.shape[1], error)
    return Whiteness(rough_F, entropy_F, (rough_F >= least.roughness) & (entropy_F >= least.entropy))


def variance_entropy(kernels_FCkk: Kernels) -> float:
    """Entropy, to base 10, of the shares of variance along the principal directions of all kernels of a layer.

    Gavrikov & Keuper 2022, section 3.3: 0 where all kernels lie on one line, log10 of k^2 where they fill their space evenly.
    """
    flat = kernels_FCkk.reshape(-1, kernels_FCkk.shape[-1] * kernels_FCkk.shape[-2])
    centered = flat - flat.mean(axis=0)
    energy = np.square(np.linalg.svd(centered, compute_uv=False))
    shares = energy / max(float(energy.sum()), _TINY)
    return float(-(shares * np.log10(np.maximum(shares, _TINY))).sum())


def random_entropy(kernels: int) -> float:
    """The variance entropy from which on so many 3 x 3 kernels count as random (the same source, its fitted curve).

    >>> round(random_entropy(64), 4), round(random_entropy(1024), 4)
    (0.9056, 0.9499)
    """
    return 1.2618047 / (1 + exp(-0.88767525 * (log2(kernels) - 2.30436435))) - 0.31050834


def entropy_ratio(kernels_FCkk: Kernels) -> float | None:
    """Variance entropy of 3 x 3 kernels over that of random ones: 1 or more is random; None for others, or fewer than ten."""
    count = kernels_FCkk.shape[0] * kernels_FCkk.shape[1]
    if kernels_FCkk.shape[-2:] != (3, 3) or count < 10:
        return None
    return variance_entropy(kernels_FCkk) / random_entropy(count)
