from math import log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.nets.factory import build, build_around
from striate.nets.knn_head import KNNHead, gaps, nearest, votes
from striate.nets.summary import layer_table


def layer(bank: list[list[float]], labels: list[int], k: int, classes: int = 2, unit: bool = False) -> KNNHead:
    made = KNNHead(len(bank[0]), classes, len(bank), k, unit)
    made.bank_MD.copy_(torch.tensor(bank))
    made.labels_M.copy_(torch.tensor(labels))
    return made


def test_logits_are_logs_of_shares_of_votes_by_hand():
    made = layer([[0.0], [1.0], [10.0]], [0, 0, 1], k=3)
    first, second, third = 1 + 0.01, 1 + 0.01 / 2, 1 + 0.01 / 3  # a vote, and what its rank adds
    near_ten = [log((second + third + 0.5) / 4), log((first + 0.5) / 4)]
    near_zero = [log((first + second + 0.5) / 4), log((third + 0.5) / 4)]
    logits_NK = made(torch.tensor([[9.0], [0.1]]))
    assert logits_NK[0].tolist() == pytest.approx(near_ten)
    assert logits_NK[1].tolist() == pytest.approx(near_zero)
    assert logits_NK.argmax(dim=1).tolist() == [0, 0]
    made.scale.fill_(2.0)
    assert made(torch.tensor([[9.0]]))[0].tolist() == pytest.approx([2 * logit for logit in near_ten])


def test_features_are_standardized_or_of_length_one_by_hand():
    made = layer([[0.0, 0.0], [2.0, 0.0]], [0, 1], k=1)
    made.shift_D.copy_(torch.tensor([5.0, 0.0]))
    made.factor_D.copy_(torch.tensor([1.0, 0.0]))
    assert made(torch.tensor([[5.9, 70.0], [6.1, -70.0]])).argmax(dim=1).tolist() == [0, 1]
    unit = layer([[0.6, 0.8], [1.0, 0.0]], [0, 1], k=1, unit=True)
    assert unit(torch.tensor([[60.0, 70.0], [0.6, 0.1]])).argmax(dim=1).tolist() == [0, 1]


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.data())
def test_of_images_equally_near_the_earlier_are_the_neighbors(numbers: list[int], data: st.DataObject):
    k, at = data.draw(st.integers(1, len(numbers))), data.draw(st.integers(-4, 4))
    bank_M1 = torch.tensor(numbers, dtype=torch.float32).unsqueeze(1)
    columns = nearest(gaps(torch.tensor([[float(at)]]), bank_M1), k)[0].tolist()
    assert columns == np.argsort((np.array(numbers) - at) ** 2, kind="stable")[:k].tolist()


def test_copies_of_an_image_are_asked_in_their_order():
    draws = torch.Generator().manual_seed(0)
    one_1D = torch.randn(1, 300, generator=draws)
    bank_MD = torch.cat([torch.randn(100, 300, generator=draws), one_1D.expand(30, -1), torch.randn(77, 300, generator=draws)])
    columns_Nk = nearest(gaps(torch.cat([one_1D, one_1D + 0.01]), bank_MD), 25)
    assert columns_Nk.tolist() == [list(range(100, 125))] * 2


@pytest.mark.parametrize(
    ("labels", "winner"),
    [
        ([1, 0], 1),
        ([0, 1, 1, 0], 0),
        ([2, 0, 0, 1, 1], 0),
        ([1, 2, 2, 1, 0], 1),
        ([0] * 12 + [1] * 13, 1),  # a vote more, though all of them are farther away
    ],
)
def test_among_equal_votes_the_nearer_neighbors_decide_and_never_against_a_vote(labels: list[int], winner: int):
    assert votes(torch.tensor([labels]), 3).argmax().item() == winner


def test_an_image_without_numbers_has_no_answer():
    assert layer([[0.0], [1.0]], [0, 1], k=1)(torch.tensor([[float("nan")], [1.0]])).isnan().tolist() == [
        [True, True],
        [False, False],
    ]


@pytest.mark.parametrize("how", [{}, {"feature_layer": "pool2"}, {"unit_features": True}], ids=str)
def test_such_a_network_is_built_again_around_its_weights(how: dict[str, object]):
    net = build("mnist_cnn", (1, 28, 28), 4, knn_memory=30, knn_k=5, **how).eval()
    assert isinstance(net.head, KNNHead)
    assert net.num_classes == 4
    draws = torch.Generator().manual_seed(0)
    images_NCHW = torch.randn(6, 1, 28, 28, generator=draws)
    net.head.bank_MD.copy_(torch.randn(net.head.bank_MD.shape, generator=draws))
    net.head.labels_M.copy_(torch.arange(30) % 4)
    again = build_around(net.state_dict(), "mnist_cnn", (1, 28, 28), 4, knn_memory=30, knn_k=5, **how).eval()
    assert torch.equal(net(images_NCHW), again(images_NCHW))


def test_its_row_has_no_parameters_and_one_product_for_each_number_that_it_keeps():
    row = layer_table(build("mnist_cnn", (1, 28, 28), 4, knn_memory=30, knn_k=5))[-1]
    assert (row.kind, row.output, row.parameters, row.macs) == ("KNNHead", (4,), 0, 30 * 1024)


def test_it_can_be_exported_for_any_number_of_images():
    made = layer([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1], k=2)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(made, (torch.zeros(2, 2),), dynamic_shapes=({0: batch},))
    features_ND = torch.tensor([[0.0, 0.9], [2.0, 0.0], [1.0, 0.9]])
    assert torch.equal(program.module()(features_ND), made(features_ND))
