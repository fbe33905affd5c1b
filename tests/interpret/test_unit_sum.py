import torch
from torch import nn

from striate.interpret.unit_sum import unit_sum
from striate.nets.architectures.efficientnet_lite0 import SameConv2d
from striate.nets.blocks import TableConv2d


def test_the_sum_of_a_convolution_done_by_hand():
    layer = nn.Conv2d(1, 1, 3, padding=1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[[1.0, 0, 2], [0, 3, 0], [4, 0, 5]]]]))
        layer.bias.fill_(10.0)
    image_11HW = torch.arange(1.0, 10.0).view(1, 1, 3, 3)  # 1 2 3, 4 5 6, 7 8 9
    corner = unit_sum(layer, image_11HW, 0)
    assert corner is not None
    # Above and to the left lies padding: 3 x 1 + 5 x 5
    assert corner.terms[0].inputs_kk.tolist() == [[0, 0, 0], [0, 1, 2], [0, 4, 5]]
    assert (corner.terms[0].product, corner.bias, corner.value) == (28.0, 10.0, 38.0)
    middle = unit_sum(layer, image_11HW, 0, 1, 1)
    assert middle is not None
    assert middle.value == 1 * 1 + 2 * 3 + 3 * 5 + 4 * 7 + 5 * 9 + 10


def test_a_fully_connected_unit_has_a_term_for_each_input():
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, -3.0]]))
        layer.bias.fill_(0.5)
    found = unit_sum(layer, torch.tensor([[1.0, 4.0]]), 0)
    assert found is not None
    assert [term.product for term in found.terms] == [2.0, -12.0]
    assert found.value == -9.5
    assert [term.source for term in found.largest(1)] == [1]


def test_the_sum_is_the_layers_output_whatever_its_window():
    torch.manual_seed(0)
    image = torch.randn(1, 4, 7, 8)
    layers = [
        nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2), nn.Conv2d(4, 6, (1, 5), padding=(0, 2)),
        nn.Conv2d(4, 8, 3, groups=2), SameConv2d(4, 4, 5, stride=2, groups=4), TableConv2d([[0, 2], [1, 2, 3]], 4, 3),
    ]  # fmt: skip
    for layer in layers:
        with torch.no_grad():
            output = layer(image)
        for place in ((0, 0, 0), (1, 1, 2), (output.shape[1] - 1, output.shape[2] - 1, output.shape[3] - 1)):
            found = unit_sum(layer, image, *place)
            assert found is not None
            assert abs(found.value - float(output[(0, *place)])) < 1e-5, (layer, place)


def test_of_other_layers_there_is_none():
    assert unit_sum(nn.ReLU(), torch.zeros(1, 2, 3, 3), 0) is None
    assert unit_sum(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), torch.zeros(1, 1, 4, 4), 0) is None
