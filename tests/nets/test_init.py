import sys
from math import log, sqrt
from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.base import config
from striate.base.errors import SettingError
from striate.nets import catalogue
from striate.nets.architectures.mnist_cnn import MnistCNN
from striate.nets.blocks import TableConv2d
from striate.nets.factory import build
from striate.nets.init import SCHEMES, SPARSE_INPUTS, fans, initialize, weighted

TABLE = ((0,), (0, 1))  # the first map sees one map, the second both


def test_glorot_is_uniform_within_the_published_bound():
    net = build("mnist_cnn", (1, 28, 28), 10, init="glorot", seed=3)
    assert isinstance(net, MnistCNN)
    bound = sqrt(6 / (25 + 25 * 32))
    assert bound == pytest.approx(0.085280, abs=1e-6)
    largest = float(net.conv1.weight.detach().abs().max())
    assert 0.98 * bound < largest <= bound
    assert float(net.conv1.weight.detach().std()) == pytest.approx(bound / sqrt(3), rel=0.1)
    assert not net.conv1.bias.detach().any()


def test_he_has_the_published_deviation():
    net = build("mnist_cnn", (1, 28, 28), 10, init="he", seed=3)
    assert isinstance(net, MnistCNN)
    assert sqrt(2 / 25) == pytest.approx(0.282843, abs=1e-6)
    assert float(net.conv2.weight.detach().std()) == pytest.approx(sqrt(2 / (25 * 32)), rel=0.02)


@pytest.mark.parametrize("name", ["mnist_cnn", "resnet20", "lenet5", "alexnet"])
def test_shapes_alone_need_no_compiler(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)  # whose import takes longer than that of torch
    with torch.device("meta"):
        net = build(name, catalogue.find(name).input_chw, 10)
    assert all(parameter.is_meta for parameter in net.parameters())


def test_torch_keeps_what_torch_draws():
    layer = nn.Linear(100, 100)
    before = layer.weight.detach().clone()
    initialize(layer, "torch")
    assert torch.equal(layer.weight, before)
    assert float(before.abs().max()) <= 1 / sqrt(100)


@pytest.mark.parametrize(
    ("layer", "into", "out"),
    [
        (nn.Linear(7, 5), 7, 5),
        (nn.Conv2d(3, 4, kernel_size=5), 25 * 3, 25 * 4),
        (nn.Conv2d(3, 4, kernel_size=(3, 5)), 15 * 3, 15 * 4),
        (nn.Conv2d(6, 8, kernel_size=3, groups=2), 9 * 3, 9 * 4),
        (nn.Conv2d(6, 12, kernel_size=3, groups=6), 9 * 1, 9 * 2),
    ],
    ids=str,
)
def test_fans_count_the_weights_into_a_unit_and_out_of_one(layer: nn.Conv2d | nn.Linear, into: int, out: int):
    assert fans(layer) == (into, out)


def test_fans_of_a_table_go_by_link_into_a_unit_and_by_the_mean_out_of_one():
    into, out = fans(TableConv2d(TABLE, 2, kernel_size=3))
    assert isinstance(into, Tensor)
    assert into.flatten().tolist() == [9, 18, 18]  # map 0; map 1 twice
    assert out == (18 + 9) / 2  # input 0 leads to both maps, input 1 to one


@pytest.mark.parametrize(
    ("scheme", "deviation"),
    [
        ("gaussian", 1.0),
        ("constant", 0.0),
        ("scaled", 0.05),  # 1 / sqrt(400)
        ("glorot", 0.0534522),  # sqrt(2 / (400 + 300))
        ("he", 0.0707107),  # sqrt(2 / 400)
        ("sparse", 0.1936492),  # sqrt(15 / 400): 15 of 400 have variance 1
        ("orthogonal", 0.0707107),  # rows of squared length 2
    ],
)
@pytest.mark.parametrize("bias", [0.0, 0.01])
def test_weights_have_the_deviation_of_their_scheme_and_biases_what_was_asked(scheme: str, deviation: float, bias: float):
    torch.manual_seed(0)
    layer = nn.Linear(400, 300)
    initialize(layer, scheme, bias=bias)
    assert float(layer.weight.detach().double().std()) == pytest.approx(deviation, rel=0.03, abs=1e-9)
    assert layer.bias.tolist() == pytest.approx([bias] * 300)


@pytest.mark.parametrize(("scheme", "kurtosis"), [("gaussian", 3), ("scaled", 3), ("he", 3), ("glorot", 9 / 5)])
def test_weights_are_normal_but_for_glorot_s_which_are_uniform(scheme: str, kurtosis: float):
    torch.manual_seed(0)
    layer = nn.Linear(400, 300)
    initialize(layer, scheme)
    weights = layer.weight.detach().double()
    assert abs(float(weights.mean())) < 4 * float(weights.std()) / sqrt(400 * 300)
    assert float((weights**4).mean() / (weights**2).mean() ** 2) == pytest.approx(kurtosis, rel=0.03)


@pytest.mark.parametrize(
    ("scheme", "narrow", "wide"),
    [
        ("gaussian", 1.0, 1.0),
        ("scaled", 0.025, 0.00625),  # 1 / sqrt(1600), 1 / sqrt(25600)
        ("he", 0.0353553, 0.0088388),  # sqrt(2 / 1600), sqrt(2 / 25600)
        ("glorot", 0.0246183, 0.0085592),  # sqrt(2 / (1600 + 1700)), sqrt(2 / (25600 + 1700)): 17 links from 16 maps
    ],
)
def test_a_table_s_maps_are_scaled_by_their_own_number_of_inputs(scheme: str, narrow: float, wide: float):
    torch.manual_seed(0)
    layer = TableConv2d(((0,), tuple(range(16))), 16, kernel_size=40)
    initialize(layer, scheme)
    first = layer.table[:, 0] == 0
    assert float(layer.weight.detach()[first].std()) == pytest.approx(narrow, rel=0.06)
    assert float(layer.weight.detach()[~first].std()) == pytest.approx(wide, rel=0.02)


def test_constant_weights_are_one_over_the_number_of_inputs():
    for layer, inputs in ((nn.Linear(4, 2), [4]), (nn.Conv2d(4, 6, 3, groups=2), [18]), (TableConv2d(TABLE, 2, 3), [9, 18])):
        initialize(layer, "constant")
        assert layer.weight.unique().tolist() == pytest.approx(sorted(1 / count for count in inputs))


ALIKE = "conv 3x3x4, relu, avgpool 2, conv 3x3x5, relu, avgpool 2, fc 6, relu, fc"  # a max would choose between equals


def all_units_alike(tensor: Tensor) -> bool:
    return float((tensor.detach() - tensor.detach()[:1]).abs().max()) < 1e-12


@pytest.mark.parametrize("scheme", ["constant", "he"])
def test_constant_weights_give_all_units_of_a_layer_one_gradient_for_ever(scheme: str):
    net = build(ALIKE, (1, 8, 8), 3, init=scheme).double().train()
    hidden = [net.get_submodule(name).weight for name in ("conv1", "conv2", "fc1")]
    images_NCHW = torch.randn(7, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels_N = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    for step in range(4):
        net.zero_grad()
        losses_N = functional.cross_entropy(net(images_NCHW), labels_N, reduction="none")
        if step == 0:
            assert (losses_N.tolist() == pytest.approx([log(3)] * 7)) == (scheme == "constant")
        losses_N.mean().backward()
        for weight in hidden:
            assert weight.grad is not None
            assert all_units_alike(weight.grad) == (scheme == "constant")
            # at first every class pulls a hidden unit with the same weight, and the pulls add up to nothing
            assert (float(weight.grad.abs().max()) > 1e-9) == (scheme == "he" or step > 0)
        with torch.no_grad():
            for weight in net.parameters():
                assert weight.grad is not None
                weight -= 0.5 * weight.grad
        assert [all_units_alike(weight) for weight in hidden] == [scheme == "constant"] * 3


def second_moments(scheme: str, networks: int) -> Tensor:
    # E[x^2] of the input and after each of 20 rectified layers of 256 units, the mean over networks
    moments = torch.zeros(21, dtype=torch.float64)
    torch.manual_seed(0)
    for _ in range(networks):
        net = nn.Sequential(*(layer for _ in range(20) for layer in (nn.Linear(256, 256), nn.ReLU())))
        initialize(net, scheme)
        x_ND = torch.randn(16, 256)
        with torch.no_grad():
            for depth in range(21):
                moments[depth] += x_ND.double().square().mean() / networks
                x_ND = net[2 * depth : 2 * depth + 2](x_ND)
    return moments


@pytest.mark.parametrize(("scheme", "a_layer"), [("he", 1.0), ("scaled", 1 / 2), ("gaussian", 256 / 2)])
def test_twenty_rectified_layers_multiply_the_second_moment_as_worked_out(scheme: str, a_layer: float):
    for depth, moment in enumerate(second_moments(scheme, networks=32).tolist()):
        assert 1 / 2 < moment / a_layer**depth < 2


def test_twenty_rectified_layers_of_orthogonal_weights_keep_the_second_moment():
    assert 1 / 2 < second_moments("orthogonal", networks=4)[-1] < 2


def nonzero_inputs(layer: nn.Module) -> list[int]:
    weight = layer.full_weight() if isinstance(layer, TableConv2d) else layer.weight
    return weight.flatten(1).count_nonzero(1).tolist()


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (nn.Linear(40, 8), [15] * 8),
        (nn.Linear(7, 5), [7] * 5),
        (nn.Conv2d(3, 4, kernel_size=3), [15] * 4),
        (nn.Conv2d(1, 4, kernel_size=3), [9] * 4),
        (nn.Conv2d(6, 4, kernel_size=3, groups=2), [15] * 4),
        (TableConv2d(TABLE, 2, kernel_size=3), [9, 15]),
        (TableConv2d(((0, 1, 2), (0, 2)), 3, kernel_size=5), [15, 15]),
    ],
    ids=str,
)
def test_sparse_units_have_fifteen_inputs_or_all_where_there_are_fewer(layer: nn.Module, inputs: list[int]):
    initialize(layer, "sparse")
    assert SPARSE_INPUTS == 15
    assert nonzero_inputs(layer) == inputs
    assert not layer.bias.any()


@pytest.mark.parametrize("inputs", [1, 10, 27])
def test_sparse_takes_another_number_of_inputs_and_other_biases(inputs: int):
    for layer in (nn.Linear(27, 6), nn.Conv2d(3, 6, kernel_size=3), TableConv2d(((0, 1, 2), (2, 3, 4)), 5, kernel_size=3)):
        initialize(layer, "sparse", sparse_inputs=inputs, bias=0.01)
        assert set(nonzero_inputs(layer)) == {inputs}
        assert layer.bias.unique().tolist() == pytest.approx([0.01])


def test_sparse_inputs_are_drawn_for_each_unit_from_all_places():
    torch.manual_seed(0)
    layer = nn.Linear(60, 4000)
    initialize(layer, "sparse")
    taken = layer.weight.detach() != 0
    units_D = taken.sum(0).double()  # 4000 * 15 / 60 = 1000 each, with deviation sqrt(1000 * 3 / 4) = 27.4
    assert float((units_D - 1000).abs().max()) < 4 * 27.4
    assert len(taken.unique(dim=0)) == 4000
    assert float(layer.weight.detach()[taken].std()) == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(40, 30), nn.Linear(30, 30), nn.Conv2d(4, 8, kernel_size=3), TableConv2d(((0, 1),) * 3, 2, kernel_size=2)],
    ids=str,
)
def test_orthogonal_rows_have_squared_length_two_where_there_are_no_more_rows_than_columns(layer: nn.Module):
    initialize(layer, "orthogonal")
    rows = (layer.full_weight() if isinstance(layer, TableConv2d) else layer.weight).detach().flatten(1)
    assert torch.allclose(rows @ rows.T, 2 * torch.eye(len(rows)), atol=1e-5)


def test_orthogonal_columns_have_squared_length_two_where_there_are_more_rows():
    layer = nn.Linear(20, 50)
    initialize(layer, "orthogonal")
    assert torch.allclose(layer.weight.T @ layer.weight, 2 * torch.eye(20), atol=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_same_seed_gives_the_same_weights(scheme: str):
    first, again, other = (
        build("resnet20", (1, 8, 8), 3, init=scheme, seed=seed).conv2_1.get_submodule("conv1").weight for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (scheme == "constant")
    whole, twin = (build("lenet1", (1, 16, 16), 3, init="he" if scheme == "zero-gamma" else scheme, seed=5) for _ in range(2))
    assert all(torch.equal(value, twin.state_dict()[name]) for name, value in whole.state_dict().items())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_norms_keep_one_and_zero_but_for_zero_gamma(scheme: str):
    net = build("resnet20", (1, 8, 8), 3, init=scheme)
    norms = {name: layer for name, layer in net.named_modules() if isinstance(layer, nn.BatchNorm2d)}
    assert len(norms) == 1 + 9 * 2
    for name, norm in norms.items():
        zero = scheme == "zero-gamma" and name.endswith("bn2")
        assert norm.weight.unique().tolist() == [0.0 if zero else 1.0]
        assert not norm.bias.any()


def test_all_layers_with_weights_are_found_in_the_order_of_the_network():
    kinds = [type(layer).__name__ for layer in weighted(build("lenet1", (1, 28, 28), 10))]
    assert kinds == ["Conv2d", "TableConv2d", "Linear"]


def test_an_unknown_scheme_is_refused_with_the_nearest():
    with pytest.raises(SettingError, match=r"^There is no initialization 'glort'; did you mean glorot\?$"):
        initialize(nn.Linear(2, 2), "glort")


def test_the_settings_know_the_same_schemes():
    assert get_args(config.INIT) == SCHEMES
