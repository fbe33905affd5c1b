import pytest
import torch
from torch import nn

from striate.training.ema import Average


def test_the_average_by_hand():
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 0.0)
    average = Average(net, decay=0.5)
    nn.init.constant_(net.weight, 1.0)
    average.follow(net, 1)  # decay is min(0.5, 2 / 11)
    assert average.net.weight.item() == pytest.approx(1 - 2 / 11)
    average.follow(net, 1000)  # decay is 0.5
    assert average.net.weight.item() == pytest.approx(1 - 1 / 11)


def test_buffers_of_norms_are_averaged_and_counters_copied():
    net = nn.BatchNorm1d(1)
    average = Average(net, decay=0.5)
    net(torch.tensor([[1.0], [3.0]]))
    average.follow(net, 1000)
    assert average.net.running_mean.item() == pytest.approx(0.1)  # torch moves its own by 0.1 of 2, the average by half of it
    assert average.net.num_batches_tracked.item() == 1


def test_it_does_not_learn_by_itself():
    assert not [p for p in Average(nn.Linear(2, 2), 0.9).net.parameters() if p.requires_grad]
