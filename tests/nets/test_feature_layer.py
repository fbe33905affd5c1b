from typing import Any

import pytest
import torch
from torch import nn

from striate.base.errors import SettingError, UnsupportedError
from striate.nets import feature_layer
from striate.nets.factory import build, build_around
from striate.nets.feature_layer import FeatureHeadNet, UnitLinear, features, flatten_features, settings_with, with_head
from striate.nets.hooks import inputs, taps


def images(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def hooks(net: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in net.modules())


def test_the_features_are_what_a_plain_forward_pass_gives_the_head():
    net = build("mnist_cnn", (1, 28, 28), 10).eval()
    (features_ND,) = features(net, images())
    assert features_ND.shape == (2, 1024)
    assert torch.equal(net.head(features_ND), net(images()))
    assert hooks(net) == 0


def test_the_features_of_an_earlier_layer_are_its_output_as_rows():
    net = build("mnist_cnn", (1, 28, 28), 10).eval()
    with taps(net, "pool2") as seen:
        net(images())
    assert torch.equal(features(net, images(), ["pool2"])[0], seen["pool2"].flatten(1))


def test_what_a_layer_was_given_is_the_output_of_the_one_before():
    net = build("mnist_cnn", (1, 28, 28), 10).eval()
    with inputs(net, "conv2") as given, taps(net, "pool1") as seen:
        net(images())
    assert torch.equal(given["conv2"], seen["pool1"])
    assert hooks(net) == 0


def test_large_maps_are_read_as_means_over_their_places():
    maps_NCHW = torch.arange(2.0 * 2 * 128 * 128).view(2, 2, 128, 128)
    assert flatten_features(maps_NCHW).shape == (2, 2)
    assert torch.equal(flatten_features(maps_NCHW), maps_NCHW.mean(dim=(2, 3)))
    assert flatten_features(maps_NCHW[..., :64]).shape == (2, feature_layer.MOST_FEATURES)
    assert flatten_features(torch.ones(3, 20_000)).shape == (3, 20_000)


def test_joined_layers_are_the_means_of_their_maps_side_by_side():
    net = build("mnist_cnn", (1, 28, 28), 10).eval()
    with taps(net, "conv1", "fc1") as outputs:
        net(images())
    expected = torch.cat([outputs["conv1"].mean(dim=(2, 3)), outputs["fc1"]], dim=1)
    joined, alone = features(net, images(), ["conv1+fc1", "conv1"])
    assert torch.equal(joined, expected)
    assert torch.equal(alone, flatten_features(outputs["conv1"]))
    wrapped = with_head(net, 3, feature_layer="conv1+fc1").eval()
    assert torch.equal(wrapped(images()), wrapped.head(expected))
    assert wrapped.taps == ("body.conv1", "body.pool1", "body.conv2", "body.pool2", "body.fc1", "classifier")
    again = with_head(wrapped, 4, feature_layer="body.conv1+body.fc1").eval()
    assert again.feature_layer == "conv1+fc1"
    rebuilt = build("mnist_cnn", (1, 28, 28), 4, feature_layer="conv1+fc1").eval()
    rebuilt.load_state_dict(again.state_dict())
    assert torch.equal(rebuilt(images()), again(images()))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("conv1+conv9", "MnistCNN has no layer 'conv9' before its head; expected one of conv1, pool1, conv2, pool2, fc1."),
        ("conv1+", "MnistCNN has no layer '' before its head; expected one of conv1, pool1, conv2, pool2, fc1."),
        ("conv1+conv1", "expected each layer once; got 'conv1+conv1'."),
    ],
)
def test_joined_layers_that_are_none_are_refused_by_name(name: str, text: str):
    with pytest.raises(SettingError) as refused:
        with_head(build("mnist_cnn", (1, 28, 28), 10), 3, feature_layer=name)
    assert str(refused.value) == text


def test_a_classifier_reads_off_a_layer_and_leaves_the_body_as_it_was():
    body = build("mnist_cnn", (1, 28, 28), 10).eval()
    kept = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    (expected,) = features(body, images(), ["fc1"])
    net = with_head(body, 3, feature_layer="fc1").eval()
    assert net.taps == ("body.conv1", "body.pool1", "body.conv2", "body.pool2", "body.fc1", "classifier")
    assert net.num_classes == 3
    assert torch.equal(net(images()), net.head(expected))
    own = net.state_dict()
    assert all(torch.equal(own[f"body.{name}"], tensor) for name, tensor in kept.items() if not name.startswith("fc2"))
    assert [name for name in own if name.startswith("body.fc2")] == []
    assert hooks(net) == 0


def test_only_the_head_changes_its_shape():
    net = build("alexnet", (3, 227, 227), 1000)
    before = {name: tensor.shape for name, tensor in net.state_dict().items()}
    with_head(net, 20)
    after = {name: tensor.shape for name, tensor in net.state_dict().items()}
    assert [name for name in before if before[name] != after[name]] == ["fc8.weight", "fc8.bias"]
    assert sum(p.numel() for p in net.head.parameters()) == 81_940


def test_unit_features_do_not_depend_on_their_length_by_hand():
    layer = UnitLinear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0]]))
        layer.bias.fill_(0.5)
    assert layer(torch.tensor([[3.0, 4.0], [30.0, 40.0], [0.0, 0.0]])).flatten().tolist() == pytest.approx([2.7, 2.7, 0.5])


@pytest.mark.parametrize(
    "how", [{"feature_layer": "conv2"}, {"unit_features": True}, {"feature_layer": "pool2", "unit_features": True}], ids=str
)
def test_such_a_network_is_built_again_around_its_weights(how: dict[str, Any]):
    net = build("mnist_cnn", (1, 28, 28), 4, seed=3, **how).eval()
    again = build_around(net.state_dict(), "mnist_cnn", (1, 28, 28), 4, **how).eval()
    assert torch.equal(net(images()), again(images()))
    assert isinstance(net.head, UnitLinear) == bool(how.get("unit_features"))
    assert isinstance(net, FeatureHeadNet) == ("feature_layer" in how)


@pytest.mark.parametrize("at", ["conv9", "", "fc2"])
def test_what_is_no_layer_before_the_head_is_refused_with_those_that_are(at: str):
    with pytest.raises(SettingError) as refused:
        build("mnist_cnn", (1, 28, 28), 4, feature_layer=at)
    assert str(refused.value) == (
        f"MnistCNN has no layer {at!r} before its head; expected one of conv1, pool1, conv2, pool2, fc1."
    )


def test_a_head_that_is_not_fully_connected_cannot_be_replaced():
    net = build("lenet5", (1, 32, 32), 10)
    with pytest.raises(
        UnsupportedError, match=r"expected a fully connected head to replace; the head of LeNet5, output, is a RadialBasis"
    ):
        with_head(net, 3)
    assert with_head(net, 3, feature_layer="f6").num_classes == 3


HEADS: list[dict[str, Any]] = [{}, {"unit_features": True}, {"knn_memory": 5, "knn_k": 3}]


@pytest.mark.parametrize("old", HEADS, ids=str)
@pytest.mark.parametrize("new", HEADS, ids=str)
@pytest.mark.parametrize("layer", [None, "pool1"])
def test_any_head_takes_the_place_of_any_other_and_the_settings_say_which(
    old: dict[str, Any], new: dict[str, Any], layer: str | None
):
    net = build("mnist_cnn", (1, 28, 28), 4, **old)
    settings = settings_with(net, {"dropout": 0.25, **old}, layer, **new)
    assert settings == {"dropout": 0.25, **new, **({"feature_layer": layer} if layer else {})}
    changed = with_head(net, 7, layer, **new)
    again = build_around(changed.state_dict(), "mnist_cnn", (1, 28, 28), 7, **settings)
    assert torch.equal(changed.eval()(images()), again.eval()(images()))
    assert again.num_classes == 7


def test_a_network_that_is_read_off_a_layer_is_read_off_another_instead():
    net = build("mnist_cnn", (1, 28, 28), 4, feature_layer="pool2")
    settings = settings_with(net, {"feature_layer": "pool2"}, "body.pool1")
    assert settings == {"feature_layer": "pool1"}
    (expected,) = features(net.eval(), images(), ["body.pool1"])
    changed = with_head(net, 3, "body.pool1").eval()
    assert torch.equal(changed(images()), changed.head(expected))
    again = build_around(changed.state_dict(), "mnist_cnn", (1, 28, 28), 3, **settings).eval()
    assert torch.equal(changed(images()), again(images()))
    with pytest.raises(SettingError, match=r"FeatureHeadNet has no layer 'body' before its head; expected one of body\.conv1"):
        with_head(changed, 3, "body")


def test_a_network_of_a_head_alone_can_be_read():
    net = build("pool 2, fc", (1, 28, 28), 2, feature_layer="pool1", knn_memory=3, knn_k=1)
    assert list(net.parameters()) == []
    assert net(images()).shape == (2, 2)
