from functools import cache

import pytest
import torch
from torch import nn

from striate.nets.factory import outline
from striate.nets.hooks import taps
from striate.nets.layer_line import LineNet
from striate.nets.summary import Layer, layer_table

WIDTHS = (64, 128, 256, 512, 512)
DEPTHS = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
PLAIN = tuple(DEPTHS)


@cache
def rows_of(name: str) -> dict[str, Layer]:
    return {row.name: row for row in layer_table(outline(name, (3, 224, 224), 1000))}


def total(rows: dict[str, Layer], prefix: str = "") -> int:
    return sum(row.parameters for row in rows.values() if row.name.startswith(prefix))


def test_parameters_by_layer_of_configuration_a():
    assert {name: row.parameters for name, row in rows_of("vgg11").items() if row.parameters} == {
        "conv1_1": (9 * 3 + 1) * 64,
        "conv2_1": (9 * 64 + 1) * 128,
        "conv3_1": (9 * 128 + 1) * 256,
        "conv3_2": (9 * 256 + 1) * 256,
        "conv4_1": (9 * 256 + 1) * 512,
        "conv4_2": (9 * 512 + 1) * 512,
        "conv5_1": (9 * 512 + 1) * 512,
        "conv5_2": (9 * 512 + 1) * 512,
        "fc6": (512 * 7 * 7 + 1) * 4096,
        "fc7": (4096 + 1) * 4096,
        "fc8": (4096 + 1) * 1000,
    }


@pytest.mark.parametrize(
    ("name", "all_of_them", "convolutions"),
    [
        ("vgg11", 132_863_336, 9_220_480),
        ("vgg13", 133_047_848, 9_404_992),
        ("vgg16", 138_357_544, 14_714_688),
        ("vgg19", 143_667_240, 20_024_384),
    ],
)
def test_parameters_of_the_convolutional_and_of_the_fully_connected_part(name: str, all_of_them: int, convolutions: int):
    rows = rows_of(name)
    assert total(rows, "conv") == convolutions
    assert total(rows, "fc") == 102_764_544 + 16_781_312 + 4_097_000 == 123_642_856
    assert total(rows) == all_of_them == convolutions + 123_642_856


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("vgg11", 132_868_840), ("vgg13", 133_053_736), ("vgg16", 138_365_992), ("vgg19", 143_678_248)],
)
def test_batch_norm_adds_two_parameters_a_map(name: str, parameters: int):
    maps = sum(depth * width for depth, width in zip(DEPTHS[name], WIDTHS, strict=True))
    assert total(rows_of(f"{name}_bn")) == total(rows_of(name)) + 2 * maps == parameters
    assert total(rows_of(f"{name}_bn"), "bn") == 2 * maps


@pytest.mark.parametrize(("name", "billions"), [("vgg11", 7.609), ("vgg13", 11.308), ("vgg16", 15.470), ("vgg19", 19.632)])
def test_multiply_adds(name: str, billions: float):
    before, expected = 3, 0
    for stage, (depth, width) in enumerate(zip(DEPTHS[name], WIDTHS, strict=True)):
        inputs = before + (depth - 1) * width
        expected += (224 // 2**stage) ** 2 * 9 * inputs * width
        before = width
    expected += 25_088 * 4096 + 4096 * 4096 + 4096 * 1000
    for each in (name, f"{name}_bn"):
        assert sum(row.macs for row in rows_of(each).values()) == expected
    assert round(expected / 1e9, 3) == billions


@pytest.mark.parametrize(("name", "field"), [("vgg11", 150), ("vgg13", 156), ("vgg16", 212), ("vgg19", 268)])
def test_receptive_field_of_the_last_pool(name: str, field: int):
    assert 1 + sum((2 * depth + 1) * 2**stage for stage, depth in enumerate(DEPTHS[name])) == field
    assert rows_of(name)["pool5"].receptive_field == rows_of(f"{name}_bn")["pool5"].receptive_field == field


@pytest.mark.parametrize("name", PLAIN)
def test_the_number_in_the_name_counts_the_layers_with_weights(name: str):
    assert sum(row.kind in ("Conv2d", "Linear") for row in rows_of(name).values()) == int(name.removeprefix("vgg"))


@pytest.mark.parametrize("name", [*PLAIN, *(f"{name}_bn" for name in PLAIN)])
def test_only_pools_change_the_side_and_only_first_convolutions_the_number_of_maps(name: str):
    pools = [rows_of(name)[f"pool{stage}"] for stage in range(1, 6)]
    assert [(pool.output, pool.jump) for pool in pools] == [
        ((64, 112, 112), 2), ((128, 56, 56), 4), ((256, 28, 28), 8), ((512, 14, 14), 16), ((512, 7, 7), 32),
    ]  # fmt: skip
    for row in rows_of(name).values():
        if row.kind == "Conv2d":
            assert row.output[1:] == row.input[1:]
            assert row.output[0] == WIDTHS[int(row.name[4]) - 1]


def test_batch_norm_stands_between_convolution_and_rectifier_and_the_bias_stays():
    order = list(rows_of("vgg11_bn"))
    assert order[:8] == ["conv1_1", "bn1_1", "relu1_1", "pool1", "conv2_1", "bn2_1", "relu2_1", "pool2"]
    assert [name for name in order if not name.startswith("bn")] == list(rows_of("vgg11"))
    assert rows_of("vgg11_bn")["conv1_1"].parameters == 1_792


def test_dropout_follows_both_large_layers():
    order = list(rows_of("vgg16"))
    assert order[-8:] == ["flatten", "fc6", "relu6", "dropout6", "fc7", "relu7", "dropout7", "fc8"]
    dropouts = [layer.p for layer in outline("vgg16", (3, 32, 32), 2).modules() if isinstance(layer, nn.Dropout)]
    assert dropouts == [0.5, 0.5]


def test_three_3x3_have_27_weights_a_pair_of_maps_where_one_7x7_has_49():
    rows = rows_of("vgg16")
    assert [rows[f"conv5_{n}"].parameters - 512 for n in (1, 2, 3)] == [9 * 512**2] * 3
    assert sum(rows[f"conv5_{n}"].parameters - 512 for n in (1, 2, 3)) == 27 * 512**2 < 49 * 512**2
    assert rows["conv5_3"].receptive_field - rows["pool4"].receptive_field == (7 - 1) * 16


@pytest.mark.parametrize(
    ("line", "last"), [("conv 3x3x2, conv 3x3x2, conv 3x3x2, fc 2", "conv3"), ("conv 7x7x2, fc 2", "conv1")]
)
def test_three_3x3_see_the_7_pixels_of_one_7x7(line: str, last: str):
    net = LineNet(line, (1, 11, 11), 2)
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 0.5)
    images_NCHW = torch.ones(1, 1, 11, 11, requires_grad=True)
    with taps(net, last) as seen:
        net(images_NCHW)
    (slope_NCHW,) = torch.autograd.grad(seen[last][0, 0, 5, 5], images_NCHW)
    expected_HW = torch.zeros(11, 11, dtype=torch.bool)
    expected_HW[2:9, 2:9] = True
    assert torch.equal(slope_NCHW[0, 0] != 0, expected_HW)


def test_settings_reach_their_layers():
    net = outline("vgg13", (3, 32, 32), 2, activation="leaky_relu", pooling="average", dropout=0.2)
    kinds = [type(layer).__name__ for layer in net.modules()]
    assert [kinds.count(kind) for kind in ("LeakyReLU", "ReLU", "AvgPool2d", "MaxPool2d")] == [12, 0, 5, 0]
    assert [layer.p for layer in net.modules() if isinstance(layer, nn.Dropout)] == [0.2, 0.2]


def test_sides_that_32_does_not_divide_lose_their_rest():
    rows = {row.name: row for row in layer_table(outline("vgg11", (1, 63, 97), 5))}
    assert rows["pool5"].output == (512, 1, 3)
    assert rows["fc6"].parameters == (512 * 3 + 1) * 4096
