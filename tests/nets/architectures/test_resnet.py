from collections import Counter
from functools import cache

import pytest
import torch
from torch import nn

from striate.base.errors import SettingError
from striate.nets.architectures.residual_blocks import BasicBlock, Bottleneck
from striate.nets.architectures.resnet import ResNet
from striate.nets.factory import outline
from striate.nets.summary import Layer, layer_table

WIDTHS = (64, 128, 256, 512)
DEPTHS = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
}
BASIC, DEEP = ("resnet18", "resnet34"), ("resnet50", "resnet101", "resnet152")


@cache
def rows_of(name: str, shortcut: str = "B", v1: bool = False) -> dict[str, Layer]:
    settings = {"shortcut": shortcut} | ({"v1": True} if v1 else {})
    return {row.name: row for row in layer_table(outline(name, (3, 224, 224), 1000, **settings))}


def parameters(name: str, shortcut: str = "B", v1: bool = False) -> int:
    return sum(row.parameters for row in rows_of(name, shortcut, v1).values())


def macs(name: str, v1: bool = False) -> int:
    return sum(row.macs for row in rows_of(name, "B", v1).values())


def test_parameters_of_18_layers_by_stage():
    stages = Counter[str]()
    for name, row in rows_of("resnet18").items():
        stages[name.partition("_")[0]] += row.parameters
    assert +stages == {
        "conv1": 49 * 3 * 64,
        "bn1": 2 * 64,
        "conv2": 4 * (9 * 64 * 64 + 2 * 64),
        "conv3": 9 * 64 * 128 + 3 * 9 * 128 * 128 + 4 * 2 * 128 + 64 * 128 + 2 * 128,
        "conv4": 9 * 128 * 256 + 3 * 9 * 256 * 256 + 4 * 2 * 256 + 128 * 256 + 2 * 256,
        "conv5": 9 * 256 * 512 + 3 * 9 * 512 * 512 + 4 * 2 * 512 + 256 * 512 + 2 * 512,
        "fc": 512 * 1000 + 1000,
    }
    assert stages.total() == 11_689_512


def worked(name: str, v1: bool = False) -> tuple[int, int]:
    """(parameters, multiply-adds) from table 1 of the paper with shortcuts of option B."""
    deep = name in DEEP
    into, weights, products = 64, 49 * 3 * 64 + 2 * 64, 112**2 * 49 * 3 * 64
    for stage, (depth, width) in enumerate(zip(DEPTHS[name], WIDTHS, strict=True)):
        area = (56 // 2**stage) ** 2
        out = 4 * width if deep else width
        for number in range(depth):
            before = 4 * area if stage and not number else area
            if deep:
                kernels = [into * width, 9 * width * width, width * out]
                positions = [area if v1 else before, area, area]
                weights += 2 * (width + width + out)
            else:
                kernels = [9 * into * width, 9 * width * width]
                positions = [area, area]
                weights += 2 * (width + width)
            if into != out:
                kernels, positions, weights = [*kernels, into * out], [*positions, area], weights + 2 * out
            weights += sum(kernels)
            products += sum(a * b for a, b in zip(kernels, positions, strict=True))
            into = out
    return weights + (into + 1) * 1000, products + into * 1000


@pytest.mark.parametrize(
    ("name", "published", "v15", "v1"),
    [
        ("resnet18", 11_689_512, 1_814_073_344, 1_814_073_344),
        ("resnet34", 21_797_672, 3_663_761_408, 3_663_761_408),
        ("resnet50", 25_557_032, 4_089_184_256, 3_857_973_248),
        ("resnet101", 44_549_160, 7_801_405_440, 7_570_194_432),
        ("resnet152", 60_192_808, 11_513_626_624, 11_282_415_616),
    ],
)
def test_parameters_and_multiply_adds_as_worked_out_from_table_1(name: str, published: int, v15: int, v1: int):
    assert (parameters(name), macs(name)) == worked(name) == (published, v15)
    assert worked(name, v1=True) == (published, v1)
    if name in DEEP:
        assert (parameters(name, v1=True), macs(name, v1=True)) == (published, v1)


@pytest.mark.parametrize(
    ("name", "billions"), [("resnet18", 1.8), ("resnet34", 3.6), ("resnet50", 3.8), ("resnet101", 7.6), ("resnet152", 11.3)]
)
def test_the_paper_s_flops_are_the_multiply_adds_of_its_own_stride(name: str, billions: float):
    assert macs(name, v1=name in DEEP) / 1e9 == pytest.approx(billions, abs=0.065)


@pytest.mark.parametrize(
    ("name", "v15", "v1"),
    [
        ("resnet18", 435, 435),
        ("resnet34", 899, 899),
        ("resnet50", 427, 483),
        ("resnet101", 971, 1027),
        ("resnet152", 1451, 1507),
    ],
)
def test_receptive_fields_of_the_last_block(name: str, v15: int, v1: int):
    def last(rows: dict[str, Layer]) -> tuple[int, int]:
        block = [row for row in rows.values() if row.name.startswith(f"conv5_{DEPTHS[name][-1]}")][-1]
        return block.receptive_field, block.jump

    assert last(rows_of(name)) == (v15, 32)
    if name in DEEP:
        assert last(rows_of(name, v1=True)) == (v1, 32)


def test_receptive_fields_of_50_layers_stage_by_stage():
    ends = ("conv2_3", "conv3_4", "conv4_6", "conv5_3")
    # a 3x3 adds twice the jump of its input, which in a first block has not grown yet
    assert [rows_of("resnet50")[f"{name}.relu3"].receptive_field for name in ends] == [35, 91, 267, 427]
    assert [rows_of("resnet50", v1=True)[f"{name}.relu3"].receptive_field for name in ends] == [35, 99, 291, 483]
    assert [rows_of("resnet50")[name].receptive_field for name in ("conv1", "pool1")] == [7, 11]


@pytest.mark.parametrize("name", DEPTHS)
def test_sides_and_maps(name: str):
    rows, width = rows_of(name), 4 if name in DEEP else 1
    assert rows["conv1"].output == (64, 112, 112)
    assert rows["pool1"].output == (64, 56, 56)
    ends = [f"conv{stage}_{depth}.relu{3 if name in DEEP else 2}" for stage, depth in enumerate(DEPTHS[name], start=2)]
    assert [rows[end].output for end in ends] == [
        (64 * width, 56, 56), (128 * width, 28, 28), (256 * width, 14, 14), (512 * width, 7, 7),
    ]  # fmt: skip
    assert rows["pool5"].output == (512 * width, 1, 1)


@pytest.mark.parametrize("name", DEPTHS)
def test_the_number_in_the_name_counts_the_layers_on_the_longest_way(name: str):
    depth: dict[str, int] = {}
    for key, row in rows_of(name).items():
        depth[key] = (row.kind in ("Conv2d", "Linear")) + max((depth[source] for source in row.sources), default=0)
    assert depth["fc"] == int(name.removeprefix("resnet"))


def test_shortcuts_of_18_layers():
    projections = [64 * 128 + 2 * 128, 128 * 256 + 2 * 256, 256 * 512 + 2 * 512]
    squares = [2 * (64 * 64 + 2 * 64), 128 * 128 + 2 * 128, 256 * 256 + 2 * 256, 512 * 512 + 2 * 512]
    assert parameters("resnet18", "A") == 11_689_512 - sum(projections)
    assert parameters("resnet18", "C") == 11_689_512 + sum(squares)
    kinds = {key: row.kind for key, row in rows_of("resnet18", "A").items() if key.endswith("shortcut")}
    assert kinds == {"conv3_1.shortcut": "Padding", "conv4_1.shortcut": "Padding", "conv5_1.shortcut": "Padding"}


def test_the_first_block_of_50_layers_projects_though_its_side_stays():
    rows = rows_of("resnet50")
    assert rows["conv2_1.shortcut.conv"].parameters == 64 * 256
    assert rows["conv2_1.shortcut.conv"].output == (256, 56, 56)
    assert "conv2_2.shortcut.conv" not in rows


def test_where_the_stride_of_a_bottleneck_is():
    for v1, first, second in ((False, (1, 1), (2, 2)), (True, (2, 2), (1, 1))):
        block = outline("resnet50", (3, 32, 32), 2, v1=v1).get_submodule("conv4_1")
        assert isinstance(block, Bottleneck)
        assert (block.conv1.stride, block.conv2.stride) == (first, second)


@pytest.mark.parametrize("name", BASIC)
def test_basic_blocks_have_no_v1(name: str):
    with pytest.raises(SettingError) as refused:
        outline(name, (3, 32, 32), 2, v1=True)
    assert str(refused.value) == (f"net.v1 does not apply to '{name}': it has activation, shortcut. Remove it.")


def test_there_is_one_fully_connected_layer_behind_a_mean_and_no_convolution_has_a_bias():
    net = outline("resnet34", (3, 224, 224), 1000)
    assert [row.name for row in rows_of("resnet34").values() if row.kind == "Linear"] == ["fc"]
    assert list(rows_of("resnet34"))[-3:] == ["pool5", "flatten", "fc"]
    assert all(layer.bias is None for layer in net.modules() if isinstance(layer, nn.Conv2d))


def test_without_residuals_the_shortcuts_carry_the_image_through():
    net = ResNet((1, 32, 32), 2, depths=(1, 1, 1, 1), block=BasicBlock, shortcut="A").eval()
    for layer in net.modules():
        if isinstance(layer, BasicBlock):
            nn.init.zeros_(layer.bn2.weight)  # each block is its shortcut
    nn.init.constant_(net.conv1.weight, 1 / 49)
    nn.init.constant_(net.fc.weight, 1.0)
    nn.init.zeros_(net.fc.bias)
    # The shortcuts keep 64 maps, and of them the pixel at (0, 0), where pool1 sees conv1 with one of seven rows and columns
    # outside of the white image
    images_NCHW = torch.ones(1, 1, 32, 32)
    with torch.no_grad():
        assert net(images_NCHW).tolist() == [pytest.approx([64 * 36 / 49] * 2, rel=1e-4)]


def test_settings_reach_their_layers():
    kinds = [type(layer).__name__ for layer in outline("resnet50", (3, 32, 32), 2, activation="silu").modules()]
    assert (kinds.count("SiLU"), kinds.count("ReLU")) == (1 + 3 * 16, 0)
