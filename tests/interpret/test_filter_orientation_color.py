import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.base.errors import ShapeError, UnsupportedError
from striate.interpret import filter_orientation_color
from striate.nets.factory import build
from support.tiny_nets import apart, gabor


def measured(*kernels: np.ndarray) -> filter_orientation_color.Preferences:
    return filter_orientation_color.preferences(np.stack(kernels)[:, None] if kernels[0].ndim == 2 else np.stack(kernels))


def test_stripes_lie_stand_and_rise_as_one_sees_them():
    lying, standing = np.zeros((5, 5)), np.zeros((5, 5))
    lying[[1, 2, 3]] = np.array([-1, 2, -1])[:, None]
    standing[:, [1, 2, 3]] = [-1, 2, -1]
    rising = 3 * np.eye(5)[::-1] - np.roll(np.eye(5)[::-1], 1, axis=1) - np.roll(np.eye(5)[::-1], -1, axis=1)
    result = measured(lying, standing, rising, rising[::-1])
    assert [apart(angle, right) < 1e-6 for angle, right in zip(result.orientation_F, (0, 90, 45, 135), strict=True)] == [
        True
    ] * 4


def test_a_sobel_kernel_by_hand():
    # Its power is sin^2(2 pi u) times that of (1, 2, 1): largest at u = 1/4, v = 0; sin^2 is half at 1/8 and 3/8
    sobel = np.outer([1, 2, 1], [-1, 0, 1])
    result = measured(sobel, sobel.T)
    assert result.orientation_F.tolist() == pytest.approx([90, 0])
    assert result.frequency_F.tolist() == pytest.approx([0.25, 0.25])
    assert result.octaves_F.tolist() == pytest.approx([np.log2(3)] * 2, abs=1e-6)


def test_the_power_is_that_of_the_fourier_transform_in_a_frame_of_zeros():
    kernels = np.random.default_rng(0).standard_normal((2, 3, 5, 5))
    spectrum = (np.abs(np.fft.fft2(kernels, s=(64, 64))) ** 2).sum(axis=1)
    angles, radii = np.deg2rad([0, 90]), np.arange(0, 0.5, 1 / 64)
    result = filter_orientation_color.power(kernels, angles, radii)
    assert result[:, :, 0] == pytest.approx(spectrum[:, 0, :32])
    assert result[:, :, 1] == pytest.approx(spectrum[:, (-np.arange(32)) % 64, 0])  # up is against the rows


@settings(max_examples=40)
@given(st.floats(0, 179.9), st.floats(0.15, 0.35), st.floats(0, 6.28), st.sampled_from([9, 11, 15]))
def test_a_gabor_of_any_orientation_is_found_within_2_degrees_and_a_fiftieth(turn: float, cycles: float, phase: float, k: int):
    result = measured(gabor(k, turn, cycles, phase))
    assert apart(result.orientation_F[0], turn) < 2
    assert result.frequency_F[0] == pytest.approx(cycles, abs=0.02)
    assert result.strength_F[0] > 0.6


def test_the_widths_of_a_gabor_are_those_of_its_window():
    # The spectrum is a Gaussian of deviation 1 / (2 pi sigma) around the peak, its power falls to half at sqrt(ln 2) of that
    sigma, cycles = 6.0, 0.2
    result = measured(gabor(41, 30, cycles, sigma=sigma))
    away = np.log(2) ** 0.5 / (2 * np.pi * sigma)
    assert result.half_width_F[0] == pytest.approx(np.rad2deg(2 * np.arcsin(away / 2 / cycles)), rel=0.02)
    assert result.octaves_F[0] == pytest.approx(np.log2((cycles + away) / (cycles - away)), rel=0.02)


def test_what_has_no_orientation_says_so():
    spot, board = np.zeros((5, 5)), np.indices((4, 4)).sum(axis=0) % 2 * 2.0 - 1
    spot[2, 2] = 1
    y, x = np.mgrid[:7, :7] - 3
    blob = np.exp(-(x**2 + y**2) / 4)
    result = filter_orientation_color.preferences(np.stack([blob, np.zeros((7, 7))])[:, None])
    assert result.frequency_F[0] == 0
    assert np.isnan(result.orientation_F[0])
    assert result.strength_F[0] < 0.01
    assert np.isnan(result.frequency_F[1])
    assert measured(spot).strength_F[0] < 1e-3
    chequered = measured(board)
    assert chequered.strength_F[0] < 0.01
    assert chequered.frequency_F[0] == pytest.approx(0.5**0.5, abs=0.01)


def colored(*rgb: float) -> np.ndarray:
    return np.array(rgb)[:, None, None] * gabor(7, 20, 0.2)


def test_energy_in_color_by_hand():
    result = measured(colored(1, 1, 1), colored(1, -1, 0), colored(1, 0, 0), colored(2, 2, -1))
    assert result.chromatic_F.tolist() == pytest.approx(
        [0, 1, 2 / 3, 6 / 9], abs=1e-9
    )  # 1 - (r + g + b)^2 / 3 / (r^2 + g^2 + b^2)
    assert np.isnan(result.hue_F[0])
    assert result.orientation_F.tolist() == pytest.approx([result.orientation_F[0]] * 4)


def flat(*rgb: float) -> np.ndarray:
    return np.array(rgb, float)[:, None, None] * np.ones((3, 3))


def test_hues_by_hand():
    result = measured(flat(1, -1, 0), flat(1, 1, -2), flat(-1, 1, 0), flat(-1, -1, 2), flat(1, 0, 0))
    # red alone: (1/sqrt 2, 1/sqrt 6), 30 degrees from red against green towards yellow
    assert result.hue_F.tolist() == pytest.approx([0, 90, 180, 270, 30])


def test_one_channel_has_no_color_and_of_five_none_is_known():
    kernels = np.ones((1, 5, 3, 3))
    assert filter_orientation_color.preferences(kernels[:, :1]).chromatic_F.tolist() == [0]
    assert np.isnan(filter_orientation_color.preferences(kernels).chromatic_F).all()


@settings(max_examples=10)
@given(st.floats(0.1, 10))
def test_size_does_not_matter(factor: float):
    kernel = gabor(7, 70, 0.2, 0.3)
    for one, other in zip(measured(kernel), measured(-factor * kernel), strict=True):
        assert other == pytest.approx(one, nan_ok=True)


def test_small_kernels_are_refused_and_networks_without_a_first_convolution():
    with pytest.raises(ShapeError, match=r"expected kernels F x C x k x k with k of at least 3; got \(4, 3, 1, 1\)"):
        filter_orientation_color.preferences(np.ones((4, 3, 1, 1)))
    with pytest.raises(
        UnsupportedError, match=r"MLP does not. Measure any layer by gratings: striate.interpret.orientation_tuning.tuning"
    ):
        filter_orientation_color.first(build("mlp", (1, 8, 8), 2))


def test_the_first_layer_of_a_network_is_as_it_acts():
    net = build("resnet20", (3, 16, 16), 2)
    with torch.no_grad():
        net.bn1.weight.fill_(3.0)
    result = filter_orientation_color.first(net.eval())
    assert result.layer == "conv1"
    assert result.kernels_FCkk == pytest.approx(3 * net.conv1.weight.detach().double().numpy(), rel=1e-4)


def test_for_json_and_for_below_a_image():
    result = measured(colored(1, 1, 1), colored(1, 0, 0), flat(1, 1, 1).repeat(3, 1).repeat(3, 2)[:, :7, :7])
    rows = filter_orientation_color.as_json(result)
    assert rows[0]["hue"] is None
    assert rows[2]["orientation"] is None
    assert filter_orientation_color.captions(result)[0] == f"20° {rows[0]['frequency']:.2f}"
    assert filter_orientation_color.captions(result)[1].endswith("\n67% color")
    assert filter_orientation_color.captions(result)[2] == "blob"
