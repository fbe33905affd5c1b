import copy
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from striate.base.errors import MissingExtraError, SettingError, ShapeError, UnsupportedError
from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.model import Model
from striate.nets.architectures.timm_net import TimmNet, recommended
from striate.nets.convert_weights import load_state
from striate.nets.factory import build, outline, published
from striate.nets.hooks import taps
from striate.nets.net import Net
from support.checkpoints import as_module, filled

SIDES = {"timm:resnet18": 64, "timm:mobilenetv3_small_100": 32}
CLASSES = 10


@pytest.fixture(params=SIDES, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def made(name: str) -> Net:
    return build(name, (3, SIDES[name], SIDES[name]), CLASSES)


@pytest.fixture
def net(made: Net) -> Iterator[Net]:
    yield made.eval()
    made.zero_grad(set_to_none=True)


def images(net: Net, n: int = 2) -> Tensor:
    return torch.randn(n, *net.input_chw, generator=torch.Generator().manual_seed(0))


def test_logits_have_the_classes_and_images_the_channels_asked_for(name: str):
    for channels, classes in ((1, 2), (5, 7)):
        other = outline(name, (channels, 64, 64), classes)
        assert other.num_classes == classes
        assert other(torch.zeros(3, channels, 64, 64, device="meta")).shape == (3, classes)


def test_taps_are_layers_in_forward_order_and_the_head_is_the_last(net: Net):
    with taps(net, *net.taps) as seen, torch.no_grad():
        logits_NK = net(images(net))
    assert tuple(seen) == net.taps
    assert isinstance(net.head, nn.Linear)
    assert torch.equal(seen[net.head_name], logits_NK)
    assert logits_NK.shape == (2, CLASSES)


def test_taps_are_those_of_feature_info():
    made = outline("timm:resnet18", (3, 64, 64), 10)
    assert made.taps == ("body.act1", "body.layer1", "body.layer2", "body.layer3", "body.layer4", "body.fc")


def test_a_tap_is_not_changed_by_what_follows(net: Net):
    kept: dict[str, Tensor] = {}

    def keep(tap: str) -> object:
        def hook(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
            kept[tap] = output.detach().clone()

        return net.get_submodule(tap).register_forward_hook(hook)

    hooks = [keep(tap) for tap in net.taps]
    with taps(net, *net.taps) as seen, torch.no_grad():
        net(images(net))
    for hook in hooks:
        hook.remove()
    assert all(torch.equal(seen[tap], kept[tap]) for tap in net.taps)
    assert not [layer for layer in net.modules() if getattr(layer, "inplace", False)]


def test_replace_head_changes_the_head_alone(net: Net):
    twin, before = copy.deepcopy(net), net.state_dict()
    twin.replace_head(3)
    assert twin.num_classes == 3
    assert twin(images(net, 1)).shape == (1, 3)
    for key, value in twin.state_dict().items():
        if not key.startswith(f"{net.head_name}."):
            assert torch.equal(value, before[key])


def test_images_of_another_shape_are_refused(net: Net):
    side = net.input_chw[1]
    with pytest.raises(ShapeError, match=rf"TimmNet expects images_NCHW with C=3, H={side}, W={side}; got \(2, 4, 9, 9\)"):
        net(torch.zeros(2, 4, 9, 9))


def test_every_weight_gets_a_gradient(net: Net):
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)  # timm begins the last of a block with zeros, behind which there is no gradient
    net.train()
    net(images(net, 4)).square().sum().backward()
    assert not [key for key, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()]


def test_weights_depend_on_the_seed_alone(name: str, net: Net):
    again = build(name, net.input_chw, CLASSES)
    other = build(name, net.input_chw, CLASSES, seed=1)
    assert torch.equal(again.head.weight, net.head.weight)
    assert not torch.equal(other.head.weight, net.head.weight)


def test_an_artifact_comes_back_bit_for_bit(net: Net, name: str, tmp_path: Path):
    side = net.input_chw[1]
    colors = Preprocess(torch.full((3, 1, 1), 0.4), torch.full((3, 1, 1), 0.3))
    saved = Model(net, name, {}, colors, InputSpec(side, 3, "crop", share=0.9), tuple("abcdefghij"))
    saved.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
    assert np.array_equal(again.logits(pixels_NHWC), saved.logits(pixels_NHWC))
    assert (again.input_spec, again.net.taps, again.net_name) == (saved.input_spec, net.taps, name)


def test_weights_of_timm_give_timm_s_logits(name: str):
    with torch.device("meta"):
        theirs = timm.create_model(name.removeprefix("timm:"), num_classes=20, in_chans=1)
    state = filled(theirs.state_dict())
    loaded = load_state(name, state, size_px=64)
    assert (loaded.net.num_classes, loaded.net.input_chw, loaded.left_out) == (20, (1, 64, 64), ())
    images_NCHW = torch.randn(2, 1, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(loaded.net.eval()(images_NCHW), as_module(state, theirs)(images_NCHW), atol=1e-5)


def test_dropout_is_timm_s_where_it_is_not_given():
    assert outline("timm:mobilenetv3_small_100", (3, 64, 64), 10).body.drop_rate == 0.0
    assert outline("timm:mobilenetv3_small_100", (3, 64, 64), 10, dropout=0.3).body.drop_rate == 0.3
    with pytest.raises(SettingError, match=r"net.pooling does not apply to 'timm:resnet18': it has dropout"):
        outline("timm:resnet18", (3, 64, 64), 10, pooling="max")


def test_what_timm_publishes_is_known():
    assert published("timm:resnet18") == (3, 224, 1000)
    assert published("timm:resnet18.a1_in1k") == (3, 224, 1000)
    assert recommended("timm:resnet18")["mean"] == (0.485, 0.456, 0.406)


@pytest.mark.parametrize("other", ["timm:selecsls42", "timm:tresnet_m"])
def test_layers_that_put_out_several_tensors_or_are_the_whole_network_are_no_taps(other: str):
    net = outline(other, (3, 64, 64), 10).eval()
    with taps(net, *net.taps) as seen, torch.no_grad():
        net(torch.empty(1, 3, 64, 64, device="meta"))
    assert tuple(seen) == net.taps
    assert len(seen) > 1
    assert all(isinstance(out, Tensor) for out in seen.values())


@pytest.mark.parametrize("other", ["timm:repvit_m0_9", "timm:hrnet_w18_small"])
def test_a_network_with_two_classifiers_or_with_features_in_lists_alone_is_refused(other: str):
    with pytest.raises(UnsupportedError) as told:
        outline(other, (3, 64, 64), 10)
    assert str(told.value) == f"{other} does not say where its features and its classifier are; take another of timm's."


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(SettingError) as told:
        build("timm:resnet81", (3, 64, 64), 10)
    assert str(told.value).startswith("timm has no network 'resnet81'; did you mean resnet18 or ")
    with pytest.raises(SettingError) as told:
        published("timm:qqqq")
    assert str(told.value) == "timm has no network 'qqqq'; its names are those of timm.list_models()."


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    for ask in (lambda: published("timm:resnet18"), lambda: TimmNet("timm:resnet18", (3, 64, 64))):
        with pytest.raises(MissingExtraError) as told:
            ask()
        assert str(told.value) == "timm:resnet18 needs timm, which is not installed: pip install 'striate[zoo]'."


@pytest.mark.parametrize(("other", "px"), [("inception_v3", 299), ("vit_tiny_patch16_224", 224)])
def test_a_size_that_the_network_cannot_take_is_refused(other: str, px: int):
    with pytest.raises(ShapeError) as told:
        outline(f"timm:{other}", (3, 32, 32), 10)
    text = str(told.value)
    assert text.startswith(f"timm:{other} cannot take images of C=3, H=32, W=32 (")
    assert text.endswith(f"). It was made for {px} px; set preprocess.size_px to that.")
    assert "\n" not in text
