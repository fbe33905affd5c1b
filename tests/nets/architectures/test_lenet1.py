import pytest
import torch

from striate.nets.architectures.lenet1 import TABLE, LeNet1
from striate.nets.factory import build, outline
from striate.nets.hooks import taps
from striate.nets.summary import Layer, layer_table


@pytest.fixture(scope="module")
def rows() -> dict[str, Layer]:
    return {row.name: row for row in layer_table(LeNet1())}


def links(row: Layer) -> int:
    """Weights and biases of all units; subsampling has four inputs and a bias."""
    if row.kind == "Subsampling":
        return 5 * row.macs
    return row.macs + row.output[0] * (row.output[1] * row.output[2] if len(row.output) == 3 else 1)


def test_parameters_by_layer(rows: dict[str, Layer]):
    assert {name: row.parameters for name, row in rows.items() if row.parameters} == {
        "h1": 4 * 25 + 4,
        "h2": 4 * 2,
        "h3": 20 * 25 + 12,
        "h4": 12 * 2,
        "output": 192 * 10 + 10,
    }
    assert [row.parameters for row in rows.values() if row.parameters] == [104, 8, 512, 24, 1_930]
    assert sum(row.parameters for row in rows.values()) == 2_578


def test_links_by_layer(rows: dict[str, Layer]):
    by_layer = {name: links(row) for name, row in rows.items() if row.parameters}
    assert by_layer == {
        "h1": 4 * 24 * 24 * 26,
        "h2": 4 * 12 * 12 * 5,
        "h3": 64 * (20 * 25 + 12),
        "h4": 12 * 4 * 4 * 5,
        "output": 10 * 193,
    }
    assert sum(by_layer.values()) == 98_442


def test_shapes_and_receptive_fields(rows: dict[str, Layer]):
    names = ("h1", "h2", "h3", "h4")
    assert [rows[name].output for name in names] == [(4, 24, 24), (4, 12, 12), (12, 8, 8), (12, 4, 4)]
    assert [(rows[name].receptive_field, rows[name].jump) for name in names] == [(5, 1), (6, 2), (14, 2), (16, 4)]


def test_the_table_is_the_paper_s():
    assert TABLE == (
        (0,), (0, 1), (0, 1), (1,), (0, 1), (0, 1),
        (2,), (2, 3), (2, 3), (3,), (2, 3), (2, 3),
    )  # fmt: skip
    assert sum(len(sources) for sources in TABLE) == 20


def test_the_two_halves_do_not_mix_before_the_output():
    net = build("lenet1", (1, 16, 16), 10)
    with taps(net, "h2", "h4") as seen:
        net(torch.randn(1, 1, 16, 16))
    for maps, own, other in ((slice(0, 6), slice(0, 2), slice(2, 4)), (slice(6, 12), slice(2, 4), slice(0, 2))):
        (slope,) = torch.autograd.grad(seen["h4"][:, maps].sum(), seen["h2"], retain_graph=True)
        assert slope[:, own].any()
        assert not slope[:, other].any()


def test_every_layer_but_the_output_is_squashed(rows: dict[str, Layer]):
    order = ("h1", "squash1", "h2", "squash2", "h3", "squash3", "h4", "squash4", "flatten", "output")
    assert tuple(rows) == order
    assert {rows[name].kind for name in order if name.startswith("squash")} == {"ScaledTanh"}


def test_sizes_between_round_down():
    rows = {row.name: row for row in layer_table(outline("lenet1", (3, 17, 23), 4))}
    assert [rows[name].output for name in ("h1", "h2", "h3", "h4")] == [(4, 13, 19), (4, 6, 9), (12, 2, 5), (12, 1, 2)]
    assert rows["output"].parameters == (12 * 1 * 2 + 1) * 4
