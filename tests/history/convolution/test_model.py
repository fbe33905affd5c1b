"""Convolution against numbers by hand, against torch, and against its laws; the formulas against the papers' numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from striate.base.errors import SettingError, ShapeError
from striate.history.convolution import model as conv

whole = st.integers(-9, 9)


def matrix(draw: st.DrawFn, most: int) -> np.ndarray:
    rows, columns = draw(st.integers(1, most)), draw(st.integers(1, most))
    values = draw(st.lists(whole, min_size=rows * columns, max_size=rows * columns))
    return np.array(values, float).reshape(rows, columns)


matrices = st.composite(matrix)


def test_a_map_by_hand():
    image_HW = np.arange(9.0).reshape(3, 3)
    kernel_FG = np.array([[1.0, 2], [0, -1]])
    # 0 + 2 - 4, 1 + 4 - 5 / 3 + 8 - 7, 4 + 10 - 8
    assert conv.feature_map(image_HW, kernel_FG).tolist() == [[-2, 0], [4, 6]]
    # Turned by half a turn the kernel is -1 0 / 2 1: 0 + 6 + 4, -1 + 8 + 5 / -3 + 12 + 7, -4 + 14 + 8
    assert conv.feature_map(image_HW, kernel_FG, flip=True).tolist() == [[10, 12], [16, 18]]


def test_the_textbook_sum_over_a_signal():
    # s(t) = sum over a of x(a) w(t - a): 1 2 3 with 1 10 is 1, 10 + 2, 20 + 3, 30
    assert conv.everywhere(np.array([[1.0, 2, 3]]), np.array([[1.0, 10]])).tolist() == [[1, 12, 23, 30]]
    assert np.polymul([1, 2, 3], [1, 10]).tolist() == [1, 12, 23, 30]


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 0), (1, 1), (3, 2)])
def test_volumes_agree_with_torch_which_does_not_flip(stride: int, padding: int):
    random = np.random.default_rng(0)
    image_CHW, kernels_DCFG = random.standard_normal((3, 11, 8)), random.standard_normal((5, 3, 4, 3))
    ours = conv.correlate(image_CHW, kernels_DCFG, stride, padding)
    arguments = {"stride": stride, "padding": padding}
    theirs = functional.conv2d(torch.tensor(image_CHW)[None], torch.tensor(kernels_DCFG), **arguments)[0]
    assert ours.shape == tuple(theirs.shape)
    assert np.abs(ours - theirs.numpy()).max() < 1e-12
    flipped = functional.conv2d(torch.tensor(image_CHW)[None], torch.tensor(kernels_DCFG).flip(2, 3), **arguments)[0]
    assert np.abs(conv.convolve(image_CHW, kernels_DCFG, stride, padding) - flipped.numpy()).max() < 1e-12


def test_eight_kernels_give_eight_maps():
    assert conv.correlate(np.ones((3, 10, 10)), np.ones((8, 3, 3, 3))).shape == (8, 8, 8)


@given(matrices(6), matrices(3), st.integers(1, 3), st.integers(0, 2))
def test_the_slow_way_gives_the_same_map(image_HW: np.ndarray, kernel_FG: np.ndarray, stride: int, padding: int):
    if min(np.array(image_HW.shape) + 2 * padding - kernel_FG.shape) < 0:
        return
    map_YX = conv.feature_map(image_HW, kernel_FG, stride, padding)
    visited = conv.steps(image_HW, kernel_FG, stride, padding)
    assert len(visited) == map_YX.size
    assert [step.total for step in visited] == map_YX.ravel().tolist()
    last = visited[-1]
    assert (last.top, last.left) == (stride * last.row, stride * last.column)
    assert last.products_FG.sum() == last.total


@given(matrices(4), matrices(4), matrices(3))
def test_convolution_commutes_and_associates(a: np.ndarray, b: np.ndarray, c: np.ndarray):
    assert conv.everywhere(a, b).tolist() == conv.everywhere(b, a).tolist()
    left, right = conv.everywhere(conv.everywhere(a, b), c), conv.everywhere(a, conv.everywhere(b, c))
    assert left.tolist() == right.tolist()


@given(matrices(4), matrices(4))
def test_cross_correlation_the_other_way_round_is_turned_by_half_a_turn(a: np.ndarray, b: np.ndarray):
    swapped = conv.everywhere(b, a, flip=False)
    assert conv.everywhere(a, b, flip=False).tolist() == swapped[::-1, ::-1].tolist()


def test_the_mean_keeps_the_brightness_and_sobel_ignores_it():
    assert conv.mean(5).sum() == pytest.approx(1)
    assert conv.feature_map(np.full((4, 4), 7.0), conv.mean(3)) == pytest.approx(np.full((2, 2), 7))
    slope_HW = np.tile(np.arange(5.0), (5, 1))  # brighter by 1 a pixel to the right
    assert conv.feature_map(slope_HW, conv.SOBEL_X).tolist() == np.full((3, 3), 8.0).tolist()
    assert not conv.feature_map(slope_HW, conv.SOBEL_Y).any()
    assert conv.feature_map(slope_HW.T, conv.SOBEL_Y).tolist() == np.full((3, 3), 8.0).tolist()


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 135])
def test_a_gabor_has_no_mean_is_of_length_one_and_even_or_odd_by_its_phase(degrees: float):
    even, odd = conv.gabor(15, 6, degrees), conv.gabor(15, 6, degrees, 90)
    assert even.sum() == pytest.approx(0, abs=1e-12)
    assert odd.sum() == pytest.approx(0, abs=1e-12)
    assert (even**2).sum() == pytest.approx(1)
    assert np.abs(even - even[::-1, ::-1]).max() < 1e-12
    assert np.abs(odd + odd[::-1, ::-1]).max() < 1e-12
    assert even[7, 7] == even.max()


def test_the_stripes_of_a_gabor_at_0_are_upright_and_turn_with_the_angle():
    upright = conv.gabor(15, 6, 0, sigma_px=50)
    assert np.ptp(upright, axis=0).max() < 0.1 * np.ptp(upright, axis=1).min()
    assert np.abs(conv.gabor(15, 6, 90) - conv.gabor(15, 6, 0).T).max() < 1e-12


def test_a_gabor_answers_to_stripes_of_its_own_angle():
    waves_HW = np.tile(np.cos(2 * np.pi * np.arange(40) / 8), (40, 1))
    along, across = (np.abs(conv.feature_map(waves_HW, conv.gabor(11, 8, degrees))).max() for degrees in (0, 90))
    assert along > 5 * across


@pytest.mark.parametrize(
    ("side", "filter_side", "stride", "padding", "out"),
    [(227, 11, 4, 0, 55), (32, 5, 1, 0, 28), (5, 3, 2, 1, 3), (224, 7, 2, 3, 112), (6, 3, 2, 0, 2), (3, 3, 9, 0, 1)],
)
def test_output_sides(side: int, filter_side: int, stride: int, padding: int, out: int):
    assert conv.output_side(side, filter_side, stride, padding) == out
    assert conv.feature_map(np.ones((side, side)), np.ones((filter_side,) * 2), stride, padding).shape == (out, out)


def test_weights_shared_and_unshared():
    alexnet = conv.cost(227, 3, 11, 96, stride=4)
    assert alexnet.side == 55
    assert alexnet.neurons == 290_400
    assert alexnet.shared == 11 * 11 * 3 * 96 + 96 == 34_944
    assert alexnet.unshared == 290_400 * 364 == 105_705_600


def test_stride_changes_the_map_and_the_work_and_never_the_weights():
    near, far = conv.cost(227, 3, 5, 1), conv.cost(227, 3, 5, 1, stride=4)
    assert near.shared == far.shared == 5 * 5 * 3 + 1 == 76
    assert (near.side, far.side) == (223, 56)
    assert near.multiplications == 223**2 * 75
    assert far.multiplications == 56**2 * 75


def test_a_fully_connected_neuron_grows_with_the_square_of_the_side():
    assert conv.fully_connected(32, 3) == 3_072
    assert conv.fully_connected(200, 3) == 120_000
    assert conv.fully_connected(64, 3) == 4 * conv.fully_connected(32, 3)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError) as caught:
        conv.feature_map(np.ones((4, 9)), np.ones((7, 7)), padding=1)
    assert str(caught.value) == (
        "expected a kernel within the image; got 7 over 4 pixels with a padding of 1. Take a smaller kernel or more padding."
    )
    with pytest.raises(ShapeError, match="expected kernels as deep as the image, 3; got a depth of 1"):
        conv.correlate(np.ones((3, 5, 5)), np.ones((1, 1, 3, 3)))
    with pytest.raises(SettingError, match="expected a stride of at least 1 and a padding of at least 0; got 0 and 0"):
        conv.feature_map(np.ones((5, 5)), np.ones((3, 3)), stride=0)
    with pytest.raises(SettingError, match="got 1 and -1"):
        conv.feature_map(np.ones((5, 5)), np.ones((3, 3)), padding=-1)
