"""Filter selectivity: the preferred orientation, spatial frequency and color of the filters of a first layer.

All is read off the weights. The power of a kernel at a frequency (u, v), in cycles a pixel, is the squared length of its
Fourier sum there, added over the channels; it is taken on a polar grid of 1 degree and 1/128 cycles a pixel within the
frequencies that pixels can carry, |u| and |v| up to 1/2, which is the spectrum of the kernel in a frame of zeros without end.
Its largest place, refined by a parabola along both directions, gives orientation and frequency. A kernel of 3 x 3 has such a
peak too, but a broad one: that of Sobel spans log2 3 = 1.6 octaves. Kernels below 3 x 3 are not measured.

Orientation is that of the stripes as one sees them: 0 degrees lie, 90 stand, 45 rise to the right.

Legend: F filters, C channels, k x k a kernel, A angles, R radii.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import ShapeError, UnsupportedError
from striate.interpret.activations import finite
from striate.interpret.filter_health import effective
from striate.interpret.readout_points import probes
from striate.nets.net import Net

SMALLEST_K = 3
_STEP = 1 / 128  # cycles a pixel
_ANGLES = 180
_AT_A_TIME = 1 << 22  # numbers of spectra
_TINY = 1e-30
# Orthonormal: light against dark, red against green, yellow against blue
_AXES_3C = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]]) / np.sqrt([[3], [2], [6]])
Array = NDArray[np.float64]


class Preferences(NamedTuple):
    """Selectivity of F filters; nan where a number is not defined."""

    orientation_F: Array  # of the stripes, in degrees from 0 to before 180; nan where the peak is at frequency 0, as of a blob
    frequency_F: Array  # cycles a pixel of the peak; nan for a kernel of zeros
    # Degrees from the peak to half of its power, at its frequency, mean of both sides; nan where it does not fall: not oriented
    half_width_F: Array
    octaves_F: Array  # between the frequencies of half power below and above the peak; nan where there is none on one side
    # How much of the power is oriented: the length of the mean of exp(2 i angle), weighed by power: 0 for a spot or a
    # checkerboard, 1 for a wave without end
    strength_F: Array
    # Share of the energy, the sum of squared weights, off the axis from dark to light, (1, 1, 1); 0 for one channel, nan for
    # other than one or three
    chromatic_F: Array
    # Direction of the chromatic weights, degrees: 0 red against green, 90 yellow against blue, 180 green against red, 270 blue
    # against yellow; of their principal axis the end to which their sum points, which is the color of light over the whole
    # kernel that excites it. Nan without chromatic weights
    hue_F: Array


class First(NamedTuple):
    """The first layer of a network: its name, and its kernels F x C x k x k as they act, norm included."""

    layer: str
    kernels_FCkk: Array


def first(net: Net) -> First:
    """The kernels of the first layer.

    UnsupportedError where the network does not begin with a convolution of at least 3 x 3 over the image.
    """
    probe = next(iter(probes(net)), None)
    weights = np.empty(0) if probe is None else effective(net, probe)
    if probe is None or weights.ndim != 4 or weights.shape[1] != net.input_chw[0] or min(weights.shape[2:]) < SMALLEST_K:
        raise UnsupportedError(
            f"filters are measured where a network begins with a convolution of at least {SMALLEST_K} x {SMALLEST_K} over the "
            f"image, and {type(net).__name__} does not. Measure any layer by gratings: "
            "striate.interpret.orientation_tuning.tuning."
        )
    return First(probe.layer, weights)


def preferences(kernels_FCkk: Array) -> Preferences:
    """Measure filters F x C x k x k, k of at least 3; height and width may differ. ShapeError for other kernels."""
    if kernels_FCkk.ndim != 4 or min(kernels_FCkk.shape[2:]) < SMALLEST_K:
        raise ShapeError(
            f"expected kernels F x C x k x k with k of at least {SMALLEST_K}; got {tuple(kernels_FCkk.shape)}. "
            "Smaller kernels have no spectrum to measure."
        )
    kernels = kernels_FCkk.astype(np.float64)
    step = max(1, _AT_A_TIME // (kernels[0, :, :, 0].size * _ANGLES * len(_radii())))
    parts = [_waves(kernels[first : first + step]) for first in range(0, len(kernels), step)]
    orientation_F, frequency_F, width_F, octaves_F, strength_F = (np.concatenate(part) for part in zip(*parts, strict=True))
    chromatic_F, hue_F = _color(kernels)
    return Preferences(orientation_F, frequency_F, width_F, octaves_F, strength_F, chromatic_F, hue_F)


def _radii() -> Array:
    return np.arange(0, 0.5**0.5 + _STEP / 2, _STEP)


def power(kernels_FCkk: Array, angles_A: Array, radii_R: Array) -> Array:
    """The power of kernels at frequencies: F x R x A, for waves that run in these directions, in radians, counter-clockwise."""
    f, c, h, w = kernels_FCkk.shape
    u_Q = (radii_R[:, None] * np.cos(angles_A)).reshape(-1)
    v_Q = (-radii_R[:, None] * np.sin(angles_A)).reshape(-1)  # rows count down
    along_x, along_y = (np.exp(-2j * np.pi * np.arange(n)[:, None] * q_Q) for n, q_Q in ((w, u_Q), (h, v_Q)))
    lines = (kernels_FCkk.reshape(-1, w).astype(complex) @ along_x).reshape(f * c, h, -1)
    sums = np.einsum("nhq,hq->nq", lines, along_y)
    square = sums.real**2 + sums.imag**2
    power_FRA: Array = square.reshape(f, c, len(radii_R), len(angles_A)).sum(axis=1)
    return power_FRA


def _waves(kernels_FCkk: Array) -> tuple[Array, ...]:
    radii_R, angles_A = _radii(), np.deg2rad(np.arange(_ANGLES))
    reach_A = 0.5 / np.maximum(np.abs(np.cos(angles_A)), np.abs(np.sin(angles_A)))
    carried_RA = radii_R[:, None] <= reach_A + 1e-9
    power_FRA = np.where(carried_RA, power(kernels_FCkk, angles_A, radii_R), 0)
    weighed_FRA = power_FRA * radii_R[:, None]  # the area of a place of the polar grid grows with its radius
    total_F = weighed_FRA.sum(axis=(1, 2))
    mean_F = np.abs((weighed_FRA * np.exp(2j * angles_A)).sum(axis=(1, 2))) / np.maximum(total_F, _TINY)
    rows = [(*_peak(spectrum_RA, carried_RA.sum(axis=0)), mean) for spectrum_RA, mean in zip(power_FRA, mean_F, strict=True)]
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def _peak(power_RA: Array, carried_A: NDArray[np.int64]) -> tuple[float, float, float, float]:
    """Orientation, frequency, half width and octaves of one filter."""
    r, a = np.unravel_index(int(power_RA.argmax()), power_RA.shape)
    most = float(power_RA[r, a])
    if most <= _TINY:
        return np.nan, np.nan, np.nan, np.nan
    if r == 0:
        return np.nan, 0.0, np.nan, np.nan
    ring, ray = power_RA[r], power_RA[: carried_A[a], a]
    angle = a + vertex(ring[a - 1], ring[a], ring[(a + 1) % _ANGLES])
    radius = float(r) + (float(vertex(ray[r - 1], ray[r], ray[r + 1])) if r + 1 < len(ray) else 0.0)
    turned = np.roll(ring, -int(a))
    sides = [steps_to(turned, most / 2), steps_to(np.roll(turned[::-1], 1), most / 2)]
    below, above = r - steps_to(ray[r::-1], most / 2), r + steps_to(ray[r:], most / 2)
    octaves = float(np.log2(above / below)) if below > 0 and np.isfinite(above) else np.nan
    return round(float(angle + 90), 9) % 180, radius * _STEP, float(np.mean(sides)), octaves


def vertex(before: Any, top: Any, after: Any) -> Array:
    """Where the parabola through three neighbors, numbers or arrays of them, is largest, from the middle one."""
    bend = before - 2 * top + after
    return np.where(bend < 0, 0.5 * (before - after) / np.where(bend < 0, bend, 1), 0).clip(-0.5, 0.5)


def steps_to(values: Array, level: float) -> float:
    """Steps from the first value, which is above `level`, to where the line through all falls to it; nan if it never does."""
    below = np.flatnonzero(values <= level)
    if not len(below) or below[0] == 0:
        return np.nan
    index = int(below[0])
    return index - float((level - values[index]) / (values[index - 1] - values[index]))


def _color(kernels_FCkk: Array) -> tuple[Array, Array]:
    f, c = kernels_FCkk.shape[:2]
    unknown = np.full(f, np.nan)
    if c != 3:
        return (np.zeros(f) if c == 1 else unknown), unknown
    along_F3P = np.einsum("ac,fcp->fap", _AXES_3C, kernels_FCkk.reshape(f, 3, -1))
    energy_F3 = np.square(along_F3P).sum(axis=2)
    total_F = energy_F3.sum(axis=1)
    chromatic_F = np.where(total_F > _TINY, energy_F3[:, 1:].sum(axis=1) / np.maximum(total_F, _TINY), np.nan)
    plane_F2P = along_F3P[:, 1:]
    _, axes_F22 = np.linalg.eigh(plane_F2P @ plane_F2P.transpose(0, 2, 1))
    main_F2 = axes_F22[:, :, -1]
    sums_F = np.einsum("fa,fap->f", main_F2, plane_F2P)
    main_F2 = np.where(sums_F[:, None] < 0, -main_F2, main_F2)
    hue_F = np.rad2deg(np.arctan2(main_F2[:, 1], main_F2[:, 0])) % 360
    return chromatic_F, np.where(np.nan_to_num(chromatic_F) > 1e-12, hue_F, np.nan)


def as_json(preferences: Preferences) -> list[dict[str, Any]]:
    """One entry a filter, with None where a number is not defined."""
    names = [name.removesuffix("_F") for name in preferences._fields]
    rows = zip(*(column.tolist() for column in preferences), strict=True)
    return [dict(zip(names, map(finite, row), strict=True)) for row in rows]


def captions(preferences: Preferences) -> Sequence[str]:
    """One short line a filter for below its image: degrees or none, cycles a pixel, and the share of color where it has any."""
    lines = []
    for angle, cycles, width, _, _, color, _ in zip(*preferences, strict=True):
        degrees = "none" if np.isnan(width) else f"{round(angle) % 180}°"
        wave = "blob" if np.isnan(angle) else f"{degrees} {cycles:.2f}"
        lines.append(wave if not color > 0.005 else f"{wave}\n{color:.0%} color")
    return lines
