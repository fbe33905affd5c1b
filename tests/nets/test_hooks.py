import pytest
import torch
from torch import nn

from striate.base.errors import SettingError
from striate.nets.factory import build
from striate.nets.hooks import ablated, taps


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


def test_ablated_units_put_out_zeros_and_what_follows_sees_them():
    net = build("conv 1x1x2, fc 1", (1, 2, 2), 1).eval()
    with torch.no_grad():
        for name, values in {"conv1.weight": [2.0, 3.0], "conv1.bias": [0.0, 0.0], "fc1.bias": [1.0]}.items():
            parameter = net.get_parameter(name)
            parameter.copy_(torch.tensor(values).view(parameter.shape))
        net.get_parameter("fc1.weight").fill_(1.0)
    image_1CHW = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])  # ten in all
    assert net(image_1CHW).item() == 2 * 10 + 3 * 10 + 1
    with ablated(net, {"conv1": [0]}), taps(net, "conv1") as seen:
        assert net(image_1CHW).item() == 3 * 10 + 1
    assert seen["conv1"][0].tolist() == [[[0, 0], [0, 0]], [[3, 6], [9, 12]]]
    assert hooks(net) == 0
    with pytest.raises(SettingError, match="expected units from 0 to 1 of conv1; got 2"), ablated(net, {"conv1": [2]}):
        net(image_1CHW)
    with pytest.raises(SettingError, match="There is no layer 'conv9'"), ablated(net, {"conv9": [0]}):
        pass
    assert hooks(net) == 0
