import pytest
import torch
from torch import nn

from striate.base.errors import SettingError
from striate.nets.factory import build
from striate.nets.hooks import taps


def hooks(net: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in net.modules())


def test_a_tap_is_the_raw_output():
    net = build("mnist_cnn", (1, 28, 28), 10).eval()
    images_NCHW = torch.randn(2, 1, 28, 28)
    with taps(net, "conv1", "fc2") as seen:
        logits_NK = net(images_NCHW)
    assert torch.equal(seen["conv1"], net.get_submodule("conv1")(images_NCHW))
    assert torch.equal(seen["fc2"], logits_NK)
    assert hooks(net) == 0


def test_hooks_come_off_when_the_network_fails():
    net = build("mnist_cnn", (1, 28, 28), 10)
    counted = []

    def fail() -> None:
        with taps(net, "conv1", "pool1"):
            counted.append(hooks(net))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert counted == [2]
    assert hooks(net) == 0


def test_an_unknown_layer_is_refused():
    net = build("mnist_cnn", (1, 28, 28), 10)
    with (
        pytest.raises(SettingError, match=r"There is no layer 'conv3'; did you mean conv"),
        taps(net, "conv1", "conv3"),
    ):
        pass
    assert hooks(net) == 0
