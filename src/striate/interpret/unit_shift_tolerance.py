"""Shift tolerance of units: how similar the response stays when the stimulus shifts, before and after a pool.

Two ways. By gratings: each unit sees its preferred grating, shifted across its stripes; the similarity is the response
relative to the unshifted one. What is linear and rectified follows the cosine, is at a half after a sixth of a period, and
silent half a period away; what is pooled over half a period or more keeps responding. By images: the correlation, over images,
of a unit's responses to them and to the same images shifted; for a linear unit and white noise that is the autocorrelation of
its kernel.

Legend: N images, U units, D shifts.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from striate.base.errors import SettingError
from striate.interpret.activations import finite, layer_names
from striate.interpret.orientation_tuning import Tuning, gratings, responses_NU
from striate.nets.net import Net

_IMAGES, _PIXELS = 512, 1 << 22  # gratings that are made at a time, at most, and pixels of them in float64
Array = NDArray[np.float64]


class Tolerance(NamedTuple):
    """Shift tolerance of U units; nan for a unit that does not respond."""

    layer: str
    by: str  # "gratings" or "images"
    unit: str  # of the shifts: "pixels", or "periods" of each unit's own grating
    shifts_D: Array  # from 0
    # Similarity to the unshifted response, the mean of the directions: by gratings the relative response, by images the
    # correlation; 1 at 0
    response_DU: Array
    half_shift_U: Array  # where the response first falls to a half, linearly interpolated; inf beyond the last shift
    antiphase_U: Array | None  # by gratings: the relative response half a period away, where a simple cell is silent


def by_gratings(
    net: Net, tuned: Tuning, shifts: Sequence[float], amplitude: float = 1.0, *, in_periods: bool = False
) -> Tolerance:
    """Move each unit's best grating, of `orientation_tuning.tuning` at the same amplitude, across its stripes, both ways.

    Shifts grow from 0 (SettingError), in pixels, fractions too, or in periods of each unit's own grating, so that units of all
    frequencies can be compared. The network keeps its mode.
    """
    shifts_D = _checked(shifts)
    units = np.flatnonzero(~np.isnan(tuned.orientation_U))
    count = len(tuned.rate_U)
    period_U = 1 / np.where(np.isnan(tuned.frequency_U), 1, tuned.frequency_U)
    shifts_DU = shifts_D[:, None] * (period_U if in_periods else np.ones(count))
    offsets_EU = np.concatenate([shifts_DU, -shifts_DU, period_U[None] / 2])
    rates_EU = np.full(offsets_EU.shape, np.nan)
    pixels = net.input_chw[1] * net.input_chw[2]
    step = max(1, min(_IMAGES, _PIXELS // pixels) // len(offsets_EU))
    for some in (units[first : first + step] for first in range(0, len(units), step)):
        wave_U, turn_U = tuned.frequency_U[some], tuned.orientation_U[some]
        phases = tuned.phase_U[some] + 2 * np.pi * wave_U * offsets_EU[:, some]
        turns_N, waves_N = (np.broadcast_to(values_U, phases.shape).flatten() for values_U in (turn_U, wave_U))
        stimuli = gratings(net.input_chw, turns_N, waves_N, phases.flatten(), amplitude)
        answers = responses_NU(net, tuned.layer, stimuli).reshape(len(offsets_EU), len(some), count)
        rates_EU[:, some] = np.maximum(answers[:, np.arange(len(some)), some] - tuned.blank_U[some], 0)
    whole_U = np.where(rates_EU[0] > 0, rates_EU[0], np.nan)
    d = len(shifts_D)
    response_DU = (rates_EU[:d] + rates_EU[d : 2 * d]) / 2 / whole_U
    unit = "periods" if in_periods else "pixels"
    return Tolerance(tuned.layer, "gratings", unit, shifts_D, response_DU, _half(shifts_D, response_DU), rates_EU[-1] / whole_U)


def by_images(net: Net, layer: str, images_NCHW: Tensor, most_px: int) -> Tolerance:
    """Correlate a unit's responses to images with those to the same images shifted up, down, left and right.

    The unit is the one in the middle of each map, and what comes in at a border repeats it, so that for fields that keep
    `most_px` from the border nothing is made up. Each whole number of pixels up to `most_px`, which lies inside the image, is
    measured. Of the preprocessed images, at least two (SettingError), hundreds give a correlation to a few hundredths.
    """
    layer_names(net, [layer])
    h, w = images_NCHW.shape[2:]
    if len(images_NCHW) < 2 or not 0 < most_px < min(h, w):
        raise SettingError(
            f"expected at least 2 images and a shift from 1 to {min(h, w) - 1} px; got {len(images_NCHW)} images and "
            f"{most_px} px."
        )
    shifts_D = np.arange(most_px + 1.0)
    wide_NCHW = functional.pad(images_NCHW, (most_px,) * 4, mode="replicate")
    still_NU = responses_NU(net, layer, images_NCHW)
    response_DU = np.ones((len(shifts_D), still_NU.shape[1]))
    for d in range(1, most_px + 1):
        moved = []
        for dy, dx in ((d, 0), (-d, 0), (0, d), (0, -d)):
            top, left = most_px + dy, most_px + dx
            moved.append(_correlation(still_NU, responses_NU(net, layer, wide_NCHW[:, :, top : top + h, left : left + w])))
        response_DU[d] = np.mean(moved, axis=0)
    response_DU[0] = _correlation(still_NU, still_NU)
    return Tolerance(layer, "images", "pixels", shifts_D, response_DU, _half(shifts_D, response_DU), None)


def _checked(shifts: Sequence[float]) -> Array:
    shifts_D = np.asarray(list(shifts), float)
    if len(shifts_D) < 2 or shifts_D[0] != 0 or (np.diff(shifts_D) <= 0).any():
        raise SettingError(f"expected shifts that grow from 0; got {', '.join(f'{s:g}' for s in shifts_D) or 'none'}.")
    return shifts_D


def _correlation(first_NU: Array, other_NU: Array) -> Array:
    """Pearson's, for each unit; nan where a unit always answers the same."""
    first_NU, other_NU = first_NU - first_NU.mean(axis=0), other_NU - other_NU.mean(axis=0)
    size_U = np.sqrt(np.square(first_NU).sum(axis=0) * np.square(other_NU).sum(axis=0))
    return np.where(size_U > 1e-12, (first_NU * other_NU).sum(axis=0) / np.where(size_U > 1e-12, size_U, 1), np.nan)


def _half(shifts_D: Array, response_DU: Array) -> Array:
    shifts = []
    for response_D in response_DU.T:
        below = np.flatnonzero(response_D <= 0.5)
        if np.isnan(response_D).any():
            shifts.append(np.nan)
        elif not len(below):
            shifts.append(np.inf)
        else:
            index = int(below[0])
            share = (response_D[index - 1] - 0.5) / (response_D[index - 1] - response_D[index])
            shifts.append(shifts_D[index - 1] + share * (shifts_D[index] - shifts_D[index - 1]))
    return np.array(shifts)


def as_json(tolerance: Tolerance) -> dict[str, Any]:
    """The tolerance for JSON; None where a number is not defined or, of `half`, lies beyond the last shift."""
    units = []
    for u in range(tolerance.response_DU.shape[1]):
        antiphase = None if tolerance.antiphase_U is None else finite(float(tolerance.antiphase_U[u]))
        response, half_shift = tolerance.response_DU[:, u].tolist(), float(tolerance.half_shift_U[u])
        units.append({"response": [*map(finite, response)], "half_shift": finite(half_shift), "antiphase": antiphase})
    shifts = tolerance.shifts_D.tolist()
    return {"name": tolerance.layer, "by": tolerance.by, "unit": tolerance.unit, "shifts": shifts, "units": units}
