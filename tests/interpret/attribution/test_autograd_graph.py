import pytest
import torch
from torch import Tensor, nn

from striate.base.errors import SettingError, UnsupportedError
from striate.interpret.attribution import gradcam, spatial_layer
from striate.nets import catalogue
from striate.nets.factory import build
from support.attribution_nets import Line, Own, conv, linear

# The layer at each network's published size
PICKED = {
    "lecun1989": "tanh2", "lenet1": "squash4", "lenet5": "squash4", "lenet5_modern": "relu2", "mnist_cnn": "relu2",
    "alexnet": "relu5", "alexnet_owt": "relu5", "vgg11": "relu5_2", "vgg16": "relu5_3", "googlenet": "inception5b",
    "resnet18": "conv5_2", "resnet50": "conv5_3", "resnet20": "conv4_3", "plain20": "conv4_3",
}  # fmt: skip


@pytest.mark.parametrize("name", PICKED)
def test_the_layer_that_is_picked(name: str):
    entry = catalogue.find(name)
    with torch.device("meta"):
        net = build(name, entry.input_chw, entry.classes, init="torch")
        assert spatial_layer(net, torch.zeros(1, *entry.input_chw)) == PICKED[name]


def test_of_small_images_it_is_the_last_that_is_larger_than_one_pixel():
    with torch.device("meta"):
        net = build("resnet18", (3, 32, 32), 10, init="torch")
        assert spatial_layer(net, torch.zeros(1, 3, 32, 32)) == "conv4_2"


def test_a_branch_is_not_what_all_information_passes_through():
    layers = {name: conv(torch.ones(1, 1, 1, 1)) for name in ("conv1", "left", "right")}
    net = Own(
        (1, 4, 4),
        lambda net, x: both(net, net.relu1(net.conv1(x))).mean((2, 3)),
        relu1=nn.ReLU(),
        **layers,
    )
    assert spatial_layer(net, torch.rand(1, 1, 4, 4)) == "relu1"
    one_way = Own((1, 4, 4), lambda net, x: net.left(net.relu1(net.conv1(x))).mean((2, 3)), relu1=nn.ReLU(), **layers)
    assert spatial_layer(one_way, torch.rand(1, 1, 4, 4)) == "left"


def both(net: Own, maps_NCHW: Tensor) -> Tensor:
    return net.left(maps_NCHW) + net.right(maps_NCHW)


def test_a_shortcut_around_the_last_layer_is_seen():
    net = Own((1, 4, 4), lambda net, x: (net.conv1(x) + x).mean((2, 3)), conv1=conv(torch.ones(1, 1, 1, 1)))
    with pytest.raises(
        UnsupportedError, match="layer with maps larger than 1 x 1 that all information passes through; Own has"
    ):
        gradcam(net, torch.rand(1, 4, 4))


def test_maps_whose_channels_stand_last_are_not_taken_for_places():
    net = Own(
        (1, 4, 4),
        lambda net, x: net.last(net.conv1(x).permute(0, 2, 3, 1)).mean((1, 2)),
        conv1=conv(torch.ones(8, 1, 1, 1)),
        last=linear(torch.ones(8, 8)),
    )
    assert spatial_layer(net, torch.rand(1, 1, 4, 4)) == "conv1"


def test_a_network_without_maps_is_refused_with_what_works():
    net = build("mlp", (1, 8, 8), 3)
    with pytest.raises(UnsupportedError, match=r"MLP has none. Take saliency, integrated_gradients or occlusion\."):
        gradcam(net, torch.rand(1, 8, 8))


def test_a_layer_that_does_not_fit_is_refused():
    net = build("conv 3x3x4, relu, pool 2, fc 6, fc 3", (1, 8, 8), 3)
    image_CHW = torch.rand(1, 8, 8)
    with pytest.raises(SettingError, match="There is no layer 'conv2'; did you mean conv1"):
        gradcam(net, image_CHW, layer="conv2")
    with pytest.raises(
        UnsupportedError, match=r"expects a layer that puts out maps, N x C x H x W; fc1 puts out N x 6\. Take one"
    ):
        gradcam(net, image_CHW, layer="fc1")
    unused = Line((1, 4, 4), conv1=conv(torch.ones(1, 1, 1, 1)), pool1=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())
    unused.aux = conv(torch.ones(1, 1, 1, 1))
    with pytest.raises(UnsupportedError, match="the logits do not depend on aux"):
        gradcam(unused, torch.rand(1, 4, 4), layer="aux")
