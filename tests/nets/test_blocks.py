import pytest
import torch
from torch import Tensor, nn

from striate.base.errors import SettingError
from striate.nets import blocks
from striate.nets.architectures.lenet5 import TABLE
from striate.nets.blocks import LocalResponseNorm, ScaledTanh, Subsampling, TableConv2d, UnitBias


def square(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32).view(2, 2)


def test_scaled_tanh_is_one_at_one_and_steepest_at_zero():
    a = torch.tensor([1.0, -1.0, 0.0, 100.0], dtype=torch.float64, requires_grad=True)
    f = ScaledTanh()(a)
    assert f.tolist() == pytest.approx([0.999997, -0.999997, 0, 1.7159], abs=5e-7)
    (slope,) = torch.autograd.grad(f.sum(), a)
    assert float(slope[2]) == pytest.approx(1.14393, abs=5e-6)  # 1.7159 x 2 / 3


@pytest.mark.parametrize("name", blocks.ACTIVATIONS)
def test_an_activation_is_fresh_keeps_the_shape_and_leaves_its_input(name: str):
    layer = blocks.activation(name)
    assert layer is not blocks.activation(name)
    a = torch.tensor([[-2.0, -0.5, 0.0, 3.0]])
    assert layer(a).shape == a.shape
    assert a.tolist() == [[-2.0, -0.5, 0.0, 3.0]]


@pytest.mark.parametrize(
    ("name", "at_minus_one", "at_two"),
    [
        ("relu", 0.0, 2.0),
        ("leaky_relu", -0.01, 2.0),
        ("tanh", -0.761594, 0.964028),
        ("sigmoid", 0.268941, 0.880797),  # 1 / (1 + e), 1 / (1 + e^-2)
        ("elu", -0.632121, 2.0),  # 1 / e - 1
        ("silu", -0.268941, 1.761594),  # a sigmoid(a)
        ("gelu", -0.158655, 1.954500),  # a Phi(a)
        ("scaled_tanh", -0.999997, 1.492939),  # 1.7159 x 0.870062
    ],
)
def test_activations_by_hand(name: str, at_minus_one: float, at_two: float):
    assert blocks.activation(name)(torch.tensor([-1.0, 2.0])).tolist() == pytest.approx([at_minus_one, at_two], abs=2e-6)


def test_pools_by_hand():
    maps_NCHW = square(1, 2, 3, 6).view(1, 1, 2, 2)
    assert blocks.pool("max", 2, 2)(maps_NCHW).item() == 6
    assert blocks.pool("average", 2, 2)(maps_NCHW).item() == 3
    assert blocks.pool("max", 3, 2)(torch.zeros(1, 1, 8, 8)).shape[2] == 3  # floor((8 - 3) / 2) + 1


def test_unknown_names_are_refused_with_those_there_are():
    everything = "elu, gelu, leaky_relu, relu, scaled_tanh, sigmoid, silu, tanh"
    with pytest.raises(SettingError, match=rf"^There is no activation 'softmax'; there are: {everything}\.$"):
        blocks.activation("softmax")
    with pytest.raises(SettingError, match=r"^There is no pooling 'averag'; did you mean average\?$"):
        blocks.pool("averag", 2, 2)


def test_five_ones_are_normalized_as_the_paper_says_and_not_as_torch_does():
    ones_NCHW = torch.ones(1, 5, 1, 1, dtype=torch.float64)
    middle = float(LocalResponseNorm()(ones_NCHW)[0, 2])
    assert middle == pytest.approx((2 + 1e-4 * 5) ** -0.75)
    assert middle == pytest.approx(0.594492, abs=5e-7)
    assert float(nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)(ones_NCHW)[0, 2]) == pytest.approx(0.594581, abs=5e-7)
    assert float(nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(ones_NCHW)[0, 2]) == pytest.approx(middle)


def test_channels_at_the_edge_are_normalized_by_the_neighbors_they_have():
    ones_NCHW = torch.ones(1, 7, 1, 1, dtype=torch.float64)
    expected = [(2 + 0.1 * neighbors) ** -0.75 for neighbors in (3, 4, 5, 5, 5, 4, 3)]
    assert LocalResponseNorm(alpha=0.1)(ones_NCHW).flatten().tolist() == pytest.approx(expected)


def test_local_response_norm_is_the_sum_over_channels_at_one_pixel():
    maps_NCHW = torch.randn(2, 6, 2, 3, dtype=torch.float64)
    out_NCHW = LocalResponseNorm(size=3, alpha=0.5, beta=2.0, k=1.0)(maps_NCHW)
    for i in range(6):
        near = maps_NCHW[:, max(0, i - 1) : i + 2]
        assert torch.allclose(out_NCHW[:, i], maps_NCHW[:, i] / (1 + 0.5 * near.square().sum(1)) ** 2)


def test_subsampling_is_a_coefficient_times_the_sum_plus_a_bias():
    layer = Subsampling(2)
    layer.load_state_dict({"weight": torch.tensor([0.5, -1.0]), "bias": torch.tensor([1.0, 0.25])})
    maps_NCHW = torch.stack([square(1, 2, 3, 4), square(0, 0, 0, 7)]).unsqueeze(0)
    assert layer(maps_NCHW).flatten().tolist() == [0.5 * 10 + 1, -7 + 0.25]
    assert sum(parameter.numel() for parameter in layer.parameters()) == 2 * 2
    assert layer.multiply_adds((2, 1, 1)) == 2


def test_subsampling_leaves_out_the_last_row_and_column_of_odd_sides():
    layer = Subsampling(1)
    layer.load_state_dict({"weight": torch.ones(1), "bias": torch.zeros(1)})
    maps_NCHW = torch.arange(15.0).view(1, 1, 3, 5)
    assert layer(maps_NCHW).tolist() == [[[[0 + 1 + 5 + 6, 2 + 3 + 7 + 8]]]]


def test_a_table_convolution_by_hand():
    layer = TableConv2d(((1,), (0, 1)), in_channels=2, kernel_size=2)
    kernels = torch.stack([square(1, 1, 1, 1), square(1, 0, 0, 0), square(0, 0, 0, 2)])
    layer.load_state_dict({"table": layer.table, "weight": kernels, "bias": torch.tensor([0.5, -1.0])})
    maps_NCHW = torch.stack([square(1, 2, 3, 4), square(5, 6, 7, 8)]).unsqueeze(0)
    assert layer(maps_NCHW).flatten().tolist() == [26 + 0.5, 1 + 2 * 8 - 1]
    assert layer.table.tolist() == [[0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
def test_a_table_convolution_is_a_full_one_with_links_at_zero(stride: int, bias: bool):
    full = nn.Conv2d(6, 16, kernel_size=5, stride=stride, bias=bias)
    layer = TableConv2d(TABLE, 6, kernel_size=5, stride=stride, bias=bias)
    with torch.no_grad():
        for to in range(16):
            for source in range(6):
                if source not in TABLE[to]:
                    full.weight[to, source] = 0
        layer.weight.copy_(torch.stack([full.weight[to, source] for to in range(16) for source in TABLE[to]]))
        if full.bias is not None and layer.bias is not None:
            layer.bias.copy_(full.bias)
    maps_NCHW = torch.randn(3, 6, 12, 11)
    assert torch.equal(layer.full_weight(), full.weight)
    assert torch.allclose(layer(maps_NCHW), full(maps_NCHW), atol=1e-6)
    layer(maps_NCHW).square().sum().backward()
    full(maps_NCHW).square().sum().backward()
    assert layer.weight.grad is not None
    assert full.weight.grad is not None
    links = layer.table
    assert torch.allclose(layer.weight.grad, full.weight.grad[links[:, 0], links[:, 1]], rtol=1e-4, atol=1e-3)


def test_a_table_convolution_has_weights_for_its_links_alone():
    layer = TableConv2d(TABLE, 6, kernel_size=5)
    assert layer.weight.numel() == 60 * 25
    assert int((layer.full_weight() != 0).sum()) == 60 * 25
    assert sum(parameter.numel() for parameter in layer.parameters()) == 60 * 25 + 16
    assert layer.multiply_adds((16, 10, 10)) == 60 * 25 * 100


def test_a_table_convolution_correlates_as_torch_does_and_does_not_flip_the_kernel():
    layer = TableConv2d(((0,),), 1, kernel_size=2, bias=False)
    layer.load_state_dict({"table": layer.table, "weight": square(1, 2, 3, 4).unsqueeze(0)})
    impulse_NCHW = torch.zeros(1, 1, 3, 3)
    impulse_NCHW[0, 0, 1, 1] = 1
    assert layer(impulse_NCHW).tolist() == [[[[4, 3], [2, 1]]]]
    layer.load_state_dict({"table": layer.table, "weight": square(4, 3, 2, 1).unsqueeze(0)})
    assert layer(impulse_NCHW).tolist() == [[[[1, 2], [3, 4]]]]  # s(t) = sum of x(a) w(t - a)


def test_a_unit_bias_is_one_number_a_unit():
    layer = UnitBias((2, 1, 3))
    layer.load_state_dict({"bias": torch.arange(6.0)})
    assert layer(torch.full((2, 2, 1, 3), 10.0)).tolist() == [[[[10, 11, 12]], [[13, 14, 15]]]] * 2
    assert layer.bias.shape == (6,)
