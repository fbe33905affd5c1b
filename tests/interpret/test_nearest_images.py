from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from striate.interpret.nearest_images import nearest, outputs, penultimate, vote
from striate.nets.net import Net


class Given(NamedTuple):
    images_NCHW: torch.Tensor


class Doubling(Net):
    taps = ("flat", "fc")
    head_name = "fc"

    def __init__(self) -> None:
        super().__init__((1, 1, 2))
        self.flat = nn.Flatten()
        self.fc = nn.Linear(2, 2)

    def forward(self, images_NCHW):
        return self.fc(2 * self.flat(images_NCHW))


def test_features_are_what_the_head_is_given_in_the_order_of_the_images():
    net = Doubling().train()
    batches = [Given(torch.tensor([[[[1.0, 2.0]]], [[[3.0, 4.0]]]])), Given(torch.tensor([[[[5.0, 6.0]]]]))]
    assert penultimate(net, batches).tolist() == [[2, 4], [6, 8], [10, 12]]
    assert net.training
    assert not net.fc._forward_hooks
    assert penultimate(net, []).shape == (0, 0)
    both = outputs(net, batches)
    assert both.features_ND.tolist() == [[2, 4], [6, 8], [10, 12]]
    assert torch.allclose(torch.from_numpy(both.logits_NK), net.fc(torch.from_numpy(both.features_ND)))


def test_a_crash_leaves_no_hook():
    net = Doubling()
    with pytest.raises(RuntimeError):
        penultimate(net, [Given(torch.zeros(1, 1, 1, 3))])
    assert not any(module._forward_hooks for module in net.modules())


BANK = np.array([[1, 0], [0, 1], [3, 3], [-1, 0]], np.float32)


def test_the_nearest_point_the_same_way_whatever_their_length():
    neighbors = nearest(np.array([[5, 0.1]], np.float32), BANK, 3)
    assert neighbors.rows_Qk.tolist() == [[0, 2, 1]]
    assert neighbors.cosine_Qk[0] == pytest.approx([0.9998, 0.7212, 0.02], abs=1e-3)


def test_an_image_is_not_its_own_neighbor():
    neighbors = nearest(BANK[:2], BANK, 1, np.array([0, -1]))
    assert neighbors.rows_Qk.tolist() == [[2], [1]]


def test_fewer_images_than_neighbors_are_all_given():
    assert nearest(BANK[:1], BANK, 9).rows_Qk.shape == (1, 4)
    assert nearest(BANK[:1], BANK, 9, np.array([0])).rows_Qk.shape == (1, 3)
    assert nearest(BANK[:0], BANK, 2).rows_Qk.shape == (0, 2)


@pytest.mark.parametrize(
    ("labels", "given", "expected"),
    [
        ([2, 2, 2, 1, 1], 2, (3, 1, 2, False)),
        ([1, 1, 1, 2, 2], 2, (2, 1, 3, True)),
        ([1, 1, 0, 0, 2], 2, (1, 0, 2, False)),  # of equals the first, and no majority
        ([0, 0], 0, (2, None, 0, False)),
        ([1, 1], 5, (0, 1, 2, True)),
    ],
)
def test_neighbors_speak_against_a_label_when_most_of_them_carry_one_other(labels, given, expected):
    assert tuple(vote(np.array(labels), given)) == expected
