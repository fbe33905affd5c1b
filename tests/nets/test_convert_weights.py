import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision import models

from striate.base.errors import SettingError, ShapeError, WeightsError
from striate.nets import factory
from striate.nets.convert_weights import load_state, rename
from striate.nets.published_weights import WEIGHTS
from support.checkpoints import CifarResNet, as_module, cifar, filled

TORCHVISION = {"alexnet_owt": "alexnet", "googlenet_bn": "googlenet"}
SIX = ("alexnet_owt", "vgg16", "vgg16_bn", "googlenet_bn", "resnet18", "resnet50")
PUBLISHED = sorted({net for nets in WEIGHTS.values() for net, row in nets.items() if not row.package})
RESNET20 = cifar()
OUTLINE = factory.outline("resnet20", (3, 32, 32), 10)
ADVICE = "See what resnet20 has with `striate nets resnet20`; the number of classes and the size of the images matter too."


def outline(library: str, name: str) -> nn.Module:
    """The network of another library on the meta device."""
    with torch.device("meta"):
        if library == "timm":
            return timm.create_model(name)
        more = {"init_weights": False} if name == "googlenet" else {}
        return models.get_model(name, **more)


def refused(state: dict[str, Tensor], name: str = "resnet20") -> str:
    with pytest.raises(WeightsError) as told:
        load_state(name, state)
    return str(told.value)


def without(state: dict[str, Tensor], *names: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if name not in names}


@pytest.mark.parametrize(
    ("library", "name"),
    [
        *(pytest.param("torchvision", name, marks=pytest.mark.soak if name == "vgg16_bn" else ()) for name in SIX),
        ("timm", "resnet18"),
    ],
)
def test_logits_are_those_of_the_other_library(library: str, name: str):
    assert difference(library, name) <= 1e-5


def test_timm_s_vgg_whose_fc6_is_a_convolution_gives_its_logits():
    assert difference("timm", "vgg16") <= 1e-4, "a convolution adds up in another order than a matrix product"


def test_a_kernel_that_covers_its_input_is_a_fully_connected_layer_with_its_values_in_order():
    theirs = outline("timm", "vgg16").state_dict()
    kernel = torch.zeros(theirs["pre_logits.fc1.weight"].shape)
    kernel[5, 7, 3, 2] = 1
    net = factory.outline("vgg16", (3, 224, 224), 1000)
    weights, left_out = rename({**theirs, "pre_logits.fc1.weight": kernel}, net, "vgg16")
    assert left_out == ()
    assert weights["fc6.weight"].nonzero().tolist() == [[5, 7 * 49 + 3 * 7 + 2]]
    flat = ("fc6.weight", "fc7.weight", "fc8.weight")
    for (key, place), tensor in zip(net.state_dict().items(), theirs.values(), strict=True):  # both in forward order
        assert weights[key] is tensor or (key in flat and weights[key].shape == place.shape), key


def difference(library: str, name: str) -> float:
    """The largest between logits of one image, of which the other library's are far from constant."""
    theirs = outline(library, TORCHVISION.get(name, name))
    state = filled(theirs.state_dict())
    loaded = load_state(name, state)
    image_1CHW = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected_1K = as_module(state, theirs)(image_1CHW)
        result_1K = loaded.net.eval()(image_1CHW)
    assert float(expected_1K.std()) > 0.1
    return float((result_1K - expected_1K).abs().max())


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_network_of_torchvision_fits(name: str):
    theirs = outline("torchvision", TORCHVISION.get(name, name)).state_dict()
    ours = factory.outline(name, (3, 224, 224), 1000)
    weights, left_out = rename(theirs, ours, name)
    assert weights.keys() == ours.state_dict().keys()
    assert len(weights) + len(left_out) == len(theirs)
    assert all(weights[key].shape == place.shape for key, place in ours.state_dict().items())
    assert bool(left_out) == (name == "googlenet_bn")


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "vgg11", "vgg13_bn", "vgg19"])
def test_timm_s_twins_fit(name: str):
    ours = factory.outline(name, (3, 224, 224), 1000)
    weights, left_out = rename(outline("timm", name).state_dict(), ours, name)
    assert (weights.keys(), left_out) == (ours.state_dict().keys(), ())


def test_auxiliary_heads_are_reported_and_taken_where_the_network_has_them():
    theirs = outline("torchvision", "googlenet")
    state = filled(theirs.state_dict())
    of_heads = tuple(key for key in state if key.startswith("aux"))
    assert len(of_heads) == 20
    without_heads = load_state("googlenet_bn", state)
    assert without_heads.left_out == of_heads
    assert without_heads.net.aux4a is None
    with_heads = load_state("googlenet_bn", state, aux=True)
    assert with_heads.left_out == ()
    assert torch.equal(with_heads.net.get_submodule("aux4d.fc2").weight, state["aux2.fc2.weight"])
    images_NCHW = torch.randn(2, 3, 224, 224)
    # in training torchvision's tuple names the heads the other way round (vision's GoogLeNetOutputs is logits, aux2, aux1)
    ours, other = with_heads.net.train(), as_module(filled(theirs.state_dict()), theirs).train()
    for layer in (*ours.modules(), *other.modules()):
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    result, expected = ours(images_NCHW), other(images_NCHW)
    for mine, logits_NK in ((result.logits_NK, expected.logits), (result.aux4a_NK, expected.aux_logits1)):
        assert torch.allclose(mine, logits_NK, atol=1e-4)
    assert torch.allclose(result.aux4d_NK, expected.aux_logits2, atol=1e-4)


@pytest.mark.parametrize(
    ("how", "own"),
    [
        ({"head": "linear"}, {}),
        ({"head": "fc", "n": 5}, {}),
        ({"head": "linear", "projection": "shortcut"}, {"shortcut": "B"}),
        ({"head": "fc", "projection": "downsample"}, {"shortcut": "B"}),
    ],
)
def test_checkpoints_of_cifar_repositories_fit(how: dict[str, int | str], own: dict[str, str]):
    state = cifar(**how)
    name = "resnet32" if how.get("n") == 5 else "resnet20"
    with torch.device("meta"):
        theirs = CifarResNet(**how)
    images_NCHW = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected_NK = as_module(state, theirs)(images_NCHW)
        result_NK = load_state(name, state, **own).net.eval()(images_NCHW)
    assert torch.allclose(result_NK, expected_NK, atol=1e-5)


def test_one_tensor_too_many_is_named():
    assert refused(RESNET20 | {"extra.weight": torch.zeros(2)}) == (
        f"these weights do not fit resnet20: of 117 tensors 1 have no place: extra.weight. {ADVICE}"
    )


def test_one_that_is_missing_is_named():
    assert refused(without(RESNET20, "layer1.0.conv1.weight")) == (
        f"these weights do not fit resnet20: of 115 tensors 1 are missing: conv2_1.conv1.weight. {ADVICE}"
    )


def test_one_of_another_shape_is_named():
    assert refused(RESNET20 | {"layer2.0.bn1.bias": torch.zeros(31)}) == (
        "these weights do not fit resnet20: of 116 tensors 1 have another shape: layer2.0.bn1.bias (31,), expected (32,). "
        f"{ADVICE}"
    )


def test_all_faults_are_told_at_once():
    wrong = without(RESNET20, "bn1.weight") | {
        **{f"extra{number}.weight": torch.zeros(2) for number in range(7)}, "bn1.bias": torch.zeros(1),
        "layer3.0.bn2.weight": torch.ones(64, dtype=torch.int8),
    }  # fmt: skip
    assert refused(wrong) == (
        "these weights do not fit resnet20: of 122 tensors 7 have no place: extra0.weight, extra1.weight, extra2.weight, "
        "extra3.weight, extra4.weight, extra5.weight, ...; 1 are missing: bn1.weight; 1 have another shape: bn1.bias (1,), "
        f"expected (16,); 1 are whole numbers: layer3.0.bn2.weight int8. {ADVICE}"
    )


def test_two_tensors_for_one_place_are_not_laid_over_each_other():
    text = refused(RESNET20 | {"fc.weight": torch.zeros(10, 64)})
    assert "of 117 tensors 1 have no place: fc.weight. See" in text


def test_a_projection_that_the_network_does_not_have_has_no_place():
    text = refused(cifar(projection="shortcut"))
    assert "12 have no place: layer2.0.shortcut.0.weight, layer2.0.shortcut.1.weight," in text


@settings(max_examples=20, deadline=None)
@given(st.sets(st.sampled_from(sorted(RESNET20)), max_size=8), st.sets(st.from_regex(r"\A[a-z]{1,3}\.q\Z"), max_size=8))
def test_whatever_is_taken_away_or_added_is_counted(gone: set[str], more: set[str]):
    state = without(RESNET20, *gone) | dict.fromkeys(more, torch.zeros(1))
    lacking = [name for name in gone if not name.endswith("num_batches_tracked")]
    if not (lacking or more):
        assert len(rename(state, OUTLINE, "resnet20")[0]) == 116
        return
    with pytest.raises(WeightsError) as told:
        rename(state, OUTLINE, "resnet20")
    text = str(told.value)
    assert (f"{len(lacking)} are missing" in text) == bool(lacking)
    assert (f"{len(more)} have no place" in text) == bool(more)


def test_files_from_before_batches_were_counted_load():
    old = {name: tensor for name, tensor in RESNET20.items() if not name.endswith("num_batches_tracked")}
    state = load_state("resnet20", old).net.state_dict()
    assert state["bn1.num_batches_tracked"] == 0
    assert torch.equal(state["conv4_3.bn2.running_var"], RESNET20["layer3.2.bn2.running_var"])


def test_classes_and_channels_are_those_of_the_weights():
    loaded = load_state("resnet20", cifar(classes=20, channels=1), size_px=24)
    assert (loaded.net.num_classes, loaded.net.input_chw) == (20, (1, 24, 24))
    assert loaded.net.eval()(torch.zeros(1, 1, 24, 24)).shape == (1, 20)


def test_weights_under_our_own_names_load():
    for name, shape in (("resnet20", (3, 32, 32)), ("lenet5_modern", (1, 28, 28)), ("lecun1989", (1, 16, 16))):
        own = factory.build(name, shape, 10, seed=3).state_dict()
        result = load_state(name, own).net.state_dict()
        assert all(torch.equal(result[key], own[key]) for key in own)
    own = factory.build("resnet20", (3, 32, 32), 10).state_dict()
    assert "of 117 tensors 1 have no place: extra.weight. See" in refused({**own, "extra.weight": torch.zeros(2)})
    assert "of 115 tensors 1 are missing: conv2_1.conv1.weight. See" in refused(without(own, "conv2_1.conv1.weight"))


def test_our_own_auxiliary_heads_are_left_out_as_theirs_are():
    with torch.device("meta"):
        own = factory.build("googlenet_bn", (3, 64, 64), 5, init="torch", aux=True).state_dict()
    left_out = rename(own, factory.outline("googlenet_bn", (3, 64, 64), 5), "googlenet_bn")[1]
    assert len(left_out) == 20
    with pytest.raises(WeightsError, match=r"1 have no place: aux4a\.fc1\.weight"):
        rename({**RESNET20, "aux4a.fc1.weight": torch.zeros(2)}, OUTLINE, "resnet20")


def test_half_precision_becomes_the_network_s():
    loaded = load_state("resnet20", {name: t.half() if t.is_floating_point() else t for name, t in RESNET20.items()})
    assert {tensor.dtype for tensor in loaded.net.state_dict().values()} == {torch.float32, torch.int64}


def test_weights_are_copies():
    loaded = load_state("resnet20", RESNET20)
    loaded.net.get_submodule("fc").weight.data.zero_()
    assert RESNET20["linear.weight"].any()


def test_a_network_that_nobody_else_has_and_sizes_that_cannot_be():
    text = refused({"features.0.weight": torch.zeros(1)}, "mlp")
    assert text.startswith("these weights do not fit mlp: of 1 tensors 1 have no place: features.0.weight; 6 are missing: fc1.")
    assert "1 have another shape: linear.bias (), expected (10,)" in refused(RESNET20 | {"linear.bias": torch.tensor(1.0)})
    assert "1 have another shape: linear.weight (), expected" in refused(RESNET20 | {"linear.weight": torch.tensor(1.0)})
    with pytest.raises(ShapeError, match=r"of at least 8 x 8 pixels and 1 channel; got C=3, H=0, W=0"):
        load_state("resnet20", RESNET20, size_px=0)
    with pytest.raises(SettingError, match="resnet20 needs at least 1 class; got 0"):
        load_state("resnet20", RESNET20 | {"linear.weight": torch.zeros(0, 64)})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(value: float):
    state = factory.build("lenet5", (1, 32, 32), 10).state_dict()
    name = next(iter(state))
    state[name].view(-1)[3] = value
    count = state[name].numel()
    with pytest.raises(WeightsError) as error:
        load_state("lenet5", state)
    assert str(error.value).startswith(
        f"expected finite numbers in the weights of lenet5; {name} holds NaN or infinity in 1 of {count:,}."
    )
