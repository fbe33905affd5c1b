from math import exp, log

import pytest
import torch
from torch import nn
from torch.nn import functional

from striate.base.errors import SettingError
from striate.nets.architectures.lenet5 import TABLE, LeNet5, RadialBasis, bitmaps_KD
from striate.nets.factory import build, outline
from striate.nets.hooks import taps
from striate.nets.summary import Layer, layer_table

TABLE_I = "012 123 234 345 045 015 0123 1234 2345 0345 0145 0125 0134 1245 0235 012345"


@pytest.fixture(scope="module")
def rows() -> dict[str, Layer]:
    return {row.name: row for row in layer_table(LeNet5())}


def links(row: Layer) -> int:
    """Weights and biases of all units; subsampling has four inputs and a bias, a radial basis function no bias."""
    if row.kind == "Subsampling":
        return 5 * row.macs
    units = row.output[0] * (row.output[1] * row.output[2] if len(row.output) == 3 else 1)
    return row.macs + (0 if row.kind == "RadialBasis" else units)


def test_parameters_by_layer(rows: dict[str, Layer]):
    assert {name: row.parameters for name, row in rows.items() if row.parameters} == {
        "c1": 6 * 25 + 6,
        "s2": 6 * 2,
        "c3": 60 * 25 + 16,
        "s4": 16 * 2,
        "c5": 120 * 16 * 25 + 120,
        "f6": 84 * 120 + 84,
    }
    assert [row.parameters for row in rows.values() if row.parameters] == [156, 12, 1_516, 32, 48_120, 10_164]
    assert sum(row.parameters for row in rows.values()) == 60_000


def test_links_by_layer(rows: dict[str, Layer]):
    result = {name: links(row) for name, row in rows.items() if row.macs}
    assert result == {
        "c1": 156 * 28 * 28,
        "s2": 6 * 14 * 14 * 5,
        "c3": 1_516 * 10 * 10,
        "s4": 16 * 5 * 5 * 5,
        "c5": 48_120,
        "f6": 10_164,
        "output": 10 * 84,
    }
    assert list(result.values()) == [122_304, 5_880, 151_600, 2_000, 48_120, 10_164, 840]
    assert sum(result.values()) == 340_068 + 840 == 340_908


def test_shapes_receptive_fields_and_jumps(rows: dict[str, Layer]):
    names = ("c1", "s2", "c3", "s4", "c5")
    assert [rows[name].output for name in names] == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1)]
    assert [rows[name].receptive_field for name in names] == [5, 6, 14, 16, 32]
    assert [rows[name].jump for name in names] == [1, 2, 2, 4, 4]


def test_c3_sees_the_maps_of_table_i():
    assert ["".join(map(str, sources)) for sources in TABLE] == TABLE_I.split()
    assert sum(len(sources) for sources in TABLE) == 60
    assert [sum(source in sources for sources in TABLE) for source in range(6)] == [10] * 6


def test_a_map_of_c3_does_not_move_with_maps_outside_its_row():
    net = build("lenet5", (1, 32, 32), 10)
    with taps(net, "s2", "c3") as seen:
        net(torch.randn(1, 1, 32, 32))
    for to, sources in enumerate(TABLE):
        (slope,) = torch.autograd.grad(seen["c3"][0, to].sum(), seen["s2"], retain_graph=True)
        assert slope[0].flatten(1).any(1).nonzero().flatten().tolist() == list(sources)


def test_every_layer_up_to_f6_is_squashed(rows: dict[str, Layer]):
    order = (
        "c1", "squash1", "s2", "squash2", "c3", "squash3", "s4", "squash4", "c5", "squash5", "flatten", "f6", "squash6",
        "output",
    )  # fmt: skip
    assert tuple(rows) == order
    assert {rows[name].kind for name in order if name.startswith("squash")} == {"ScaledTanh"}
    units_ND = outputs_of_f6(build("lenet5", (1, 32, 32), 10), 100 * torch.randn(2, 1, 32, 32))
    assert units_ND.shape == (2, 84)
    assert units_ND.abs().max() <= 1.7159


def outputs_of_f6(net: nn.Module, images_NCHW: torch.Tensor) -> torch.Tensor:
    with taps(net, "squash6") as seen, torch.no_grad():
        net(images_NCHW)
    return seen["squash6"]


def test_the_codes_are_ten_different_bitmaps_of_7_x_12_in_plus_and_minus_one():
    codes_KD = bitmaps_KD()
    assert codes_KD.shape == (10, 7 * 12)
    assert set(codes_KD.flatten().tolist()) == {-1.0, 1.0}
    assert len({tuple(code) for code in codes_KD.tolist()}) == 10
    seven_HW = codes_KD[7].view(12, 7)
    assert seven_HW[1].tolist() == [1] * 7  # the bar
    assert seven_HW[10].tolist() == [-1, -1, 1, 1, -1, -1, -1]  # the foot


def test_a_code_has_logit_zero_for_itself_and_minus_four_for_each_pixel_in_which_another_differs():
    codes_KD = bitmaps_KD()
    logits_KK = RadialBasis(codes_KD)(codes_KD)
    differ_KK = (codes_KD.unsqueeze(0) != codes_KD.unsqueeze(1)).sum(2)
    assert torch.equal(logits_KK, -4.0 * differ_KK)
    assert logits_KK.diagonal().tolist() == [0] * 10
    assert logits_KK.argmax(1).tolist() == list(range(10))


def test_radial_basis_functions_by_hand():
    layer = RadialBasis(torch.tensor([[1.0, -1.0, 1.0], [-1.0, -1.0, -1.0]]))
    assert layer(torch.tensor([[0.5, 0.0, 2.0]])).tolist() == [[-(0.25 + 1 + 1), -(2.25 + 1 + 9)]]


def test_the_largest_logit_is_the_nearest_code():
    units_ND = 1.7159 * (2 * torch.rand(200, 84, dtype=torch.float64) - 1)
    layer = RadialBasis(bitmaps_KD())
    distances_NK = torch.cdist(units_ND, bitmaps_KD().double())
    assert torch.equal(layer(units_ND).argmax(1), distances_NK.argmin(1))
    assert torch.allclose(layer(units_ND), -distances_NK.square())


def equation_9(distances: list[float], true: int, j: float) -> float:
    return distances[true] + log(exp(-j) + sum(exp(-distance) for distance in distances))


def test_cross_entropy_over_the_logits_is_equation_9_for_a_large_j():
    distances = [3.0, 40.0, 7.0]
    ours = float(functional.cross_entropy(-torch.tensor([distances], dtype=torch.float64), torch.tensor([2])))
    assert ours == pytest.approx(7 - 3 + log(1 + exp(-4) + exp(-37)))
    assert equation_9(distances, 2, j=100) == pytest.approx(ours, abs=1e-12)
    assert equation_9(distances, 2, j=1) > ours + 2


def test_the_codes_are_saved_and_not_trained():
    net = build("lenet5", (1, 32, 32), 10)
    assert net.state_dict()["output.codes_KD"].numel() == 840
    assert not [name for name, _ in net.named_parameters() if name.startswith("output")]


def test_other_classes_have_a_fully_connected_output_and_so_has_who_asks_for_it():
    assert isinstance(outline("lenet5", (1, 32, 32), 10).head, RadialBasis)
    assert isinstance(outline("lenet5", (1, 32, 32), 10, output="rbf").head, RadialBasis)
    for classes, output in ((7, None), (7, "linear"), (10, "linear")):
        head = outline("lenet5", (1, 32, 32), classes, output=output).head
        assert isinstance(head, nn.Linear)
        assert (head.in_features, head.out_features) == (84, classes)


def test_bitmaps_for_other_than_ten_classes_are_refused():
    with pytest.raises(SettingError) as refused:
        outline("lenet5", (1, 32, 32), 7, output="rbf")
    assert str(refused.value) == (
        "lenet5's output of radial basis functions has bitmaps for the 10 digits; got 7 classes. "
        "Set net.output=linear, or leave it out."
    )


def test_a_replaced_head_is_fully_connected_also_for_ten_classes():
    net = build("lenet5", (1, 32, 32), 10)
    net.replace_head(10)
    assert isinstance(net.head, nn.Linear)
    assert net(torch.zeros(1, 1, 32, 32)).shape == (1, 10)


def test_larger_images_leave_more_of_c5_to_f6():
    rows = {row.name: row for row in layer_table(outline("lenet5", (3, 37, 46), 10))}
    assert rows["c1"].parameters == (75 + 1) * 6
    assert [rows[name].output for name in ("s2", "s4", "c5")] == [(6, 16, 21), (16, 6, 8), (120, 2, 4)]
    assert rows["f6"].parameters == (120 * 2 * 4 + 1) * 84
