import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from striate.base.errors import SettingError
from striate.interpret import filter_orientation_color, orientation_tuning
from support.tiny_nets import POINT, Cells, apart, gabor


def test_a_grating_by_hand():
    lying, standing = orientation_tuning.gratings((1, 5, 5), np.array([0.0, 90.0]), np.array([0.25, 0.25]), np.zeros(2)).round(
        decimals=5
    )
    wave = [-1, 0, 1, 0, -1]  # cos(2 pi d / 4) for d of -2 to 2
    assert standing[0].tolist() == [wave] * 5
    assert lying[0].tolist() == [[level] * 5 for level in wave]
    moved = orientation_tuning.gratings((1, 5, 5), np.array([90.0]), np.array([0.25]), np.array([np.pi / 2])).round(decimals=5)
    assert moved[0, 0, 0].tolist() == [0, -1, 0, 1, 0]  # a quarter period is one pixel to the right
    rising = orientation_tuning.gratings((1, 5, 5), np.array([45.0]), np.array([0.2]), np.zeros(1))[0, 0]
    assert torch.allclose(rising.flip(1).diagonal(), torch.ones(5))  # the stripe through the middle rises to the right


def test_amplitude_and_color():
    tuned = orientation_tuning.gratings((3, 3, 3), np.zeros(1), np.full(1, 0.1), np.zeros(1), amplitude=2.0, color_C=(1, -1, 0))
    assert tuned[0, :, 1, 1].tolist() == [2, -2, 0]


def test_the_modulation_of_a_point_by_hand():
    # A point answers a cosine; above zero, at 8 phases: 1 and twice 0.7071 of 8 values; F1 = 2 / 8 (1 + 2 x 0.7071^2)
    tuned = orientation_tuning.tuning(Cells(POINT), "conv1", 2, (0.125,))
    assert tuned.modulation_U.tolist() == pytest.approx([0.5 / ((1 + 2**0.5) / 8)])
    assert tuned.rate_U.tolist() == pytest.approx([1])
    many = orientation_tuning.tuning(Cells(POINT), "relu1", 2, (0.125,), phases=256)
    assert many.modulation_U.tolist() == pytest.approx([np.pi / 2], abs=1e-3)


def test_pooled_over_half_a_period_it_is_complex_and_over_a_whole_one_a_constant():
    # Period 8 px: a pool of 4 sees four neighbors of the eight phases
    wave = np.cos(np.arange(8) * np.pi / 4)
    largest = np.array([max(wave[(i + np.arange(4)) % 8].max(), 0) for i in range(8)])
    ratio = 2 * abs((largest * np.exp(1j * np.arange(8) * np.pi / 4)).mean()) / largest.mean()
    half = orientation_tuning.tuning(Cells(POINT, pool=4), "pool1", 2, (0.125,))
    assert half.modulation_U.tolist() == pytest.approx([ratio], abs=1e-5)
    assert ratio < 1
    assert orientation_tuning.tuning(Cells(POINT, pool=8), "pool1", 2, (0.125,)).modulation_U.tolist() == pytest.approx(
        [0], abs=1e-5
    )


def test_the_tuning_curve_of_a_linear_unit_is_the_root_of_its_spectrum():
    kernel = gabor(11, 30, 0.177)  # even, so the largest answer is at phase 0
    tuned = orientation_tuning.tuning(Cells(kernel[None]), "conv1", 36, (2**-2.5,))
    power_A = filter_orientation_color.power(kernel[None, None], np.deg2rad(tuned.orientations_A - 90), np.array([2**-2.5]))[
        0, 0
    ]
    assert tuned.curve_AU[:, 0] == pytest.approx(np.sqrt(power_A / power_A.max()), abs=1e-4)


@settings(max_examples=8)
@given(st.floats(0, 179), st.floats(0, 6.28))
def test_orientation_frequency_and_kind_of_a_gabor_before_and_after_the_pool(turn: float, phase: float):
    net = Cells(gabor(11, turn, 0.25, phase)[None], pool=6, side=29)
    simple = orientation_tuning.tuning(net, "relu1", 18, (0.125, 0.25, 0.4))
    pooled = orientation_tuning.tuning(net, "pool1", 18, (0.125, 0.25, 0.4))
    assert apart(simple.orientation_U[0], turn) < 3
    assert simple.frequency_U.tolist() == [0.25]
    assert simple.modulation_U[0] > 1.4
    assert pooled.modulation_U[0] < 0.3
    assert 10 < simple.half_width_U[0] < 45


def test_a_unit_that_never_answers_has_no_numbers_and_a_blank_answer_is_taken_off():
    net = Cells(np.stack([np.zeros((3, 3)), gabor(3, 0, 0.25)]))
    net.conv1.bias = nn.Parameter(torch.tensor([1.0, 2.0]))
    tuned = orientation_tuning.tuning(net, "relu1", 4, (0.25,))
    assert tuned.blank_U.tolist() == [1, 2]
    assert tuned.rate_U[0] == 0
    assert np.isnan(tuned.orientation_U[0])
    first, second = orientation_tuning.as_json(tuned)["units"]
    assert first["kind"] is None
    assert second["kind"] == "simple"


def test_a_circular_unit_has_no_direction():
    y, x = np.mgrid[:11, :11] - 5
    bell = np.exp(-(x**2 + y**2) / 8)
    surround = np.exp(-(x**2 + y**2) / 16)
    circular = bell / bell.sum() - surround / surround.sum()
    net = Cells(np.stack([circular, gabor(11, 30, 0.25), np.zeros((11, 11))]))
    captions = orientation_tuning.captions(orientation_tuning.tuning(net, "relu1", 36, (0.125, 0.25)))
    assert captions[0] == "0\nnone"
    assert captions[1].startswith("1\n30° ± ")
    assert captions[2] == "2\nsilent"
    assert filter_orientation_color.captions(filter_orientation_color.preferences(circular[None, None]))[0].startswith(
        "none 0."
    )


def test_fully_connected_units_are_measured_too():
    tuned = orientation_tuning.tuning(Cells(gabor(11, 30, 0.25)[None]), "fc1", 4, (0.25,))
    assert tuned.rate_U.shape == (2,)


def test_wrong_numbers_and_layers_are_refused():
    net = Cells(POINT)
    for wrong in ({"phases": 3}, {"orientations": 1}, {"frequencies": (0.6,)}, {"frequencies": ()}):
        with pytest.raises(SettingError, match="expected at least 2 orientations, 4 phases and frequencies above 0"):
            orientation_tuning.tuning(net, "conv1", **wrong)
    with pytest.raises(SettingError, match="There is no layer 'conv2'"):
        orientation_tuning.tuning(net, "conv2")
