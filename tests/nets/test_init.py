from math import sqrt

import pytest
import torch
from torch import nn

from striate.nets.building import build
from striate.nets.init import initialise
from striate.nets.mnist_cnn import MnistCNN


def test_glorot_is_uniform_within_the_published_bound():
    net = build("mnist_cnn", (1, 28, 28), 10, init="glorot", seed=3)
    assert isinstance(net, MnistCNN)
    bound = sqrt(6 / (25 + 25 * 32))
    assert bound == pytest.approx(0.085280, abs=1e-6)
    largest = float(net.conv1.weight.detach().abs().max())
    assert 0.98 * bound < largest <= bound
    assert float(net.conv1.weight.detach().std()) == pytest.approx(bound / sqrt(3), rel=0.1)
    assert not net.conv1.bias.detach().any()


def test_he_has_the_published_deviation():
    net = build("mnist_cnn", (1, 28, 28), 10, init="he", seed=3)
    assert isinstance(net, MnistCNN)
    assert sqrt(2 / 25) == pytest.approx(0.282843, abs=1e-6)
    assert float(net.conv2.weight.detach().std()) == pytest.approx(sqrt(2 / (25 * 32)), rel=0.02)


def test_torch_keeps_what_torch_draws():
    layer = nn.Linear(100, 100)
    before = layer.weight.detach().clone()
    initialise(layer, "torch")
    assert torch.equal(layer.weight, before)
    assert float(before.abs().max()) <= 1 / sqrt(100)
