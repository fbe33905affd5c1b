"""What every network of the catalogue keeps, and networks of one's own with it."""

import pytest
import torch
from torch import nn

from striate.base.errors import ShapeError
from striate.nets import catalogue
from striate.nets.building import build
from striate.nets.net import Net
from striate.nets.tapping import taps

NAMES = (*catalogue.names(), "conv 3x3x4, bn, relu, pool 2, fc 6, relu, fc")


def make(name: str, classes: int = 10) -> Net:
    shape = (1, 28, 28) if catalogue.is_line(name) else catalogue.find(name).input_chw
    return build(name, shape, classes)


@pytest.mark.parametrize("name", NAMES)
def test_logits_have_the_classes_asked_for(name: str):
    for classes in (2, 7):
        net = make(name, classes).eval()
        assert net(torch.zeros(3, *net.input_chw)).shape == (3, classes)
        assert net.num_classes == classes


@pytest.mark.parametrize("name", NAMES)
def test_taps_are_layers_in_forward_order_and_the_head_is_the_last(name: str):
    net = make(name).eval()
    with taps(net, *net.taps) as seen:
        logits_NK = net(torch.zeros(2, *net.input_chw))
    assert tuple(seen) == net.taps
    assert isinstance(net.head, nn.Linear)
    assert torch.equal(seen[net.head_name], logits_NK)


@pytest.mark.parametrize("name", NAMES)
def test_replace_head_changes_the_head_alone(name: str):
    net = make(name)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    net.replace_head(3)
    assert net.num_classes == 3
    assert net.eval()(torch.zeros(1, *net.input_chw)).shape == (1, 3)
    for key, value in net.state_dict().items():
        if not key.startswith(f"{net.head_name}."):
            assert torch.equal(value, before[key])


@pytest.mark.parametrize("name", NAMES)
def test_no_activation_works_in_place(name: str):
    assert not [layer for layer in make(name).modules() if getattr(layer, "inplace", False)]


@pytest.mark.parametrize("name", NAMES)
def test_images_of_another_shape_are_refused(name: str):
    net = make(name)
    c, h, w = net.input_chw
    with pytest.raises(ShapeError, match=rf"expects images_NCHW with C={c}, H={h}, W={w}; got \(2, {c + 1}, {h}, {w}\)"):
        net(torch.zeros(2, c + 1, h, w))


@pytest.mark.parametrize("name", NAMES)
def test_an_image_s_answer_does_not_depend_on_its_batch(name: str):
    net = make(name).eval()
    images_NCHW = torch.randn(5, *net.input_chw)
    together_NK = net(images_NCHW)
    alone_NK = torch.cat([net(images_NCHW[i : i + 1]) for i in range(5)])
    assert torch.allclose(together_NK, alone_NK, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_gets_a_gradient(name: str):
    net = make(name).train()
    net(torch.randn(4, *net.input_chw)).square().sum().backward()
    assert not [key for key, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()]
