import numpy as np
import pytest

from striate.interpret import kernel_noise


def white(filters: int, channels: int, k: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((filters, channels, k, k))


@pytest.mark.parametrize("k", [5, 7, 11])
def test_white_noise_has_the_roughness_and_entropy_that_theory_gives(k: int):
    kernels = white(20_000, 1, k)
    assert kernel_noise.roughness(kernels).mean() == pytest.approx(2 * k * k / (k * k - 1), rel=5e-3)
    assert kernel_noise.spectral_entropy(kernels).mean() == pytest.approx(kernel_noise.white_entropy(k), rel=2e-3)


def test_a_ramp_and_a_chequerboard_by_hand():
    ramp = np.arange(3.0).repeat(3).reshape(3, 3)  # variance 2/3; six differences of 1 and six of 0
    assert kernel_noise.roughness(ramp) == pytest.approx((6 / 12) / (2 / 3))
    board = np.indices((4, 4)).sum(axis=0) % 2 * 2.0 - 1  # variance 1, every difference 2
    assert kernel_noise.roughness(board) == pytest.approx(4)


def test_a_pure_wave_has_no_entropy_and_two_of_one_strength_have_ln_2():
    places = np.arange(7)
    one = np.cos(2 * np.pi * 2 * places / 7)[None, :].repeat(7, axis=0)
    assert kernel_noise.spectral_entropy(one) == pytest.approx(0, abs=1e-9)
    assert kernel_noise.spectral_entropy(one + one.T) == pytest.approx(np.log(2))


def test_a_constant_kernel_is_neither():
    assert kernel_noise.roughness(np.ones((2, 5, 5))).tolist() == [0, 0]
    assert kernel_noise.spectral_entropy(np.ones((2, 5, 5))).tolist() == [0, 0]


def test_scale_and_mean_do_not_matter():
    kernels = white(4, 3, 5)
    for result in (kernel_noise.roughness, kernel_noise.spectral_entropy):
        assert result(7 * kernels + 2) == pytest.approx(result(kernels))


@pytest.mark.parametrize(("k", "channels"), [(5, 1), (5, 64), (7, 3), (11, 3)])
@pytest.mark.parametrize("error", [0.05, 0.2])
def test_as_much_white_noise_is_found_as_the_error_rate_says(k: int, channels: int, error: float):
    result = kernel_noise.whiteness(white(2000, channels, k, seed=1), error)
    assert result is not None
    missed = 1 - result.noisy_F.mean()
    # Two tests that share the rate: together they miss between half of it and all of it
    assert error / 2 - 0.02 < missed < error + 0.02


def gabor(k: int, turn: float, cycles: float, phase: float) -> np.ndarray:
    y, x = np.mgrid[:k, :k] - (k - 1) / 2
    along = x * np.cos(turn) + y * np.sin(turn)
    return np.exp(-(x**2 + y**2) / (2 * (k / 4) ** 2)) * np.cos(2 * np.pi * cycles * along / k + phase)


def test_no_gabor_or_blob_is_called_noisy():
    for k in (7, 11):
        gabors = [gabor(k, turn, c, p) for turn in np.linspace(0, 3, 7) for c in (0, 1, 1.5, 2) for p in (0, 1.5)]
        result = kernel_noise.whiteness(np.stack(gabors)[:, None])
        assert result is not None
        assert not result.noisy_F.any()


def test_small_even_and_oblong_kernels_are_not_judged():
    assert kernel_noise.whiteness(white(4, 2, 3)) is None
    assert kernel_noise.whiteness(white(4, 2, 6)) is None
    assert kernel_noise.whiteness(np.ones((4, 2, 5, 7))) is None


def test_the_paper_s_threshold_for_random_layers():
    assert [round(kernel_noise.random_entropy(n), 4) for n in (64, 1024)] == [0.9056, 0.9499]


def test_a_layer_of_random_3x3_kernels_is_random_and_one_of_a_single_kernel_is_not():
    ratio = kernel_noise.entropy_ratio(white(64, 16, 3))
    assert ratio is not None
    assert ratio >= 0.99
    same = white(1, 1, 3).repeat(64, axis=0) * np.arange(1, 65).reshape(-1, 1, 1, 1)
    assert kernel_noise.entropy_ratio(same) == pytest.approx(0, abs=1e-9)
    assert kernel_noise.entropy_ratio(white(4, 4, 5)) is None
    assert kernel_noise.entropy_ratio(white(3, 3, 3)) is None
