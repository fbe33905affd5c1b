from functools import cache

import pytest
import torch
from torch import Tensor, nn

from striate.nets.architectures.googlenet import GoogLeNet, GoogLeNetOut, Inception
from striate.nets.blocks import LocalResponseNorm
from striate.nets.factory import build, outline
from striate.nets.summary import Layer, layer_table

# in, 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj; maps out, side, parameters
PAPER = {
    "3a": (192, 64, 96, 128, 16, 32, 32, 256, 28, 163_696),
    "3b": (256, 128, 128, 192, 32, 96, 64, 480, 28, 388_736),
    "4a": (480, 192, 96, 208, 16, 48, 64, 512, 14, 376_176),
    "4b": (512, 160, 112, 224, 24, 64, 64, 512, 14, 449_160),
    "4c": (512, 128, 128, 256, 24, 64, 64, 512, 14, 510_104),
    "4d": (512, 112, 144, 288, 32, 64, 64, 528, 14, 605_376),
    "4e": (528, 256, 160, 320, 32, 128, 128, 832, 14, 868_352),
    "5a": (832, 256, 160, 320, 32, 128, 128, 832, 7, 1_043_456),
    "5b": (832, 384, 192, 384, 48, 128, 128, 1024, 7, 1_444_080),
}
AUXILIARY = {
    "aux4a": (512 + 1) * 128 + (2048 + 1) * 1024 + (1024 + 1) * 1000,
    "aux4d": (528 + 1) * 128 + (2048 + 1) * 1024 + (1024 + 1) * 1000,
}


@cache
def rows_of(name: str) -> dict[str, Layer]:
    return {row.name: row for row in layer_table(outline(name, (3, 224, 224), 1000))}


def count(module: nn.Module | None) -> int:
    assert module is not None
    return sum(parameter.numel() for parameter in module.parameters())


def total(name: str, prefix: str = "") -> int:
    return sum(row.parameters for row in rows_of(name).values() if row.name.startswith(prefix))


@pytest.mark.parametrize("name", PAPER)
def test_an_inception_module_has_the_paper_s_widths_side_and_parameters(name: str):
    into, one, reduce3, three, reduce5, five, projection, out, side, parameters = PAPER[name]
    by_branch = {
        "conv1x1": (into + 1) * one,
        "conv3x3_reduce": (into + 1) * reduce3,
        "conv3x3": (9 * reduce3 + 1) * three,
        "conv5x5_reduce": (into + 1) * reduce5,
        "conv5x5": (25 * reduce5 + 1) * five,
        "conv_pool_proj": (into + 1) * projection,
    }
    rows = {key.partition(".")[2]: row for key, row in rows_of("googlenet").items() if key.startswith(f"inception{name}.")}
    assert {branch: row.parameters for branch, row in rows.items() if row.parameters} == by_branch
    assert sum(by_branch.values()) == parameters
    assert one + three + five + projection == out
    assert {row.output[1:] for row in rows.values()} == {(side, side)}


def test_parameters_of_the_stem_and_of_the_one_fully_connected_layer():
    rows = rows_of("googlenet")
    assert rows["conv1"].parameters == (7 * 7 * 3 + 1) * 64
    assert rows["conv2_reduce"].parameters == (64 + 1) * 64
    assert rows["conv2"].parameters == (9 * 64 + 1) * 192
    assert {name: row.parameters for name, row in rows.items() if row.kind == "Linear"} == {"fc": 1_025_000}


def test_parameters_in_all_and_with_the_auxiliary_heads():
    stem = 9_472 + 4_160 + 110_784
    assert total("googlenet") == stem + sum(module[-1] for module in PAPER.values()) + 1_025_000 == 6_998_552
    net = outline("googlenet", (3, 224, 224), 1000, aux=True)
    assert [count(net.get_submodule(head)) for head in AUXILIARY] == list(AUXILIARY.values()) == [3_188_840, 3_190_888]
    assert count(net) == 6_998_552 + 3_188_840 + 3_190_888 == 13_378_280


def test_parameters_of_torchvision_s_variant():
    assert total("googlenet_bn") == 6_624_904
    net = outline("googlenet_bn", (3, 224, 224), 1000, aux=True)
    biases_to_norms = 128
    assert [count(net.get_submodule(head)) - biases_to_norms for head in AUXILIARY] == list(AUXILIARY.values())
    assert count(net) == 6_624_904 + 3_188_840 + 3_190_888 + 2 * 128 == 13_004_888


def test_the_variant_s_3x3_in_place_of_5x5_is_all_that_parts_it_from_a_paper_with_norms():
    missing = sum(16 * module[4] * module[5] for module in PAPER.values())
    maps = sum(row.output[0] for row in rows_of("googlenet").values() if row.kind == "Conv2d")
    assert 6_624_904 + missing == 6_998_552 + maps == 7_005_832  # a map has gamma and beta in place of its bias
    assert 13_004_888 + missing == 13_385_816
    for name, (_, _, _, _, reduce5, five, *_) in PAPER.items():
        assert rows_of("googlenet_bn")[f"inception{name}.conv5x5"].parameters == 9 * reduce5 * five


@pytest.mark.parametrize(("name", "kernel", "billions"), [("googlenet", 5, 1.583), ("googlenet_bn", 3, 1.498)])
def test_multiply_adds(name: str, kernel: int, billions: float):
    expected = 112**2 * 49 * 3 * 64 + 56**2 * 64 * 64 + 56**2 * 9 * 64 * 192 + 1024 * 1000
    for into, one, reduce3, three, reduce5, five, projection, _, side, _ in PAPER.values():
        from_below = into * (one + reduce3 + reduce5 + projection)
        expected += side**2 * (from_below + 9 * reduce3 * three + kernel**2 * reduce5 * five)
    assert sum(row.macs for row in rows_of(name).values()) == expected
    assert round(expected / 1e9, 3) == billions


def test_sides():
    for rows in (rows_of("googlenet"), rows_of("googlenet_bn")):
        assert [rows[name].output for name in ("conv1", "pool1", "conv2", "pool2", "pool3", "pool4", "pool5")] == [
            (64, 112, 112), (64, 56, 56), (192, 56, 56), (192, 28, 28), (480, 14, 14), (832, 7, 7), (1024, 1, 1),
        ]  # fmt: skip


def test_receptive_fields():
    rows = rows_of("googlenet")
    assert [rows[name].receptive_field for name in ("conv1", "pool1", "conv2", "pool2")] == [7, 11, 19, 27]
    # 5x5 at jump 8: 32 a module; at 16: 64; at 32: 128. The pools: 16 and 32
    fields = [rows[f"inception{name}.conv5x5"].receptive_field for name in PAPER]
    assert fields == [59, 91, 171, 235, 299, 363, 427, 587, 715]
    assert rows["inception5b.conv5x5"].jump == 32


def test_with_a_2x2_pool4_the_paper_s_network_would_see_699_pixels_and_the_variant_sees_379():
    net = outline("googlenet", (3, 224, 224), 1000)
    assert isinstance(net, GoogLeNet)
    net.pool4 = nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=True)
    assert {row.name: row.receptive_field for row in layer_table(net)}["inception5b.conv5x5"] == 699
    thirds = 27 + 2 * 16 + 16 + 5 * 32 + 16 + 2 * 64  # 3x3 alone
    assert max(row.receptive_field for row in rows_of("googlenet_bn").values() if row.jump == 32) == thirds == 379


def longest(rows: dict[str, Layer], kinds: tuple[str, ...]) -> int:
    """Layers of these kinds on the longest way from the image to the logits."""
    depth: dict[str, int] = {}
    for name, row in rows.items():
        depth[name] = (row.kind in kinds) + max((depth[source] for source in row.sources), default=0)
    return depth["fc"]


def test_twenty_two_layers_have_parameters_and_with_pools_there_are_twenty_seven():
    assert longest(rows_of("googlenet"), ("Conv2d", "Linear")) == 22
    outer = [name for name, row in rows_of("googlenet").items() if "Pool" in row.kind and "." not in name]
    assert outer == ["pool1", "pool2", "pool3", "pool4", "pool5"]
    assert 22 + len(outer) == 27


def test_local_response_norm_follows_pool1_and_conv2_and_the_variant_has_none():
    order = list(rows_of("googlenet"))
    assert order[:10] == [
        "conv1", "relu1", "pool1", "norm1", "conv2_reduce", "relu2_reduce", "conv2", "relu2", "norm2", "pool2",
    ]  # fmt: skip
    assert [row.kind for row in rows_of("googlenet").values()].count("LocalResponseNorm") == 2
    assert not [layer for layer in outline("googlenet_bn", (3, 32, 32), 2).modules() if isinstance(layer, LocalResponseNorm)]
    assert list(rows_of("googlenet_bn"))[:3] == ["conv1", "bn1", "relu1"]


def test_dropout():
    result = {}
    for name in ("googlenet", "googlenet_bn"):
        for dropout in (None, 0.1):
            net = outline(name, (3, 32, 32), 2, aux=True, dropout=dropout)
            result[name, dropout] = [layer.p for layer in net.modules() if isinstance(layer, nn.Dropout)]
    assert result == {
        ("googlenet", None): [0.4, 0.7, 0.7],
        ("googlenet", 0.1): [0.1, 0.7, 0.7],
        ("googlenet_bn", None): [0.2, 0.7, 0.7],
        ("googlenet_bn", 0.1): [0.1, 0.7, 0.7],
    }


def test_the_branches_are_joined_in_the_paper_s_order():
    module = Inception((2, 1, 3, 2, 3, 4, 5), bn=False, act="relu")
    with torch.no_grad():
        for at, name in enumerate(("conv1x1", "conv3x3", "conv5x5", "conv_pool_proj"), start=1):
            for parameter in module.get_submodule(name).parameters():
                parameter.fill_(0 if parameter.dim() > 1 else at)
        assert module(torch.zeros(1, 2, 2, 2))[0, :, 0, 0].tolist() == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4]


def test_the_projection_sees_the_largest_of_3x3():
    module = Inception((1, 1, 1, 1, 1, 1, 1), bn=False, act="relu")
    for parameter in module.get_submodule("conv_pool_proj").parameters():
        nn.init.constant_(parameter, 2.0)
    maps_NCHW = torch.tensor([[5.0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 3]]).view(1, 1, 3, 4)
    assert module(maps_NCHW)[0, 3].tolist() == [[12, 12, 4, 2], [12, 12, 8, 8], [2, 2, 8, 8]]  # 2 x largest + 2


@pytest.mark.parametrize(("bn", "size"), [(False, 5), (True, 3)])
def test_the_gradient_of_a_module_fills_its_largest_kernel(bn: bool, size: int):
    module = Inception((2, 1, 1, 1, 1, 1, 1), bn, "relu").eval()
    for parameter in module.parameters():
        nn.init.constant_(parameter, 0.5)
    maps_NCHW = torch.ones(1, 2, 9, 9, requires_grad=True)
    (slope_NCHW,) = torch.autograd.grad(module(maps_NCHW)[0, :, 4, 4].sum(), maps_NCHW)
    first = 4 - size // 2
    expected_HW = torch.zeros(9, 9, dtype=torch.bool)
    expected_HW[first : first + size, first : first + size] = True
    assert torch.equal(slope_NCHW[0, 0] != 0, expected_HW)


def heads(net: nn.Module, images_NCHW: Tensor) -> GoogLeNetOut:
    torch.manual_seed(0)  # the same units are dropped
    with torch.no_grad():
        out = net.train()(images_NCHW)
    assert isinstance(out, GoogLeNetOut)
    return out


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
@pytest.mark.parametrize(
    ("layer", "moves"),
    [
        ("fc", (True, False, False)),
        ("aux4a.fc2", (False, True, False)),
        ("aux4d.fc2", (False, False, True)),
        ("inception4a.conv1x1", (True, True, True)),
        ("inception4b.conv1x1", (True, False, True)),
        ("inception4d.conv1x1", (True, False, True)),
        ("inception4e.conv1x1", (True, False, False)),
    ],
)
def test_outputs_come_in_order_from_4a_and_from_4d(name: str, layer: str, moves: tuple[bool, bool, bool]):
    net = trained(name)
    images_NCHW = torch.rand(2, 3, 32, 32)
    before = heads(net, images_NCHW)
    weight = net.get_submodule(layer).weight
    assert isinstance(weight, Tensor)
    kept = weight.detach().clone()
    with torch.no_grad():
        weight += torch.randn_like(weight)
    after = heads(net, images_NCHW)
    with torch.no_grad():
        weight.copy_(kept)
    assert tuple(not torch.equal(old, new) for old, new in zip(before, after, strict=True)) == moves
    assert [out.shape for out in after] == [(2, 3)] * 3
    assert after._fields == ("logits_NK", "aux4a_NK", "aux4d_NK")


@cache
def trained(name: str) -> nn.Module:
    return build(name, (3, 32, 32), 3, aux=True)


def test_auxiliary_heads_are_there_in_training_only_and_can_be_dropped():
    net = build("googlenet", (3, 32, 32), 3, aux=True)
    images_NCHW = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        plain_NK = net.eval()(images_NCHW)
        assert isinstance(plain_NK, Tensor)
        assert isinstance(net.train()(images_NCHW), GoogLeNetOut)
        net.drop_auxiliary()
        assert isinstance(net(images_NCHW), Tensor)
        assert torch.equal(net.eval()(images_NCHW), plain_NK)
    assert not [name for name in net.state_dict() if name.startswith("aux")]


def test_dropped_heads_leave_the_deployed_parameters():
    net = outline("googlenet", (3, 224, 224), 1000, aux=True)
    net.drop_auxiliary()
    assert count(net) == 6_998_552
    assert isinstance(outline("googlenet", (3, 32, 32), 3).train()(torch.zeros(1, 3, 32, 32, device="meta")), Tensor)


def test_a_replaced_head_is_replaced_in_the_auxiliary_heads_too():
    net = outline("googlenet", (3, 224, 224), 1000, aux=True)
    net.replace_head(20)
    out = net.train()(torch.zeros(2, 3, 224, 224, device="meta"))
    assert [logits.shape for logits in out] == [(2, 20)] * 3
    assert count(net) == 13_378_280 - 3 * 1025 * 980


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
@pytest.mark.parametrize("side", [32, 79, 128, 224, 225, 299])
def test_auxiliary_heads_fit_the_maps_they_are_on(name: str, side: int):
    net = outline(name, (3, side, side), 4, aux=True).train()
    assert [out.shape for out in net(torch.zeros(2, 3, side, side, device="meta"))] == [(2, 4)] * 3


@pytest.mark.parametrize("side", [33, 46, 50, 78, 113, 126, 161, 209, 222, 257])
def test_auxiliary_heads_fit_the_maps_of_odd_sides(side: int):
    net = outline("googlenet", (3, side, side), 4, aux=True).train()
    assert [out.shape for out in net(torch.zeros(2, 3, side, side, device="meta"))] == [(2, 4)] * 3
