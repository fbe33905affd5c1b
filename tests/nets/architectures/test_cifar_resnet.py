from functools import cache

import pytest
import torch
from torch import nn

from striate.base.errors import SettingError
from striate.nets.architectures.cifar_resnet import CifarResNet
from striate.nets.architectures.residual_blocks import BasicBlock
from striate.nets.factory import outline
from striate.nets.hooks import taps
from striate.nets.summary import Layer, layer_table

BLOCKS = {"resnet20": 3, "resnet32": 5, "resnet44": 7, "resnet56": 9, "resnet110": 18, "plain20": 3, "plain56": 9}


@cache
def rows_of(name: str) -> dict[str, Layer]:
    return {row.name: row for row in layer_table(outline(name, (3, 32, 32), 10))}


def worked_parameters(n: int) -> int:
    conv1 = 27 * 16 + 2 * 16
    conv2 = 2 * n * (9 * 16 * 16 + 2 * 16)
    conv3 = 9 * 16 * 32 + (2 * n - 1) * 9 * 32 * 32 + 2 * n * 2 * 32
    conv4 = 9 * 32 * 64 + (2 * n - 1) * 9 * 64 * 64 + 2 * n * 2 * 64
    return conv1 + conv2 + conv3 + conv4 + 64 * 10 + 10


def worked_macs(n: int) -> int:
    full = 32 * 32 * 9 * 16 * 16  # as much as 16 x 16 positions of 32 x 32 maps, and 8 x 8 of 64 x 64
    return 32 * 32 * 27 * 16 + 6 * n * full - 2 * full // 2 + 64 * 10


@pytest.mark.parametrize(
    ("name", "parameters", "millions"),
    [
        ("resnet20", 269_722, 40.55),
        ("resnet32", 464_154, 68.86),
        ("resnet44", 658_586, 97.17),
        ("resnet56", 853_018, 125.49),
        ("resnet110", 1_727_962, 252.89),
        ("plain20", 269_722, 40.55),
        ("plain56", 853_018, 125.49),
    ],
)
def test_parameters_and_multiply_adds_as_worked_out(name: str, parameters: int, millions: float):
    rows = rows_of(name).values()
    assert sum(row.parameters for row in rows) == worked_parameters(BLOCKS[name]) == parameters
    assert sum(row.macs for row in rows) == worked_macs(BLOCKS[name])
    assert round(worked_macs(BLOCKS[name]) / 1e6, 2) == millions


def test_1202_layers():
    with torch.device("meta"):
        net = CifarResNet(n=200)
    assert sum(parameter.numel() for parameter in net.parameters()) == worked_parameters(200) == 19_421_274


@pytest.mark.parametrize("name", ["resnet20", "resnet56", "resnet110"])
def test_option_b_has_2_752_parameters_more(name: str):
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    net = outline(name, (3, 32, 32), 10, shortcut="B")
    assert sum(parameter.numel() for parameter in net.parameters()) - worked_parameters(BLOCKS[name]) == projections == 2_752


def test_option_c_projects_in_every_block():
    own = [3 * (16 * 16 + 2 * 16), 2 * (32 * 32 + 2 * 32), 2 * (64 * 64 + 2 * 64)]
    net = outline("resnet20", (3, 32, 32), 10, shortcut="C")
    assert sum(parameter.numel() for parameter in net.parameters()) == 269_722 + 2_752 + sum(own)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_number_in_the_name_counts_the_layers_with_weights(name: str):
    layers = [row for row in rows_of(name).values() if row.kind in ("Conv2d", "Linear")]
    assert len(layers) == 6 * BLOCKS[name] + 2 == int(name.removeprefix("resnet").removeprefix("plain"))


def test_sides_and_maps():
    rows = rows_of("resnet20")
    names = ("conv1", "conv2_3.relu2", "conv3_1.conv1", "conv3_3.relu2", "conv4_1.conv1", "conv4_3.relu2", "pool4")
    assert [rows[name].output for name in names] == [
        (16, 32, 32), (16, 32, 32), (32, 16, 16), (32, 16, 16), (64, 8, 8), (64, 8, 8), (64, 1, 1),
    ]  # fmt: skip
    assert list(rows)[-3:] == ["pool4", "flatten", "fc"]


def test_shortcuts_have_no_parameters_and_plain_networks_have_none():
    kinds = {name: row.kind for name, row in rows_of("resnet20").items() if "shortcut" in name}
    assert kinds == {"conv3_1.shortcut": "Padding", "conv4_1.shortcut": "Padding"}
    blocks = [layer for layer in outline("resnet20", (3, 32, 32), 10).modules() if isinstance(layer, BasicBlock)]
    assert sum(isinstance(block.shortcut, nn.Identity) for block in blocks) == 7
    for name, count in (("plain20", 9), ("plain56", 27)):
        plain = [layer for layer in outline(name, (3, 32, 32), 10).modules() if isinstance(layer, BasicBlock)]
        assert [block.shortcut for block in plain] == [None] * count


def test_receptive_fields_of_20_layers():
    rows = rows_of("resnet20")
    # 3 and six times 2; then 2 and five times 4; then 4 and five times 8
    ends = ("conv1", "conv2_3.relu2", "conv3_3.relu2", "conv4_3.relu2")
    assert [rows[name].receptive_field for name in ends] == [3, 15, 37, 81]
    assert [rows[name].jump for name in ends] == [1, 1, 2, 4]


@pytest.mark.parametrize("option", ["A", "none"])
@pytest.mark.parametrize(("tap", "size", "jump"), [("conv2_1", 7, 1), ("conv3_1", 13, 2), ("conv4_1", 25, 4)])
def test_the_gradient_of_a_center_unit_fills_its_receptive_field(option: str, tap: str, size: int, jump: int):
    net = CifarResNet((1, 40, 40), 2, n=1, shortcut=option).eval()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 0.05)
    images_NCHW = torch.ones(1, 1, 40, 40, requires_grad=True)
    with taps(net, tap) as seen:
        net(images_NCHW)
    at = 20 // jump
    (slope_NCHW,) = torch.autograd.grad(seen[tap][0, :, at, at].sum(), images_NCHW)
    expected_HW = torch.zeros(40, 40, dtype=torch.bool)
    expected_HW[20 - size // 2 : 20 + size // 2 + 1, 20 - size // 2 : 20 + size // 2 + 1] = True
    assert torch.equal(slope_NCHW[0, 0] != 0, expected_HW)
    assert slope_NCHW[0, 0].argmax() // 40 in range(18, 23)
    rows = {row.name: row for row in layer_table(net)}
    assert (rows[f"{tap}.relu2"].receptive_field, rows[f"{tap}.relu2"].jump) == (size, jump)


def test_option_a_carries_the_first_maps_to_the_last_where_the_residuals_are_zero():
    net = CifarResNet((1, 8, 8), 64, n=1).eval()
    for layer in net.modules():
        if isinstance(layer, BasicBlock):
            nn.init.zeros_(layer.last_norm.weight)
    nn.init.eye_(net.fc.weight)
    nn.init.zeros_(net.fc.bias)
    images_NCHW = torch.rand(1, 1, 8, 8)
    with taps(net, "relu1") as seen, torch.no_grad():
        logits_K = net(images_NCHW)[0]
    assert torch.allclose(logits_K[24:40], seen["relu1"][0, :, ::4, ::4].mean((1, 2)))  # 8 before of 32, 16 more of 64
    assert not logits_K[:24].any()
    assert not logits_K[40:].any()


def test_settings_reach_their_layers_and_plain_networks_take_no_shortcut():
    kinds = [type(layer).__name__ for layer in outline("resnet20", (3, 32, 32), 2, activation="elu").modules()]
    assert (kinds.count("ELU"), kinds.count("ReLU")) == (1 + 2 * 9, 0)
    with pytest.raises(SettingError, match=r"^net.shortcut does not apply to 'plain20': it has activation\. Remove it\.$"):
        outline("plain20", (3, 32, 32), 2, shortcut="B")
