import copy

import pytest
import torch
from torch import nn

from striate.nets.factory import build
from striate.nets.frozen_batchnorm import FrozenBatchNorm, freeze_batchnorm, unfreeze_batchnorm


def step(net: nn.Module) -> None:
    """One step of training, at a rate that changes every weight."""
    net.train()
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    net(torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))).square().sum().backward()
    optimizer.step()


def test_frozen_norms_keep_every_byte_while_the_rest_learns():
    net = build("resnet20", (3, 32, 32), 10)
    before = copy.deepcopy(net.state_dict())
    kept = freeze_batchnorm(net)
    assert len(kept) == 19 * 5  # weight, bias, mean, variance and counter of 19 norms
    step(net)
    after = net.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == set(kept)


def test_what_a_frozen_norm_puts_out_does_not_depend_on_the_batch():
    net = nn.Sequential(nn.BatchNorm2d(3))
    freeze_batchnorm(net)
    net.train()
    images = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(net(images)[:1], net(images[:1]))


def test_thawed_norms_learn_again():
    net = build("resnet20", (3, 32, 32), 10)
    kinds = [type(module) for module in net.modules()]
    freeze_batchnorm(net)
    assert freeze_batchnorm(net) == []  # they are frozen already
    unfreeze_batchnorm(net.train())
    assert [type(module) for module in net.modules()] == kinds
    before = copy.deepcopy(net.state_dict())
    step(net)
    assert not any(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items() if "bn" in name)


def test_a_copy_is_frozen_too():
    net = nn.Sequential(nn.BatchNorm2d(3))
    freeze_batchnorm(net)
    twin = copy.deepcopy(net).train()
    assert isinstance(twin[0], FrozenBatchNorm)
    assert not twin[0].training


def test_a_norm_that_does_more_still_does_it():
    timm = pytest.importorskip("timm.layers")
    net = nn.Sequential(timm.BatchNormAct2d(3)).eval()
    images = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    before = net(images)
    freeze_batchnorm(net)
    assert torch.equal(net.train()(images), before)


def test_a_norm_without_running_statistics_is_left():
    net = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False))
    assert freeze_batchnorm(net) == []
    assert net[0].weight.requires_grad
