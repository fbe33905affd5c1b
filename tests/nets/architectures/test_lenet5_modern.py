import pytest
import torch
from torch import Tensor, nn

from striate.nets.architectures.lenet5 import LeNet5
from striate.nets.architectures.lenet5_modern import LeNet5Modern
from striate.nets.factory import build, outline
from striate.nets.hooks import taps
from striate.nets.summary import Layer, layer_table


@pytest.fixture(scope="module")
def rows() -> dict[str, Layer]:
    return {row.name: row for row in layer_table(LeNet5Modern())}


def test_parameters_by_layer(rows: dict[str, Layer]):
    assert {name: row.parameters for name, row in rows.items() if row.parameters} == {
        "conv1": 25 * 6 + 6,
        "conv2": 25 * 6 * 16 + 16,
        "fc1": 400 * 120 + 120,
        "fc2": 120 * 84 + 84,
        "fc3": 84 * 10 + 10,
    }
    assert sum(row.parameters for row in rows.values()) == 61_706


def test_what_sets_it_apart_from_the_paper_s_60_000(rows: dict[str, Layer]):
    paper = {row.name: row for row in layer_table(LeNet5())}
    table = rows["conv2"].parameters - paper["c3"].parameters
    pools = paper["s2"].parameters + paper["s4"].parameters
    assert (table, pools, rows["fc3"].parameters) == ((6 * 16 - 60) * 25, 12 + 32, 850)
    assert table - pools + 850 == 61_706 - 60_000
    for own, name in (("conv1", "c1"), ("fc1", "c5"), ("fc2", "f6")):
        assert rows[own].parameters == paper[name].parameters


def test_shapes_are_the_paper_s_and_receptive_fields_too(rows: dict[str, Layer]):
    names = ("conv1", "pool1", "conv2", "pool2")
    assert [rows[name].output for name in names] == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5)]
    assert [(rows[name].receptive_field, rows[name].jump) for name in names] == [(5, 1), (6, 2), (14, 2), (16, 4)]


def test_a_filter_over_three_channels_has_76_numbers():
    rows = {row.name: row for row in layer_table(outline("lenet5_modern", (3, 28, 28), 10))}
    assert rows["conv1"].parameters == 6 * (5 * 5 * 3 + 1) == 6 * 76


def pixels_seen(net: nn.Module, images_NCHW: Tensor, name: str, row: int, column: int) -> Tensor:
    """The gradient of one unit with respect to the image, H x W; all weights are made positive."""
    with torch.no_grad():
        for weight in net.parameters():
            weight.abs_()
    images_NCHW.requires_grad_()
    with taps(net, name) as seen:
        net(images_NCHW)
    (slope_NCHW,) = torch.autograd.grad(seen[name][0, :, row, column].sum(), images_NCHW)
    return slope_NCHW[0].sum(0)


def box(slope_HW: Tensor) -> tuple[int, int, int, int]:
    rows, columns = ((slope_HW != 0).any(axis).nonzero().flatten() for axis in (1, 0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


@pytest.mark.parametrize(
    ("name", "first", "size"),  # of unit (2, 2): where its field begins, with two pixels of border taken off
    [("conv1", 2 - 2, 5), ("pool1", 2 * 2 - 2, 6), ("conv2", 2 * 2 - 2, 14), ("pool2", 2 * 4 - 2, 16)],
)
def test_the_gradient_of_a_unit_fills_its_receptive_field(rows: dict[str, Layer], name: str, first: int, size: int):
    net = build("lenet5_modern", (1, 28, 28), 10, pooling="average")
    slope_HW = pixels_seen(net, torch.ones(1, 1, 28, 28), name, 2, 2)
    assert box(slope_HW) == (first, first + size - 1, first, first + size - 1)
    assert int((slope_HW != 0).sum()) == size**2
    assert rows[name].receptive_field == size


def test_a_neighbor_sees_one_jump_further(rows: dict[str, Layer]):
    net = build("lenet5_modern", (1, 28, 28), 10, pooling="average")
    slope_HW = pixels_seen(net, torch.ones(1, 1, 28, 28), "pool2", 2, 3)
    assert box(slope_HW) == (6, 21, 6 + rows["pool2"].jump, 21 + rows["pool2"].jump)


def test_the_middle_of_a_receptive_field_weighs_more_than_its_corners():
    net = build("lenet5_modern", (1, 28, 28), 10, pooling="average")
    for layer in (net.get_submodule("conv1"), net.get_submodule("conv2")):
        assert isinstance(layer, nn.Conv2d)
        nn.init.ones_(layer.weight)
    slope_HW = pixels_seen(net, torch.ones(1, 1, 28, 28), "pool2", 2, 2)
    ways = slope_HW[14, 6:22] / slope_HW[14, 6]  # 11111 * 11 * 101010101 * 101
    assert ways.tolist() == pytest.approx([1, 2, 4, 6, 8, 9, 10, 10, 10, 10, 9, 8, 6, 4, 2, 1], rel=1e-4)


def test_settings_reach_their_layers(rows: dict[str, Layer]):
    kinds = [row.kind for row in layer_table(outline("lenet5_modern", (1, 28, 28), 10, activation="tanh", pooling="average"))]
    assert (kinds.count("Tanh"), kinds.count("AvgPool2d")) == (4, 2)
    assert (kinds.count("ReLU"), kinds.count("MaxPool2d")) == (0, 0)
    assert [rows[name].kind for name in ("relu1", "pool1", "relu2", "pool2")] == ["ReLU", "MaxPool2d"] * 2
