"""Simple and complex cells of the visual cortex, as Hubel & Wiesel found them (1959, 1962, 1968), made of Gabor functions.

A simple cell responds to a line or edge of its own orientation at its own place: the sum of light times a Gabor function, where
that is above 0. A complex cell responds to the same line anywhere in a larger field. Two accounts of it are here:

- pooled: the largest response of simple cells of one orientation and phase at neighboring places. That simple cells drive a
  complex one like this is Hubel & Wiesel's proposal of 1962; the maximum is Riesenhuber & Poggio's reading of it, 1999.
- energy: the root of the sum of squares of two linear filters a quarter of a wave apart (Adelson & Bergen 1985).

The Gabor function as a model of simple cells is Marcelja's, 1980, and Daugman's, 1985. Nothing is learned. Sizes are in pixels,
and no number of an animal is claimed; what is tested is that cells are told apart as Skottun et al. 1991 do: while a grating
drifts past, the first harmonic of a simple cell's response is larger than its mean, and that of a complex cell smaller.

Legend: A orientations, P = 2 phases (even, odd), F x F pixels of a field, H x W of an image, S x S of a stimulus, N places or
moments, D = 2 A filters.
"""

from collections.abc import Sequence
from math import ceil, cos, pi, radians, sin
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from striate.history.convolution.model import correlate, gabor

Floats = NDArray[np.float64]

ASPECT = 0.7  # of a field, across over along its stripes
_SILENT = 1e-9  # responses that are rounding alone
_PHASES = 16  # of a grating, over which a response is averaged


class Bank(NamedTuple):
    """Cells at one place, of all orientations."""

    wavelength_px: float  # of the stripes that they prefer
    sigma_px: float  # of the bell across the stripes: half a wavelength. Along them it is larger, by 1 / ASPECT
    degrees_A: Floats  # in which direction their stripes follow one another; 0 has upright stripes
    kernels_PAFF: Floats  # the linear filters, even and odd

    @property
    def side(self) -> int:
        """Of a field, in pixels."""
        return int(self.kernels_PAFF.shape[-1])


def bank(orientations: int, wavelength_px: float) -> Bank:
    """Cells of evenly spaced orientations, with fields of two and a half deviations to each side."""
    sigma = wavelength_px / 2
    side = 2 * ceil(2.5 * sigma / ASPECT) + 1
    degrees_A = around(180, orientations)
    kernels = [[gabor(side, wavelength_px, d, phase, sigma, ASPECT) for d in degrees_A] for phase in (0.0, 90.0)]
    return Bank(wavelength_px, sigma, degrees_A, np.array(kernels))


def around(degrees: float, count: int) -> Floats:
    """So many steps from 0 on round a circle: of orientations, which come round after 180 degrees, or phases, after 360."""
    steps: Floats = np.linspace(0.0, degrees, count, endpoint=False)
    return steps


class Responses(NamedTuple):
    """What cells respond, by orientation first: a number each, or a map."""

    simple: Floats  # simple cells of even phase
    pooled: Floats  # complex cells, the largest of neighboring simple ones
    energy: Floats  # complex cells, of an even and an odd filter


def respond(image_HW: Floats, cells: Bank, radius_px: int) -> Responses:
    """Maps, A x H x W, of cells at every pixel of an image; pooled cells take in `radius_px` to each side."""
    return _respond(np.pad(image_HW, cells.side // 2 + radius_px, mode="edge"), cells, radius_px)


def respond_to(stimulus_SS: Floats, cells: Bank, radius_px: int) -> Responses:
    """The responses of the cells in the middle of a stimulus, one number for each orientation."""
    maps = _respond(stimulus_SS, cells, radius_px)
    assert maps.simple.shape[1:] == (1, 1), "a stimulus has the side of `stimulus_side`"
    return Responses(*(map_A11[:, 0, 0] for map_A11 in maps))


def stimulus_side(cells: Bank, radius_px: int) -> int:
    """Pixels that the cells of one place see, the pooled ones included."""
    return cells.side + 2 * radius_px


def _respond(wide_HW: Floats, cells: Bank, radius_px: int) -> Responses:
    orientations, side = len(cells.degrees_A), cells.side
    linear_DHW = correlate(wide_HW[None], cells.kernels_PAFF.reshape(2 * orientations, 1, side, side))
    even_AHW, odd_AHW = linear_DHW[:orientations], linear_DHW[orientations:]
    simple_AHW, energy_AHW = np.maximum(even_AHW, 0), np.hypot(even_AHW, odd_AHW)
    window = (2 * radius_px + 1, 2 * radius_px + 1)
    pooled_AHW = sliding_window_view(simple_AHW, window, axis=(1, 2)).max(axis=(3, 4))
    inner = slice(radius_px, -radius_px or None)
    return Responses(simple_AHW[:, inner, inner], pooled_AHW, energy_AHW[:, inner, inner])


# What is shown to them


def grating(side: int, wavelength_px: float, degrees: float, phase_degrees: float) -> Floats:
    """Stripes of light, in [0, 1], with a crest in the middle at phase 0."""
    across_SS = _across(side, degrees)
    light: Floats = 0.5 + 0.5 * np.cos(2 * pi * across_SS / wavelength_px - radians(phase_degrees))
    return light


def bar(side: int, width_px: float, degrees: float, offset_px: float) -> Floats:
    """A bright bar on dark, as long as the stimulus, `offset_px` from the middle; pixels that it covers in part are gray."""
    light: Floats = np.clip((width_px + 1) / 2 - np.abs(_across(side, degrees) - offset_px), 0, 1)
    return light


def _across(side: int, degrees: float) -> Floats:
    places = np.arange(side) - (side - 1) / 2
    across: Floats = places * cos(radians(degrees)) + places[:, None] * sin(radians(degrees))
    return across


def shifted(image_HW: Floats, by_px: int) -> Floats:
    """An image moved to the right; what comes in on the left is as the rim was."""
    margin = abs(by_px)
    wide_HW = np.pad(image_HW, ((0, 0), (margin, margin)), mode="edge")
    return wide_HW[:, margin - by_px : margin - by_px + image_HW.shape[1]]


# What is measured


def tuning(cells: Bank, radius_px: int, degrees_N: Floats) -> Responses:
    """Responses, A x N, to gratings of the cells' own wavelength at N orientations, on average over a cycle."""
    cycles = [drift(cells, radius_px, float(degrees), around(360, _PHASES)) for degrees in degrees_N]
    return Responses(*np.array([[curve_AN.mean(axis=1) for curve_AN in cycle] for cycle in cycles]).transpose(1, 2, 0))


def drift(cells: Bank, radius_px: int, degrees: float, phases_N: Floats) -> Responses:
    """Responses, A x N, while a grating drifts past: at N of its phases, in degrees."""
    side = stimulus_side(cells, radius_px)
    return respond_to_each([grating(side, cells.wavelength_px, degrees, phase) for phase in phases_N], cells, radius_px)


def sweep(cells: Bank, radius_px: int, offsets_N: Floats) -> Responses:
    """Responses, A x N, to an upright bar, half a wavelength wide, at N places."""
    side = stimulus_side(cells, radius_px)
    return respond_to_each([bar(side, cells.wavelength_px / 2, 0, offset) for offset in offsets_N], cells, radius_px)


def respond_to_each(stimuli: Sequence[Floats], cells: Bank, radius_px: int) -> Responses:
    """Responses, A x N, to N stimuli of the side of `stimulus_side`."""
    moments = [respond_to(stimulus_SS, cells, radius_px) for stimulus_SS in stimuli]
    return Responses(*(np.stack(responses, axis=1) for responses in zip(*moments, strict=True)))


def modulation(responses_N: Floats) -> float:
    """F1 / F0 over one cycle: the first harmonic over the mean; pi / 2 of half a sine wave, 0 of what does not change."""
    turns_N = np.exp(-2j * pi * np.arange(len(responses_N)) / len(responses_N))
    return float(2 * abs((responses_N * turns_N).mean()) / responses_N.mean())


class Peak(NamedTuple):
    """Where a curve is highest, and how far from there, on average of both sides, it has fallen to half."""

    place: float
    half_width: float


def peak(places_N: Floats, curve_N: Floats, period: float | None = None) -> Peak:
    """The peak of a curve over evenly spaced places, with its period if it comes round; infinitely wide if it never halves."""
    top = int(curve_N.argmax())
    if period is not None:  # the peak into the middle
        middle, step = len(curve_N) // 2, places_N[1] - places_N[0]
        places_N = places_N[top] + (np.arange(len(curve_N)) - middle) * step
        curve_N, top = np.roll(curve_N, middle - top), middle
    half, sides = curve_N[top] / 2, []
    for walk, step in ((range(top, len(curve_N) - 1), 1), (range(top, 0, -1), -1)):
        last = next((i for i in walk if curve_N[i + step] <= half), None)  # before it has fallen to half
        if last is None:
            return Peak(float(places_N[top]), float("inf"))
        share = (curve_N[last] - half) / (curve_N[last] - curve_N[last + step])
        sides.append(abs(places_N[last] + share * (places_N[last + step] - places_N[last]) - places_N[top]))
    return Peak(float(places_N[top]), float(np.mean(sides)))


def cosine_similarity(first: Floats, second: Floats) -> float:
    """Of the responses of two populations: 1 where they differ in strength alone, or both are silent."""
    lengths = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    if min(lengths) < _SILENT:
        return float(max(lengths) < _SILENT)
    return float((first * second).sum() / (lengths[0] * lengths[1]))
