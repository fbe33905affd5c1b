from math import prod

import pytest
import torch
from torch import nn

from striate.nets.architectures.lecun1989 import TABLE, LeCun1989
from striate.nets.factory import outline
from striate.nets.hooks import taps
from striate.nets.summary import Layer, layer_table


@pytest.fixture(scope="module")
def rows() -> dict[str, Layer]:
    return {row.name: row for row in layer_table(LeCun1989())}


def test_parameters_by_layer(rows: dict[str, Layer]):
    assert rows["h1"].parameters + rows["bias1"].parameters == 12 * 25 + 12 * 8 * 8 == 300 + 768 == 1_068
    assert rows["h2"].parameters + rows["bias2"].parameters == 12 * 8 * 25 + 12 * 4 * 4 == 2_592
    assert rows["h3"].parameters == 192 * 30 + 30 == 5_790
    assert rows["output"].parameters == 30 * 10 + 10 == 310
    assert sum(row.parameters for row in rows.values()) == 9_760


def test_units(rows: dict[str, Layer]):
    assert rows["pad1"].input == (1, 16, 16)
    outputs = [rows[name].output for name in ("h1", "h2", "h3", "output")]
    assert outputs == [(12, 8, 8), (12, 4, 4), (30,), (10,)]
    assert 16 * 16 + sum(prod(output) for output in outputs) == 1_256


def test_links_are_one_for_each_weight_and_bias_of_each_unit(rows: dict[str, Layer]):
    links = {
        "h1": rows["h1"].macs + rows["bias1"].parameters,
        "h2": rows["h2"].macs + rows["bias2"].parameters,
        "h3": rows["h3"].macs + 30,
        "output": rows["output"].macs + 10,
    }
    assert links == {"h1": 768 * 26, "h2": 192 * 201, "h3": 30 * 193, "output": 10 * 31}
    assert list(links.values()) == [19_968, 38_592, 5_790, 310]
    assert sum(links.values()) == 64_660


def test_each_map_of_h2_sees_eight_of_h1_and_each_of_h1_is_seen_by_eight():
    assert [len(sources) for sources in TABLE] == [8] * 12
    assert [sum(source in sources for sources in TABLE) for source in range(12)] == [8] * 12
    assert set(TABLE[:4]) == {(0, 1, 2, 3, 4, 5, 6, 7)}
    assert set(TABLE[4:8]) == {(4, 5, 6, 7, 8, 9, 10, 11)}
    assert set(TABLE[8:]) == {(0, 1, 2, 3, 8, 9, 10, 11)}


def test_receptive_fields_and_jumps(rows: dict[str, Layer]):
    assert [(rows[name].receptive_field, rows[name].jump) for name in ("h1", "h2")] == [(5, 2), (5 + 4 * 2, 4)]


def test_the_border_is_background():
    net = LeCun1989()
    with taps(net, "h1", "pad2") as seen, torch.no_grad():
        net(torch.full((1, 1, 16, 16), -1.0))
    assert torch.allclose(seen["h1"], seen["h1"][:, :, :1, :1].expand(1, 12, 8, 8), atol=1e-6)
    assert seen["pad2"].shape == (1, 12, 12, 12)
    assert (seen["pad2"][:, :, :2] == -1).all()
    assert (seen["pad2"][:, :, :, -2:] == -1).all()
    with taps(net, "h1") as seen, torch.no_grad():
        net(torch.zeros(1, 1, 16, 16))
    assert not torch.allclose(seen["h1"][:, :, 0], seen["h1"][:, :, 4], atol=1e-3)


def test_a_bias_belongs_to_one_unit():
    net = LeCun1989()
    images_NCHW = torch.rand(1, 1, 16, 16)
    with taps(net, "tanh1") as before, torch.no_grad():
        net(images_NCHW)
    with torch.no_grad():
        net.bias1.bias[3 * 64 + 2 * 8 + 5] = 1.0  # map 3, row 2, column 5
    with taps(net, "tanh1") as after, torch.no_grad():
        net(images_NCHW)
    assert (before["tanh1"] != after["tanh1"]).nonzero().tolist() == [[0, 3, 2, 5]]


def test_tanh_follows_every_layer_but_the_output(rows: dict[str, Layer]):
    net = LeCun1989()
    assert all(isinstance(net.get_submodule(name), nn.Tanh) for name in ("tanh1", "tanh2", "tanh3"))
    assert list(rows) == [
        "pad1", "h1", "bias1", "tanh1", "pad2", "h2", "bias2", "tanh2", "flatten", "h3", "tanh3", "output",
    ]  # fmt: skip
    nn.init.constant_(net.output.bias, 5.0)
    assert (net(torch.zeros(1, 1, 16, 16)) > 2).all()


def test_other_sizes_round_up():
    rows = {row.name: row for row in layer_table(outline("lecun1989", (3, 9, 14), 4))}
    assert rows["h1"].output == (12, 5, 7)
    assert rows["h2"].output == (12, 3, 4)
    assert rows["h3"].parameters == (12 * 3 * 4 + 1) * 30
