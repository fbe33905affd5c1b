from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from striate.nets.factory import build, outline
from striate.nets.summary import layer_table

ONE_TO_FOUR = (-1.341635, -0.447212, 0.447212, 1.341635)  # (x - 2.5) / sqrt(1.25 + 1e-5)


def norm_of(shape: tuple[int, int, int]) -> nn.BatchNorm2d:
    norm = build("bn, fc 2", shape, 2).get_submodule("bn1")
    assert isinstance(norm, nn.BatchNorm2d)
    return norm.train()


@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (2, 1, 1, 2), (4, 1, 1, 1), (1, 1, 4, 1)], ids=str)
def test_one_to_four_are_standardized_over_images_rows_and_columns(shape: tuple[int, int, int, int]):
    out = norm_of((shape[1], shape[2], shape[3]))(torch.arange(1.0, 5).view(shape))
    assert out.flatten().tolist() == pytest.approx(ONE_TO_FOUR, abs=1e-6)


def test_each_channel_has_its_own_mean_and_variance():
    maps_NCHW = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]]).view(4, 2, 1, 1)
    out_NC = norm_of((2, 1, 1))(maps_NCHW).flatten(1)
    assert out_NC[:, 0].tolist() == pytest.approx(ONE_TO_FOUR, abs=1e-6)
    assert out_NC[:, 1].tolist() == pytest.approx([(x - 25) / sqrt(125 + 1e-5) for x in (10, 20, 30, 40)], abs=1e-6)


def test_gamma_and_beta_come_after():
    norm = norm_of((1, 2, 2))
    nn.init.constant_(norm.weight, 2.0)
    nn.init.constant_(norm.bias, 3.0)
    out = norm(torch.arange(1.0, 5).view(1, 1, 2, 2))
    assert out.flatten().tolist() == pytest.approx([2 * y + 3 for y in ONE_TO_FOUR], abs=2e-6)


def test_running_statistics_weigh_the_new_value_by_a_tenth_and_its_variance_is_unbiased():
    norm = norm_of((1, 2, 2))
    norm(torch.arange(1.0, 5).view(1, 1, 2, 2))
    assert norm.running_mean.tolist() == pytest.approx([0.9 * 0 + 0.1 * 2.5])
    assert norm.running_var.tolist() == pytest.approx([0.9 * 1 + 0.1 * 1.25 * 4 / 3])
    norm(torch.arange(1.0, 5).view(1, 1, 2, 2))
    assert norm.running_mean.tolist() == pytest.approx([0.9 * 0.25 + 0.25])


def test_evaluation_uses_the_running_statistics_and_leaves_them():
    norm = norm_of((1, 2, 2)).eval()
    norm.running_mean.fill_(0.25)
    norm.running_var.fill_(4.0)
    out = norm(torch.arange(1.0, 5).view(1, 1, 2, 2))
    assert out.flatten().tolist() == pytest.approx([(x - 0.25) / sqrt(4 + 1e-5) for x in (1, 2, 3, 4)])
    assert (norm.running_mean.item(), norm.running_var.item()) == (0.25, 4.0)


def test_in_training_an_image_s_answer_depends_on_its_batch_and_in_evaluation_it_does_not():
    net = build("conv 3x3x4, bn, relu, fc", (1, 4, 4), 3)
    images_NCHW = torch.randn(4, 1, 4, 4)
    assert not torch.allclose(net.train()(images_NCHW)[:2], net(images_NCHW[:2]), atol=1e-3)
    assert torch.allclose(net.eval()(images_NCHW)[:2], net(images_NCHW[:2]), atol=1e-6)


def logits_and_bias_gradient(bias: float, images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    net = build("conv 3x3x4, bn, relu, fc", (1, 4, 4), 3).train()
    conv = net.get_submodule("conv1")
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is not None
    nn.init.constant_(conv.bias, bias)
    logits_NK = net(images_NCHW)
    logits_NK.square().sum().backward()
    assert conv.bias.grad is not None
    return logits_NK.detach(), conv.bias.grad


def test_the_bias_of_a_convolution_before_it_is_redundant():
    images_NCHW = torch.randn(8, 1, 4, 4)
    plain_NK, gradient = logits_and_bias_gradient(0.0, images_NCHW)
    shifted_NK, _ = logits_and_bias_gradient(5.0, images_NCHW)
    assert torch.allclose(plain_NK, shifted_NK, atol=1e-4)
    assert gradient.abs().max() < 1e-4


@pytest.mark.parametrize(("name", "count"), [("vgg11_bn", 8), ("resnet20", 19), ("resnet50", 53), ("googlenet_bn", 57)])
def test_it_has_two_parameters_a_channel_in_every_network(name: str, count: int):
    rows = [row for row in layer_table(outline(name, (3, 64, 64), 10)) if row.kind == "BatchNorm2d"]
    assert len(rows) == count
    assert all(row.parameters == 2 * row.output[0] for row in rows)


@pytest.mark.parametrize(("name", "epsilon"), [("vgg11_bn", 1e-5), ("resnet18", 1e-5), ("googlenet_bn", 1e-3)])
def test_epsilon_is_that_of_the_published_weights(name: str, epsilon: float):
    norms = [layer for layer in outline(name, (3, 64, 64), 10).modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {norm.eps for norm in norms} == {epsilon}
    assert {norm.momentum for norm in norms} == {0.1}
