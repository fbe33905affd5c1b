from functools import lru_cache

import pytest
import torch
from torch import nn

from striate.base.errors import ShapeError
from striate.nets.architectures.alexnet import AlexNet, conv_side
from striate.nets.blocks import LocalResponseNorm
from striate.nets.factory import build, outline
from striate.nets.hooks import taps
from striate.nets.summary import Layer, layer_table

CONVOLUTIONS = ("conv1", "conv2", "conv3", "conv4", "conv5")
GROUPED = ("conv2", "conv4", "conv5")


@pytest.fixture(scope="module")
def rows() -> dict[str, Layer]:
    return {row.name: row for row in layer_table(outline("alexnet", (3, 227, 227), 1000))}


@lru_cache(maxsize=1)
def smallest() -> AlexNet:
    """At 67 px: conv1 15, pool1 7, pool2 3, pool5 1 pixel a side; average pools, for the gradients."""
    net = build("alexnet", (3, 67, 67), 2, init="torch", pooling="average")
    assert isinstance(net, AlexNet)
    return net.eval()


def test_parameters_by_layer(rows: dict[str, Layer]):
    parameters = {name: row.parameters for name, row in rows.items() if row.parameters}
    assert parameters == {
        "conv1": (11 * 11 * 3 + 1) * 96,
        "conv2": (5 * 5 * 48 + 1) * 256,
        "conv3": (3 * 3 * 256 + 1) * 384,
        "conv4": (3 * 3 * 192 + 1) * 384,
        "conv5": (3 * 3 * 192 + 1) * 256,
        "fc6": (256 * 6 * 6 + 1) * 4096,
        "fc7": (4096 + 1) * 4096,
        "fc8": (4096 + 1) * 1000,
    }
    assert list(parameters.values()) == [34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000]
    assert sum(parameters.values()) == 60_965_224


def test_without_groups_the_three_grouped_layers_would_have_their_weights_twice(rows: dict[str, Layer]):
    biases = {"conv2": 256, "conv4": 384, "conv5": 256}
    assert 60_965_224 + sum(rows[name].parameters - biases[name] for name in GROUPED) == 62_378_344


def test_multiply_adds_by_layer(rows: dict[str, Layer]):
    assert {name: row.macs for name, row in rows.items() if row.macs} == {
        "conv1": 55 * 55 * 96 * 11 * 11 * 3,
        "conv2": 27 * 27 * 256 * 5 * 5 * 48,
        "conv3": 13 * 13 * 384 * 3 * 3 * 256,
        "conv4": 13 * 13 * 384 * 3 * 3 * 192,
        "conv5": 13 * 13 * 256 * 3 * 3 * 192,
        "fc6": 9216 * 4096,
        "fc7": 4096 * 4096,
        "fc8": 4096 * 1000,
    }
    assert sum(row.macs for row in rows.values()) == 724_406_816


def test_sides(rows: dict[str, Layer]):
    names = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    assert rows["conv1"].input == (3, 227, 227)
    assert [rows[name].output[1] for name in names] == [55, 27, 27, 13, 13, 13, 13, 6]
    assert [rows[name].output[0] for name in names] == [96, 96, 256, 256, 384, 384, 256, 256]
    assert rows["flatten"].output == (9_216,)


def test_the_printed_224_gives_the_paper_s_sides_with_a_border_of_two_only():
    assert [conv_side(227, 0), conv_side(224, 2), conv_side(224, 0)] == [6, 6, 5]


def test_units(rows: dict[str, Layer]):
    units = {name: row.bytes // 4 for name, row in rows.items() if row.parameters}
    assert units["conv1"] == 55 * 55 * 96 == 290_400
    assert sum(units.values()) == 659_272
    assert sum(units.values()) == 290_400 + 27**2 * 256 + 13**2 * (384 + 384 + 256) + 2 * 4096 + 1000


def test_conv1_without_shared_weights_would_have_105_million(rows: dict[str, Layer]):
    per_unit = rows["conv1"].parameters // 96
    assert per_unit == 11 * 11 * 3 + 1 == 364
    assert 290_400 * per_unit == 105_705_600


def test_receptive_fields_and_jumps(rows: dict[str, Layer]):
    names = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    assert [rows[name].receptive_field for name in names] == [11, 19, 51, 67, 99, 131, 163, 195]
    assert [rows[name].jump for name in names] == [4, 8, 8, 16, 16, 16, 16, 32]


def test_layers_come_in_the_paper_s_order(rows: dict[str, Layer]):
    assert list(rows) == [
        "conv1", "relu1", "norm1", "pool1", "conv2", "relu2", "norm2", "pool2", "conv3", "relu3", "conv4", "relu4", "conv5",
        "relu5", "pool5", "flatten", "fc6", "relu6", "dropout6", "fc7", "relu7", "dropout7", "fc8",
    ]  # fmt: skip
    net = outline("alexnet", (3, 227, 227), 1000)
    norms = [layer for layer in net.modules() if isinstance(layer, LocalResponseNorm)]
    assert [(norm.k, norm.size, norm.alpha, norm.beta) for norm in norms] == [(2, 5, 1e-4, 0.75)] * 2
    assert [layer.p for layer in net.modules() if isinstance(layer, nn.Dropout)] == [0.5, 0.5]


def test_all_pools_overlap():
    pools = [layer for layer in outline("alexnet", (3, 227, 227), 10).modules() if isinstance(layer, nn.MaxPool2d)]
    assert [(layer.kernel_size, layer.stride) for layer in pools] == [(3, 2)] * 3


@pytest.mark.parametrize(("name", "before"), [("conv2", 96), ("conv4", 384), ("conv5", 384)])
def test_the_two_towers_do_not_mix(name: str, before: int):
    conv = smallest().get_submodule(name)
    maps_NCHW = torch.randn(1, before, 5, 5, requires_grad=True)
    out_CHW = conv(maps_NCHW)[0]
    (upper,) = torch.autograd.grad(out_CHW[: len(out_CHW) // 2].sum(), maps_NCHW)
    assert upper[0].flatten(1).any(1).tolist() == [True] * (before // 2) + [False] * (before // 2)


def test_conv3_sees_both_towers():
    assert [outline("alexnet", (3, 67, 67), 2).get_submodule(name).groups for name in CONVOLUTIONS] == [1, 2, 1, 2, 2]


@pytest.mark.parametrize(
    ("name", "at", "first", "size"),
    [("conv1", 7, 7 * 4, 11), ("pool1", 3, 3 * 8, 19), ("conv2", 3, 3 * 8 - 16, 51), ("pool2", 1, 0, 67)],
)
def test_the_gradient_of_a_center_unit_fills_its_receptive_field(
    rows: dict[str, Layer], name: str, at: int, first: int, size: int
):
    net = smallest()
    with torch.no_grad():
        for key in ("conv1", "conv2"):
            for weight in net.get_submodule(key).parameters():
                weight.abs_()
    images_NCHW = torch.rand(1, 3, 67, 67, requires_grad=True)
    with taps(net, name) as seen:
        net(images_NCHW)
    (slope_NCHW,) = torch.autograd.grad(seen[name][0, :, at, at].sum(), images_NCHW)
    seen_HW = (slope_NCHW[0] != 0).any(0)
    expected_HW = torch.zeros(67, 67, dtype=torch.bool)
    expected_HW[first : first + size, first : first + size] = True
    assert torch.equal(seen_HW, expected_HW)
    assert rows[name].receptive_field == size


def test_a_head_for_twenty_classes_has_81_940_parameters():
    net = outline("alexnet", (3, 227, 227), 1000)
    net.replace_head(20)
    assert sum(parameter.numel() for parameter in net.head.parameters()) == 4096 * 20 + 20 == 81_940
    assert sum(parameter.numel() for parameter in net.parameters()) == 60_965_224 - 4_097_000 + 81_940


def test_settings_reach_their_layers():
    net = outline("alexnet", (3, 67, 67), 2, activation="tanh", pooling="average", dropout=0.25)
    kinds = [type(layer).__name__ for layer in net.modules()]
    assert [kinds.count(kind) for kind in ("Tanh", "ReLU", "AvgPool2d", "MaxPool2d")] == [7, 0, 3, 0]
    assert [layer.p for layer in net.modules() if isinstance(layer, nn.Dropout)] == [0.25, 0.25]


def test_oblong_images():
    rows = {row.name: row for row in layer_table(outline("alexnet", (1, 67, 131), 5))}
    assert rows["conv1"].output == (96, 15, 31)
    assert rows["pool5"].output == (256, 1, 3)
    assert rows["fc6"].parameters == (256 * 3 + 1) * 4096


def test_images_of_a_wrong_size_are_refused():
    with pytest.raises(ShapeError) as refused:
        AlexNet((3, 66, 80))
    assert str(refused.value) == (
        "alexnet expects images of at least 67 x 67 pixels and 1 channel; got C=3, H=66, W=80. "
        "Set preprocess.size_px to 67 or more."
    )
    with pytest.raises(ShapeError) as refused:
        outline("alexnet", (3, 227, 227), 1000)(torch.zeros(1, 3, 224, 224, device="meta"))
    assert str(refused.value) == (
        "AlexNet expects images_NCHW with C=3, H=227, W=227; got (1, 3, 224, 224). "
        "Bring the images to that size, or build the network for theirs."
    )
