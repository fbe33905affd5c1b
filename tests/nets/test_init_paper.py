# Starts that belong to a network: its paper's, zero-gamma and whitening; and settings that do not apply to them

from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from striate.base import config
from striate.base.errors import SettingError
from striate.nets.architectures.residual_blocks import BasicBlock, Bottleneck
from striate.nets.blocks import Subsampling, TableConv2d
from striate.nets.factory import build
from striate.nets.init import first_convolution, initialize, lecun_uniform, whiten
from striate.nets.net import Net


def std(layer: nn.Module) -> float:
    return float(layer.weight.detach().double().std())


def largest(weight: Tensor) -> float:
    return float(weight.detach().abs().max())


def biases(net: nn.Module) -> dict[str, list[float]]:
    # The values that the biases of each layer have
    result = {name: getattr(layer, "bias", None) for name, layer in net.named_modules()}
    return {name: bias.unique().tolist() for name, bias in result.items() if isinstance(bias, Tensor)}


def test_alexnet_begins_at_a_hundredth_with_biases_of_one_where_the_paper_has_them():
    net = build("alexnet", (3, 67, 67), 10)
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"):
        assert std(net.get_submodule(name)) == pytest.approx(0.01, rel=0.02)
    ones = {"conv2", "conv4", "conv5", "fc6", "fc7"}
    assert biases(net) == {name: [1.0] for name in ones} | {name: [0.0] for name in ("conv1", "conv3", "fc8")}


def test_vgg11_begins_at_a_hundredth_and_vgg13_as_he_since_the_paper_grew_it_from_vgg11():
    shallow = build("vgg11", (3, 32, 32), 10)
    assert std(shallow.get_submodule("conv1_1")) == pytest.approx(0.01, rel=0.1)  # 1,728 weights
    for name in ("conv5_2", "fc6", "fc8"):
        assert std(shallow.get_submodule(name)) == pytest.approx(0.01, rel=0.02)
    deep = build("vgg13", (3, 32, 32), 10)
    assert std(deep.get_submodule("conv1_2")) == pytest.approx(0.0589256, rel=0.02)  # sqrt(2 / (9 * 64))
    assert std(deep.get_submodule("conv5_2")) == pytest.approx(0.0208333, rel=0.02)  # sqrt(2 / (9 * 512))
    assert std(deep.get_submodule("fc7")) == pytest.approx(0.0220971, rel=0.02)  # sqrt(2 / 4096)
    assert std(deep.get_submodule("fc8")) == pytest.approx(0.01, rel=0.02)
    assert [values for net in (shallow, deep) for values in biases(net).values() if values != [0.0]] == []


def test_vgg11_with_batch_norm_begins_as_he():
    assert std(build("vgg11_bn", (3, 32, 32), 10).get_submodule("conv5_2")) == pytest.approx(0.0208333, rel=0.02)


def test_resnet18_begins_with_the_fan_out_of_equation_14_and_torch_s_last_layer():
    net = build("resnet18", (3, 32, 32), 10)
    for name, deviation in (
        ("conv1", 0.0252538),  # sqrt(2 / (49 * 64)); by fan_in it would be 0.117
        ("conv3_1.conv1", 0.0416667),  # sqrt(2 / (9 * 128)); by fan_in 0.059
        ("conv3_1.shortcut.conv", 0.125),  # sqrt(2 / 128)
        ("conv5_2.conv2", 0.0208333),  # sqrt(2 / (9 * 512))
    ):
        assert std(net.get_submodule(name)) == pytest.approx(deviation, rel=0.03)
    assert 0.99 / sqrt(512) < largest(net.head.weight) <= 1 / sqrt(512)
    assert largest(net.head.bias) > 0


def test_googlenet_begins_as_he():
    net = build("googlenet", (3, 32, 32), 10)
    assert std(net.get_submodule("inception5b.conv5x5")) == pytest.approx(sqrt(2 / (25 * 48)), rel=0.02)
    assert set(map(tuple, biases(net).values())) == {(0.0,)}


def test_mnist_cnn_begins_within_glorot_s_bounds():
    net = build("mnist_cnn", (1, 28, 28), 10)
    for name, bound in (("conv1", 0.0852803), ("conv2", 0.05), ("fc1", 0.0379777), ("fc2", 0.0761756)):
        assert 0.98 * bound < largest(net.get_submodule(name).weight) <= bound * (1 + 1e-6)
    assert set(map(tuple, biases(net).values())) == {(0.0,)}


def test_lenet5_begins_within_the_bounds_of_its_appendix():
    net = build("lenet5", (1, 32, 32), 10)
    for name, bound in (("c1", 0.096), ("c5", 0.006), ("f6", 0.02)):  # 2.4 / 25, 2.4 / 400, 2.4 / 120
        assert 0.97 * bound < largest(net.get_submodule(name).weight) <= bound * (1 + 1e-6)
    c3 = net.get_submodule("c3")
    assert isinstance(c3, TableConv2d)
    for units, bound in ((range(6), 0.032), (range(6, 15), 0.024), (range(15, 16), 0.016)):  # 3, 4 and 6 maps of 25
        mine = torch.isin(c3.table[:, 0], torch.tensor(units))
        assert 0.97 * bound < largest(c3.weight[mine]) <= bound * (1 + 1e-6)
    assert set(map(tuple, biases(net).values())) == {(0.0,)}


def test_lecun1989_begins_within_the_bounds_of_its_paper():
    net = build("lecun1989", (1, 16, 16), 10)
    bounds = {"h1": 0.096, "h2": 0.012, "h3": 0.0125, "output": 0.08}  # 2.4 / 25, 2.4 / 200, 2.4 / 192, 2.4 / 30
    for name, bound in bounds.items():
        assert 0.97 * bound < largest(net.get_submodule(name).weight) <= bound * (1 + 1e-6)


def test_lecun_s_start_draws_the_coefficients_of_subsampling_by_their_four_inputs():
    pool = Subsampling(2000)
    nn.init.constant_(pool.weight, 9)
    nn.init.constant_(pool.bias, 9)
    lecun_uniform(pool)
    assert 0.99 * 0.6 < largest(pool.weight) <= 0.6
    assert not pool.bias.any()


def test_a_network_whose_paper_says_nothing_stays_as_torch_drew_it():
    for name in ("mlp", "conv 3x3x4, relu, fc"):
        paper, drawn = (build(name, (1, 8, 8), 3, init=init).state_dict() for init in ("paper", "torch"))
        assert all(torch.equal(paper[key], drawn[key]) for key in drawn)


def residual_blocks(net: nn.Module) -> list[BasicBlock | Bottleneck]:
    return [block for block in net.modules() if isinstance(block, BasicBlock | Bottleneck)]


def begins_as_shortcut(block: BasicBlock | Bottleneck) -> bool:
    assert block.shortcut is not None
    maps_NCHW = torch.randn(2, block.conv1.in_channels, 8, 8)
    return torch.equal(block(maps_NCHW), block.shortcut(maps_NCHW).clamp(min=0))


@pytest.mark.parametrize(("name", "px", "count"), [("resnet20", 8, 9), ("resnet18", 32, 8)])
@pytest.mark.parametrize("training", [True, False])
def test_with_zero_gamma_every_block_begins_as_its_rectified_shortcut(name: str, px: int, count: int, training: bool):
    net = build(name, (3, px, px), 10, init="zero-gamma").train(training)
    assert [begins_as_shortcut(block) for block in residual_blocks(net)] == [True] * count
    ordinary = build(name, (3, px, px), 10).train(training)
    assert [begins_as_shortcut(block) for block in residual_blocks(ordinary)] == [False] * count
    changed = {key for key, value in net.state_dict().items() if not torch.equal(value, ordinary.state_dict()[key])}
    assert {key for key in changed if "running" not in key} == {f"{tap}.bn2.weight" for tap in net.taps if "_" in tap}


def test_with_zero_gamma_a_bottleneck_begins_as_its_shortcut_too():
    for stride in (1, 2):
        block = Bottleneck(8, 4, stride, "B", "relu")
        assert not begins_as_shortcut(block)
        initialize(nn.Sequential(block), "zero-gamma")
        assert begins_as_shortcut(block)


@pytest.mark.parametrize("name", ["mnist_cnn", "plain20"])
def test_zero_gamma_is_refused_where_there_are_no_residual_blocks(name: str):
    with pytest.raises(SettingError) as refused:
        build(name, (3, 8, 8), 3, init="zero-gamma")
    assert str(refused.value) == (
        "init='zero-gamma' needs residual blocks; this network has none. Take a resnet, or init='paper'."
    )


VARIANCES_P = torch.tensor([4.0, 1.0])
COMPONENTS_PP = torch.tensor([[0.6, -0.8], [0.8, 0.6]])  # in columns: (.6, .8) and (-.8, .6)


def test_whitening_sets_pairs_of_filters_by_hand():
    conv = nn.Conv2d(2, 5, kernel_size=1)
    last = conv.weight.detach()[4].clone()
    assert whiten(conv, VARIANCES_P, COMPONENTS_PP, epsilon=0.0) == 4
    rows = conv.weight.detach().flatten(1)
    assert rows[:4].flatten().tolist() == pytest.approx([0.3, 0.4, -0.8, 0.6, -0.3, -0.4, 0.8, -0.6])
    assert torch.equal(rows[4], last.flatten())
    assert not conv.bias.any()


def test_whitening_adds_epsilon_to_the_variance_before_the_root():
    conv = nn.Conv2d(2, 4, kernel_size=1, bias=False)
    whiten(conv, VARIANCES_P, COMPONENTS_PP, epsilon=5.0)  # 1 / 3 and 1 / sqrt(6)
    assert conv.weight[0].flatten().tolist() == pytest.approx([0.2, 0.8 / 3])
    assert conv.weight[1].flatten().tolist() == pytest.approx([-0.8 / sqrt(6), 0.6 / sqrt(6)])
    whiten(conv, torch.tensor([0.0, -1e-9]), COMPONENTS_PP)  # 1 / sqrt(0.01), also for a variance below zero by rounding
    assert conv.weight[:2].flatten(1).norm(dim=1).tolist() == pytest.approx([10, 10])


def test_whitening_takes_the_leading_components_where_there_are_few_filters():
    conv = nn.Conv2d(2, 3, kernel_size=1)
    assert whiten(conv, VARIANCES_P, COMPONENTS_PP, epsilon=0.0) == 2
    assert conv.weight.detach().flatten(1)[:2].flatten().tolist() == pytest.approx([0.3, 0.4, -0.3, -0.4])
    assert whiten(nn.Conv2d(2, 1, kernel_size=1), VARIANCES_P, COMPONENTS_PP) == 0


def test_whitened_outputs_have_unit_variance():
    torch.manual_seed(0)
    patches_NP = torch.randn(5000, 8, dtype=torch.float64) @ torch.randn(8, 8, dtype=torch.float64)
    variances_P, components_PP = torch.linalg.eigh(patches_NP.T @ patches_NP / 5000)
    conv = nn.Conv2d(2, 16, kernel_size=2)
    assert whiten(conv, variances_P.flip(0), components_PP.flip(1)) == 16
    with torch.no_grad():
        outputs_NF = conv(patches_NP.float().view(5000, 2, 2, 2)).flatten(1).double()
    expected_F = (variances_P / (variances_P + 0.01)).flip(0).repeat(2)
    assert outputs_NF.square().mean(0).tolist() == pytest.approx(expected_F.tolist(), rel=1e-4)
    assert float(expected_F[0]) == pytest.approx(1, abs=1e-3)
    assert torch.allclose(outputs_NF[:, :8], -outputs_NF[:, 8:])


def test_whitening_draws_as_the_paper_until_the_images_are_there():
    paper, whitening = (build("mnist_cnn", (1, 8, 8), 3, init=init) for init in ("paper", "whitening"))
    assert all(torch.equal(value, whitening.state_dict()[key]) for key, value in paper.state_dict().items())
    assert first_convolution(whitening) is whitening.get_submodule("conv1")


def refusal_of_whitening(net: nn.Module) -> str:
    with pytest.raises(SettingError) as refused:
        initialize(net, "whitening")
    return str(refused.value)


def test_whitening_is_refused_where_the_first_layer_is_no_convolution():
    expected = (
        "init='whitening' needs a convolution with square kernels and without groups as the first layer; got {}. "
        "Take init='paper' instead."
    )
    assert refusal_of_whitening(build("mlp", (1, 4, 4), 3)) == expected.format(
        "Linear(in_features=16, out_features=300, bias=True)"
    )
    assert refusal_of_whitening(TableConv2d(((0,),), 1, kernel_size=3)) == expected.format(
        "TableConv2d(1, 1, kernel_size=3, links=1)"
    )
    assert refusal_of_whitening(nn.ReLU()) == expected.format("none with weights")
    for conv in (nn.Conv2d(2, 4, kernel_size=3, groups=2), nn.Conv2d(2, 4, kernel_size=(3, 5))):
        assert refusal_of_whitening(conv) == expected.format(conv)


@pytest.mark.parametrize("init", ["paper", "torch", "zero-gamma", "whitening"])
def test_biases_cannot_be_set_where_the_start_has_its_own(init: str):
    with pytest.raises(SettingError) as refused:
        config.build({"net": {"init": init, "init_bias": 0.01}})
    assert str(refused.value) == f"net: init_bias does not apply with init='{init}', which has biases of its own; remove it."


def test_sparse_inputs_are_refused_with_another_scheme_and_below_one():
    with pytest.raises(SettingError) as refused:
        config.build({"net": {"init": "he", "sparse_inputs": 10}})
    assert str(refused.value) == "net: sparse_inputs does not apply with init='he'; remove it."
    with pytest.raises(SettingError, match=r"^net.sparse_inputs: input should be greater than or equal to 1; got 0\.$"):
        config.build({"net": {"init": "sparse", "sparse_inputs": 0}})


def test_settings_that_apply_are_taken():
    kept = config.build({"net": {"init": "sparse", "init_bias": 0.01, "sparse_inputs": 10}}).net
    assert (kept.init, kept.init_bias, kept.sparse_inputs) == ("sparse", 0.01, 10)
    net = build("mlp", (1, 8, 8), 3, init=kept.init, init_bias=kept.init_bias or 0.0, sparse_inputs=kept.sparse_inputs or 0)
    assert isinstance(net, Net)
    assert net.get_submodule("fc1").weight.count_nonzero(1).tolist() == [10] * 300
    assert biases(net) == {name: pytest.approx([0.01]) for name in ("fc1", "fc2", "fc3")}
