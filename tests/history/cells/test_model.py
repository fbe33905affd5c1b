"""Simple and complex cells against what can be worked out: tuning, modulation, shifts."""

from math import cos, exp, pi, radians, sin

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.history.cells import model as hw
from striate.history.cells.model import ASPECT, Peak, bank, modulation, peak

BANK = bank(8, 8.0)
RADIUS = 4
PHASES = np.arange(64) * (360 / 64)


@pytest.fixture(scope="module")
def tuned() -> hw.Responses:
    return hw.tuning(BANK, RADIUS, np.arange(0, 180, 2.5))


def test_a_bank_has_evenly_spaced_orientations_and_fields_with_a_middle():
    assert BANK.degrees_A.tolist() == [0, 22.5, 45, 67.5, 90, 112.5, 135, 157.5]
    assert BANK.side == 31  # 2 ceil(2.5 x 4 / 0.7) + 1
    assert BANK.kernels_PAFF.shape == (2, 8, 31, 31)
    assert hw.stimulus_side(BANK, RADIUS) == 39


@pytest.mark.parametrize("kind", ["simple", "pooled", "energy"])
def test_every_cell_prefers_its_own_orientation(kind: str, tuned: hw.Responses):
    for degrees, curve_N in zip(BANK.degrees_A, getattr(tuned, kind), strict=True):
        preferred = peak(np.arange(0, 180, 2.5), curve_N, 180).place
        # Which places are pooled is a matter of whole pixels, and moves the peak by a step of the curve
        assert min(abs(preferred - degrees), 180 - abs(preferred - degrees)) <= (2.5 if kind == "pooled" else 0)


def amplitude(degrees: float, sigma_waves: float) -> float:
    """What a Gabor filter leaves of a wave of its own length from another direction: the bell's transform at the distance.

    Sigma in wavelengths; the second wave, from the opposite direction, is as far as two wavelengths off and counts for nothing.
    """
    across = sigma_waves * (cos(radians(degrees)) - 1)
    along = sigma_waves / ASPECT * sin(radians(degrees))
    return exp(-2 * pi**2 * (across**2 + along**2))


def test_the_tuning_curve_is_the_transform_of_the_bell(tuned: hw.Responses):
    upright_N = tuned.simple[0] / tuned.simple[0].max()
    for index, degrees in enumerate(np.arange(0, 42.5, 2.5)):
        assert upright_N[index] == pytest.approx(amplitude(degrees, 0.5), abs=0.015), degrees  # a field ends at 2.5 deviations


def test_the_half_width_is_that_of_the_formula(tuned: hw.Responses):
    expected = next(d / 100 for d in range(9000) if amplitude(d / 100, 0.5) <= 0.5)
    assert expected == pytest.approx(15.2, abs=0.05)
    for curve_N in tuned.simple:
        assert peak(np.arange(0, 180, 2.5), curve_N, 180).half_width == pytest.approx(expected, abs=0.4)


def test_a_simple_cell_follows_a_drifting_grating_and_complex_ones_do_not():
    cycle = hw.drift(BANK, RADIUS, 0, PHASES)
    assert modulation(cycle.simple[0]) == pytest.approx(pi / 2, abs=0.005)  # half a sine wave
    assert modulation(cycle.pooled[0]) < 0.05
    assert modulation(cycle.energy[0]) < 0.01
    # By the line of Skottun et al. 1991
    assert modulation(cycle.simple[0]) > 1 > max(modulation(cycle.pooled[0]), modulation(cycle.energy[0]))


def test_pooling_over_more_places_makes_a_simple_cell_complex_step_by_step():
    ratios = [modulation(hw.drift(BANK, radius, 0, PHASES).pooled[0]) for radius in range(5)]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] == pytest.approx(pi / 2, abs=0.005)
    assert ratios[2] < 1
    assert ratios[4] < 0.01  # half a wave to each side always holds a crest


def test_a_simple_cell_is_silent_where_a_crest_falls_into_its_trough_and_an_energy_cell_is_not():
    side = hw.stimulus_side(BANK, 0)
    crest, trough = (hw.respond_to(hw.grating(side, 8, 0, phase), BANK, 0) for phase in (0, 180))
    assert crest.simple[0] > 1
    assert trough.simple[0] == 0
    assert trough.energy[0] == pytest.approx(crest.energy[0])


def test_a_pooled_cell_takes_the_bar_as_much_farther_off_as_it_looks_to_the_side():
    offsets = np.arange(-14, 14.5, 0.5)
    for radius in (0, 3, 5):
        curves = hw.sweep(BANK, radius, offsets)
        simple, pooled = (peak(offsets, curve_AN[0]).half_width for curve_AN in (curves.simple, curves.pooled))
        reach = np.flatnonzero(curves.pooled[0] >= curves.pooled[0].max() / 2)
        assert simple == pytest.approx(1.46, abs=0.01)
        assert offsets[reach[-1]] - offsets[reach[0]] == pytest.approx(2 * (1 + radius))
        assert pooled >= simple


def test_a_pooled_cell_of_one_place_is_a_simple_cell():
    image_HW = np.random.default_rng(0).random((20, 17))
    responses = hw.respond(image_HW, bank(4, 4.0), 0)
    assert responses.simple.shape == (4, 20, 17)
    assert np.array_equal(responses.pooled, responses.simple)


def test_a_map_holds_what_the_cell_at_each_pixel_answers():
    cells, radius = bank(3, 4.0), 2
    image_HW = np.random.default_rng(1).random((40, 44))
    maps, half = hw.respond(image_HW, cells, radius), hw.stimulus_side(cells, radius) // 2
    row, column = 20, 23
    patch = image_HW[row - half : row + half + 1, column - half : column + half + 1]
    for map_AHW, response_A in zip(maps, hw.respond_to(patch, cells, radius), strict=True):
        assert map_AHW.shape == (3, 40, 44)
        assert map_AHW[:, row, column] == pytest.approx(response_A)


@given(st.floats(0, 1), st.integers(1, 20), st.integers(1, 20))
def test_even_light_gives_no_answer_whatever_the_size_of_the_image(light: float, height: int, width: int):
    for map_AHW in hw.respond(np.full((height, width), light), bank(2, 4.0), 1):
        assert map_AHW.shape == (2, height, width)
        assert np.abs(map_AHW).max() < 1e-12


def test_cells_at_other_places_answer_to_a_moved_image_as_these_did():
    image_HW = np.zeros((40, 60))
    image_HW[10:30, 25:31] = 1
    cells = bank(4, 4.0)
    before, after = hw.respond(image_HW, cells, 2), hw.respond(hw.shifted(image_HW, 5), cells, 2)
    for unshifted, moved in zip(before, after, strict=True):
        assert np.abs(unshifted[:, :, :-5] - moved[:, :, 5:]).max() < 1e-12
    assert hw.cosine_similarity(before.pooled, after.pooled) > hw.cosine_similarity(before.simple, after.simple)


def test_shifts_by_hand():
    image_HW = np.array([[1.0, 2, 3, 4]])
    assert hw.shifted(image_HW, 1).tolist() == [[1, 1, 2, 3]]
    assert hw.shifted(image_HW, -2).tolist() == [[3, 4, 4, 4]]
    assert hw.shifted(image_HW, 0).tolist() == image_HW.tolist()


def test_stimuli_by_hand():
    assert hw.grating(5, 4, 0, 0)[0] == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert hw.grating(5, 4, 0, 90)[0] == pytest.approx([0.5, 0, 0.5, 1, 0.5])  # a quarter of a wave to the right
    assert hw.grating(5, 4, 90, 0)[:, 0] == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert hw.bar(7, 2, 0, 0)[3].tolist() == [0, 0, 0.5, 1, 0.5, 0, 0]
    assert hw.bar(7, 2, 0, 0.5)[3].tolist() == [0, 0, 0, 1, 1, 0, 0]


def test_modulation_by_hand():
    cycle = np.arange(8) * (2 * pi / 8)
    assert modulation(np.full(8, 3.0)) == pytest.approx(0)
    assert modulation(5 + 2 * np.cos(cycle - 1)) == pytest.approx(2 / 5)
    assert modulation(1 + np.cos(2 * cycle)) == pytest.approx(0)  # the second harmonic is no first


def test_peaks_by_hand():
    places = np.arange(7.0)
    assert peak(places, np.array([0, 0, 2, 4, 2, 0, 0.0])) == Peak(3, 1)
    assert peak(places, np.array([0, 0, 3, 4, 2, 0, 0.0])) == Peak(3, (1 + 4 / 3) / 2)  # on the left 1 and a third of a step
    assert peak(places, np.array([4, 4, 4, 4, 3, 3, 3.0])) == Peak(0, float("inf"))
    # Round and round: the top is at the seam
    assert peak(np.arange(0, 180, 30.0), np.array([4, 2, 0, 0, 0, 2.0]), 180) == Peak(0, 30)
    assert peak(np.arange(0, 180, 30.0), np.array([2, 0, 0, 0, 2, 4.0]), 180) == Peak(150, 30)


def test_cosine_similarity_by_hand():
    assert hw.cosine_similarity(np.array([3.0, 4]), np.array([4.0, 3])) == pytest.approx(24 / 25)
    assert hw.cosine_similarity(np.array([1.0, 2]), np.array([2.0, 4])) == pytest.approx(1)
    assert hw.cosine_similarity(np.zeros(2), np.full(2, 1e-17)) == 1
    assert hw.cosine_similarity(np.zeros(2), np.array([1.0, 2])) == 0
