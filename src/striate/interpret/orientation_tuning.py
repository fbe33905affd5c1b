"""Orientation tuning of units, measured as in the striate cortex: by gratings of every orientation, frequency and phase.

The unit in the middle of a map looks at a wave that drifts past; its response above that to a blank image, never below zero,
is a firing rate. From the rates come the orientation tuning, the preferred frequency, and the modulation ratio F1/F0: the part
of the rate that follows the stripes over its mean. A simple cell responds to stripes in one place, and its ratio is above 1; a
complex cell does not mind where they are, and its ratio is below 1 (Skottun et al. 1991). Exactly: a half-wave rectified
cosine has pi / 2, a constant 0.

Orientation is that of the stripes as one sees them: 0 degrees lie, 90 stand, 45 rise to the right.

Legend: N images, C channels, H x W pixels, U units, A orientations, S frequencies, T phases.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.errors import SettingError
from striate.interpret.activations import finite, layer_names, outputs_up_to
from striate.interpret.filter_orientation_color import steps_to, vertex
from striate.nets.eval_mode import evaluating
from striate.nets.images_at_once import images_at_once
from striate.nets.net import Net

FREQUENCIES = tuple(2.0 ** (n / 2) for n in range(-10, -2))  # 1/32 to 0.35 cycles a pixel, in half octaves
_BATCH = 128
_ROUNDING = 1e-9  # of the largest response
Array = NDArray[np.float64]


class Tuning(NamedTuple):
    """Tuning of U units of a layer; nan for a unit that responds to no grating."""

    layer: str
    orientations_A: Array  # degrees
    frequencies_S: Array  # cycles a pixel
    phases: int  # T
    curve_AU: Array  # the largest rate over the phases, at the unit's best frequency, over its largest: from 0 to 1
    orientation_U: Array  # of the largest rate, refined by a parabola
    # Degrees from there to half of the largest rate, mean of both sides; nan where it does not fall so far: not oriented
    half_width_U: Array
    frequency_U: Array  # the frequency of the largest rate
    phase_U: Array  # radians by which the best grating has drifted: the phase of F1
    modulation_U: Array  # F1/F0
    rate_U: Array  # the largest rate, in the numbers of the layer
    blank_U: Array  # the response to a blank image


def gratings(
    chw: tuple[int, int, int], orientations_N: Array, frequencies_N: Array, phases_N: Array, amplitude: float = 1.0,
    color_C: Sequence[float] | None = None,
) -> Tensor:  # fmt: skip
    """Sinusoidal gratings in the net's numbers: amplitude times cos(2 pi f d - phase), d the distance across the stripes.

    The middle of the image, row h // 2 and column w // 2, is where d is 0. A growing phase drifts down where stripes lie, and
    to the right where they stand: 2 pi f pixels of phase for each pixel of distance. Orientations are of stripes, in degrees,
    frequencies in cycles a pixel, phases in radians; the amplitude is around zero, the mean image where the mean is subtracted;
    `color_C` is a factor for each channel, None for ones, from dark to light.
    """
    c, h, w = chw
    y_H, x_W = (torch.arange(n, dtype=torch.float64) - n // 2 for n in (h, w))
    factors_C11 = (torch.ones(c) if color_C is None else torch.tensor(list(color_C), dtype=torch.float32)).view(-1, 1, 1)
    gratings_NCHW = torch.empty(len(orientations_N), c, h, w)
    columns = zip(np.deg2rad(orientations_N), frequencies_N, phases_N, gratings_NCHW, strict=True)
    for turn, frequency, phase, grating_CHW in columns:  # one by one: in float64 many of them would take much memory
        across_HW = x_W * np.sin(turn) + y_H[:, None] * np.cos(turn)
        wave_HW = amplitude * torch.cos(2 * torch.pi * frequency * across_HW - phase)
        torch.mul(wave_HW.float(), factors_C11, out=grating_CHW)
    return gratings_NCHW


def middle_NU(output: Tensor) -> Tensor:
    """Responses of the unit in the middle of each map; of units without maps, all."""
    return output[:, :, output.shape[2] // 2, output.shape[3] // 2] if output.dim() == 4 else output


def responses_NU(net: Net, layer: str, images_NCHW: Tensor) -> Array:
    """Responses of the middle units of a layer to many images, in batches, in evaluation mode and without gradients."""
    place = next(net.parameters(), torch.empty(0))
    parts = []
    with torch.inference_mode(), evaluating(net):
        size = images_at_once(net, images_NCHW.shape[1:], min(_BATCH, len(images_NCHW)))
        for part_NCHW in torch.split(images_NCHW, size):
            parts.append(middle_NU(outputs_up_to(net, part_NCHW.to(place.device, place.dtype), [layer])[layer]).double().cpu())
    array: Array = torch.cat(parts).numpy()
    return array


def tuning(
    net: Net, layer: str, orientations: int = 36, frequencies: Sequence[float] = FREQUENCIES, phases: int = 8,
    amplitude: float = 1.0, color_C: Sequence[float] | None = None,
) -> Tuning:  # fmt: skip
    """Measure the middle units of a layer by gratings; the forward pass ends at that layer, and the network keeps its mode.

    Of orientations times frequencies times phases images; 36 x 8 x 8 are 2,304. Of any layer; a ReLU is the nearest to a cell.
    Orientations, at least 2, lie evenly over 180 degrees; frequencies are cycles a pixel, above 0 and up to 1/2; phases, at
    least 4, lie evenly over a whole drift (else SettingError). Amplitude and color are those of `gratings`.
    """
    layer_names(net, [layer])
    if orientations < 2 or phases < 4 or not frequencies or not all(0 < f <= 0.5 for f in frequencies):
        raise SettingError(
            "expected at least 2 orientations, 4 phases and frequencies above 0 and up to 0.5 cycles a pixel; got "
            f"{orientations}, {phases} and {', '.join(f'{f:g}' for f in frequencies) or 'none'}."
        )
    angles_A, waves_S = np.arange(orientations) * 180.0 / orientations, np.array(frequencies, float)
    turns_T = np.arange(phases) * 2 * np.pi / phases
    blank_U = responses_NU(net, layer, torch.zeros(1, *net.input_chw))[0]
    grid = np.stack(np.meshgrid(angles_A, waves_S, turns_T, indexing="ij")).reshape(3, orientations, -1)
    chw, sizes = net.input_chw, (len(waves_S), phases, -1)
    rates_ASTU = np.stack([
        responses_NU(net, layer, gratings(chw, angle_N, wave_N, turn_N, amplitude, color_C)).reshape(sizes)
        for angle_N, wave_N, turn_N in grid.transpose(1, 0, 2)
    ])  # fmt: skip
    rates_ASTU = np.maximum(rates_ASTU - blank_U, 0)
    return _tuned(layer, angles_A, waves_S, turns_T, rates_ASTU, blank_U)


def _tuned(layer: str, angles_A: Array, waves_S: Array, turns_T: Array, rates_ASTU: Array, blank_U: Array) -> Tuning:
    units = np.arange(rates_ASTU.shape[-1])
    most_ASU = rates_ASTU.max(axis=2)
    best_U = most_ASU.reshape(-1, len(units)).argmax(axis=0)
    a_U, s_U = np.unravel_index(best_U, most_ASU.shape[:2])
    rate_U = most_ASU[a_U, s_U, units]
    responds_U = rate_U > _ROUNDING * max(1.0, float(np.abs(blank_U).max(initial=0)))
    curve_AU = most_ASU[:, s_U, units] / np.where(responds_U, rate_U, 1)
    drifting_TU = rates_ASTU[a_U, s_U, :, units].T
    mean_U = drifting_TU.mean(axis=0)
    first_U = 2 * (drifting_TU * np.exp(1j * turns_T)[:, None]).mean(axis=0)
    step = float(angles_A[1])
    turned_U = angles_A[a_U] + step * _vertices(curve_AU, a_U)
    # Half a turn further the stripes are the same, but drift the other way
    phase_U = np.where((turned_U < 0) | (turned_U >= 180), -1, 1) * np.angle(first_U)
    widths_U = np.array([_half_width(curve_AU[:, u], int(a_U[u]), step) for u in units])

    def known(values_U: Array) -> Array:
        return np.where(responds_U, values_U, np.nan)

    return Tuning(
        layer, angles_A, waves_S, len(turns_T), curve_AU, known(turned_U % 180), known(widths_U), known(waves_S[s_U]),
        known(phase_U), known(np.abs(first_U) / np.where(responds_U, mean_U, 1)), rate_U, blank_U,
    )  # fmt: skip


def _vertices(curve_AU: Array, a_U: NDArray[np.int64]) -> Array:
    count, units = curve_AU.shape
    return vertex(*(curve_AU[(a_U + offset) % count, np.arange(units)] for offset in (-1, 0, 1)))


def _half_width(curve_A: Array, top: int, step: float) -> float:
    """Degrees to half of the top, mean of both sides, along straight lines between the orientations."""
    turned = (curve_A[(top + direction * np.arange(len(curve_A))) % len(curve_A)] for direction in (1, -1))
    return float(np.mean([steps_to(side_A, 0.5 * side_A[0]) for side_A in turned])) * step


def captions(tuning: Tuning) -> list[str]:
    """Two short lines a unit for below its curve: its number, then orientation and half-width, or that it has none."""
    lines = []
    for u, (angle, width) in enumerate(zip(tuning.orientation_U, tuning.half_width_U, strict=True)):
        oriented = "none" if np.isnan(width) else f"{round(angle) % 180}° ± {width:.0f}°"
        lines.append(f"{u}\n{'silent' if np.isnan(angle) else oriented}")
    return lines


def as_json(tuning: Tuning) -> dict[str, Any]:
    """The tuning for JSON, with None where a number is not defined; a unit is called simple or complex by its ratio."""
    units = []
    for u in range(len(tuning.rate_U)):
        names = ("orientation", "half_width", "frequency", "modulation", "rate")
        values = {name: finite(float(getattr(tuning, f"{name}_U")[u])) for name in names}
        ratio = tuning.modulation_U[u]
        units.append({**values, "kind": None if np.isnan(ratio) else "simple" if ratio > 1 else "complex"})
    angles, curves = tuning.orientations_A.tolist(), tuning.curve_AU.T.tolist()
    return {"name": tuning.layer, "orientations": angles, "curves": curves, "units": units}
