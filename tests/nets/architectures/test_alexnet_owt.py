import pytest
from torch import nn

from striate.nets.factory import outline
from striate.nets.summary import Layer, layer_table


@pytest.fixture(scope="module")
def rows() -> dict[str, Layer]:
    return {row.name: row for row in layer_table(outline("alexnet_owt", (3, 224, 224), 1000))}


def test_parameters_by_layer(rows: dict[str, Layer]):
    assert {name: row.parameters for name, row in rows.items() if row.parameters} == {
        "conv1": (11 * 11 * 3 + 1) * 64,
        "conv2": (5 * 5 * 64 + 1) * 192,
        "conv3": (3 * 3 * 192 + 1) * 384,
        "conv4": (3 * 3 * 384 + 1) * 256,
        "conv5": (3 * 3 * 256 + 1) * 256,
        "fc6": (256 * 6 * 6 + 1) * 4096,
        "fc7": (4096 + 1) * 4096,
        "fc8": (4096 + 1) * 1000,
    }
    assert sum(row.parameters for row in rows.values()) == 61_100_840


def test_the_paper_s_own_conv4_of_384_maps_would_make_it_61_838_248(rows: dict[str, Layer]):
    conv4, conv5 = (3 * 3 * 384 + 1) * (384 - 256), 3 * 3 * (384 - 256) * 256
    assert 61_100_840 + conv4 + conv5 == 61_838_248
    assert rows["conv4"].output[0] == 256


def test_multiply_adds(rows: dict[str, Layer]):
    assert {name: row.macs for name, row in rows.items() if row.macs} == {
        "conv1": 55 * 55 * 64 * 11 * 11 * 3,
        "conv2": 27 * 27 * 192 * 5 * 5 * 64,
        "conv3": 13 * 13 * 384 * 3 * 3 * 192,
        "conv4": 13 * 13 * 256 * 3 * 3 * 384,
        "conv5": 13 * 13 * 256 * 3 * 3 * 256,
        "fc6": 9216 * 4096,
        "fc7": 4096 * 4096,
        "fc8": 4096 * 1000,
    }
    assert round(sum(row.macs for row in rows.values()) / 1e9, 3) == 0.714


def test_sides_receptive_fields_and_jumps_are_those_of_the_two_towers(rows: dict[str, Layer]):
    names = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    assert [rows[name].output[1] for name in names] == [55, 27, 27, 13, 13, 13, 13, 6]
    assert [rows[name].receptive_field for name in names] == [11, 19, 51, 67, 99, 131, 163, 195]
    assert [rows[name].jump for name in names] == [4, 8, 8, 16, 16, 16, 16, 32]


def test_the_border_is_of_two_pixels():
    rows = {row.name: row for row in layer_table(outline("alexnet_owt", (3, 221, 220), 10))}
    assert rows["conv1"].output == (64, 54, 54)  # (221 + 4 - 11) / 4 + 1 = 54.5


def test_there_are_no_norms_and_no_groups_and_dropout_comes_before_both_large_layers(rows: dict[str, Layer]):
    net = outline("alexnet_owt", (3, 224, 224), 1000)
    assert "LocalResponseNorm" not in {row.kind for row in rows.values()}
    assert {layer.groups for layer in net.modules() if isinstance(layer, nn.Conv2d)} == {1}
    assert list(rows)[-8:] == ["flatten", "dropout6", "fc6", "relu6", "dropout7", "fc7", "relu7", "fc8"]
    assert [layer.p for layer in net.modules() if isinstance(layer, nn.Dropout)] == [0.5, 0.5]


def test_settings_reach_their_layers():
    net = outline("alexnet_owt", (3, 63, 63), 2, activation="elu", pooling="average", dropout=0.1)
    kinds = [type(layer).__name__ for layer in net.modules()]
    assert [kinds.count(kind) for kind in ("ELU", "ReLU", "AvgPool2d", "MaxPool2d")] == [7, 0, 3, 0]
    assert [layer.p for layer in net.modules() if isinstance(layer, nn.Dropout)] == [0.1, 0.1]
