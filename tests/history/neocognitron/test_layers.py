from math import sqrt

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from striate.base.errors import ShapeError
from striate.history.neocognitron.layers import CLayer, CRow, SLayer, SRow, Year, distance_weights


def s_cells(year: Year, window: int = 1, side: int = 1, r: float = 1.0, gamma: float = 0.5, planes: int = 1) -> SLayer:
    return SLayer((1, side), SRow(side, planes, window, r, gamma), year)


def spot(side: int) -> Tensor:
    maps_11HW = torch.zeros(1, 1, side, side)
    maps_11HW[0, 0, side // 2, side // 2] = 1.0
    return maps_11HW


@pytest.mark.parametrize(("year", "expected"), [(1988, 4 / 2 - 1), (1980, 4 / 3 - 1)])
def test_an_s_cell_by_hand(year: Year, expected: float):
    layer = s_cells(year)  # r = 1: G is 1/2 in 1988 and 1 in 1980
    layer.a_PKkk.fill_(3.0)
    layer.b_P.fill_(2.0)
    assert layer(torch.ones(1, 1, 1, 1)).item() == pytest.approx(expected)  # e = 3, v = 1


def test_an_s_cell_that_is_inhibited_more_than_excited_is_silent():
    layer = s_cells(1988)
    layer.a_PKkk.fill_(1.0)
    layer.b_P.fill_(3.0)
    assert layer(torch.ones(1, 1, 1, 1)).item() == 0.0


def test_v_cells_by_hand():
    v_HW = s_cells(1988, window=3, side=5).v_cells(spot(5))[0, 0]
    assert v_HW[2].tolist() == pytest.approx([0, sqrt(0.5), 1, sqrt(0.5), 0])
    assert v_HW[1].tolist() == pytest.approx([0, 0.5, sqrt(0.5), 0.5, 0])


def test_the_fixed_weights_of_1980_sum_to_one_over_window_and_planes():
    layer = SLayer((4, 5), SRow(5, 1, 3, 1.0, 0.5), 1980)
    assert 4 * layer.c_kk.sum().item() == pytest.approx(1)
    everywhere = torch.ones(1, 4, 5, 5)
    assert layer.v_cells(everywhere)[0, 0, 2, 2].item() == pytest.approx(1)


@pytest.mark.parametrize(("year", "share"), [(1988, 1.0), (1980, 0.5)])
def test_reinforcement_adds_c_times_what_is_seen_and_v(year: Year, share: float):
    layer = s_cells(year, window=3, side=3, planes=2)
    window_Kkk = layer.window_at(torch.full((1, 1, 3, 3), 2.0), 0, 1, 1)
    for _ in range(2):
        layer.reinforce(1, window_Kkk, q=10.0)
    total = 0.25 if year == 1980 else 1.0  # c is .25 .5 .25 / .5 1 .5 / .25 .5 .25, which sum to 4
    assert layer.a_PKkk[1, 0].flatten().tolist() == pytest.approx(
        [40 * total * c for c in (0.25, 0.5, 0.25, 0.5, 1, 0.5, 0.25, 0.5, 0.25)]
    )
    assert layer.b_P.tolist() == pytest.approx([0, 2 * 10 * share * sqrt(4 * 4 * total)])
    assert not layer.a_PKkk[0].any()


@pytest.mark.parametrize(("r", "theta"), [(1.7, 0.630), (4.0, 0.800), (1.5, 0.600), (1.0, 0.500)])
def test_the_similarity_threshold_of_each_layer(r: float, theta: float):
    for year in (1980, 1988):
        assert s_cells(year, r=r).theta == pytest.approx(theta, abs=0.0005)


@given(st.integers(0, 2**31), st.sampled_from([0.05, 1.0, 20.0]), st.sampled_from([1.0, 1.7, 4.0]))
def test_with_large_weights_similarity_alone_counts_whatever_the_contrast(seed: int, contrast: float, r: float):
    generator = torch.Generator().manual_seed(seed)
    learned_Kkk, window_Kkk = torch.rand(2, 3, 5, 5, generator=generator)
    layer = SLayer((3, 5), SRow(1, 1, 5, r, 0.9), 1988).double()
    layer.reinforce(0, learned_Kkk.double(), q=1e9)
    c_kk = layer.c_kk.double()
    lengths = [(c_kk * values_Kkk.double().square()).sum().sqrt() for values_Kkk in (learned_Kkk, window_Kkk)]
    similarity = ((c_kk * learned_Kkk * window_Kkk).sum() / (lengths[0] * lengths[1])).item()
    expected = r * max(0.0, similarity / layer.theta - 1)
    assert layer(contrast * window_Kkk.double()[None]).item() == pytest.approx(expected, abs=1e-6)


def test_what_is_no_more_similar_than_theta_gets_no_response():
    layer = SLayer((1, 3), SRow(1, 1, 3, 1.7, 0.9), 1988)
    bar_1kk = torch.tensor([[[0.0, 0, 0], [1, 1, 1], [0, 0, 0]]])
    layer.reinforce(0, bar_1kk, q=1e5)
    assert layer(bar_1kk[None]).item() == pytest.approx(1.7 * (1 / (1.7 / 2.7) - 1), abs=1e-3)
    assert layer(torch.ones(1, 1, 3, 3)).item() == 0.0  # similarity sqrt(2.8 / 7.84) = 0.598 < 0.630


def c_cells(year: Year, groups: tuple[int, ...], side: int = 5, after: int = 5, window: int = 3) -> CLayer:
    return CLayer(side, CRow(after, groups, window, 1, 0.5, 4.0), year)


def test_c_cells_of_1988_by_hand():
    out_HW = c_cells(1988, (1,))(spot(5))[0, 0]
    assert out_HW[2].tolist() == pytest.approx([0, 2 / 3, 4 / 5, 2 / 3, 0])
    assert out_HW[1].tolist() == pytest.approx([0, 1 / 2, 2 / 3, 1 / 2, 0])


def test_a_c_plane_collects_its_group_of_s_planes():
    maps_NPHW = torch.cat([spot(5), 2 * spot(5), spot(5)], 1)
    out_NGHW = c_cells(1988, (2, 1))(maps_NPHW)
    assert out_NGHW[0, :, 2, 2].tolist() == pytest.approx([12 / 13, 4 / 5])


def test_c_cells_of_1980_are_inhibited_by_the_mean_of_all_planes():
    layer = CLayer(1, CRow(1, (1, 1), 1, 1, 1.0, 1.0), 1980)
    out_NGHW = layer(torch.tensor([3.0, 1.0]).view(1, 2, 1, 1))
    assert out_NGHW.flatten().tolist() == pytest.approx([(1 / 3) / (1 / 2 + 1 / 3), 0])  # (1 + 3) / (1 + 2) - 1 = 1/3


def test_the_strongest_cell_of_each_group_counts_where_asked_and_an_empty_group_is_silent():
    layer = CLayer(3, CRow(1, (2, 0, 1), 3, 1, 1.0, 1.0), 1988, strongest=True, flat=True)
    maps_NPHW = torch.zeros(1, 3, 3, 3)
    maps_NPHW[0, 0, 0, 0], maps_NPHW[0, 1, 2, 1], maps_NPHW[0, 2, 1, 1] = 1.0, 3.0, 1.0
    assert layer(maps_NPHW).tolist() == [[0.75, 0.0, 0.5]]


def test_a_last_layer_of_more_than_one_cell_is_refused():
    with pytest.raises(ShapeError, match="one cell a plane; got 3 x 3"):
        CLayer(5, CRow(3, (1,), 3, 1, 1.0, 1.0), 1988, flat=True)


@pytest.mark.parametrize(
    ("before", "after", "window", "stride", "first"),
    [
        (19, 21, 3, 1, -2),
        (21, 13, 7, 2, -5),
        (13, 7, 5, 2, -2),
        (3, 1, 3, 1, 0),
        (8, 6, 5, 1, -1),
        (2, 1, 2, 1, 0),
        (16, 10, 5, 1, 1),
    ],
)
def test_the_middles_of_layers_lie_over_each_other(before: int, after: int, window: int, stride: int, first: int):
    weights_OI = distance_weights(before, after, window, stride, 0.9)
    for cell, row_I in enumerate(weights_OI):
        inside = range(first + stride * cell, first + stride * cell + window)
        assert row_I.nonzero().flatten().tolist() == [place for place in inside if 0 <= place < before]
    assert torch.equal(weights_OI, weights_OI.flip(0, 1))
