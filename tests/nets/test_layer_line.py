import pytest
import torch

from striate.base.errors import SettingError, ShapeError
from striate.nets.layer_line import LineNet
from striate.nets.summary import layer_table


def test_a_line_becomes_named_layers():
    net = LineNet("conv 5x5x32, relu, pool 2, fc 10", (1, 28, 28), 10)
    assert net.taps == ("conv1", "relu1", "pool1", "fc1")
    assert net.head_name == "fc1"
    assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert sum(parameter.numel() for parameter in net.parameters()) == 832 + 32 * 14 * 14 * 10 + 10


def test_fc_alone_has_as_many_outputs_as_classes():
    assert LineNet("fc 8, relu, fc", (3, 4, 4), 7).head.out_features == 7


def test_every_kind_of_layer_and_its_arithmetic():
    line = (
        "conv 3x5x8 stride 2 pad 0, bn, tanh, avgpool 3/2, conv 3x3x4 pad same, gelu, dropout 0.5, globalpool, "
        "fc 6, bn, sigmoid, fc 2"
    )
    rows = {row.name: row for row in layer_table(LineNet(line, (2, 21, 23), 2))}
    assert rows["conv1"].output == (8, 10, 10)  # (21-3)/2+1, (23-5)/2+1
    assert rows["avgpool1"].output == (8, 4, 4)  # (10-3)/2+1
    assert rows["conv2"].output == (4, 4, 4)
    assert rows["globalpool1"].output == (4, 1, 1)
    assert rows["fc1"].output == (6,)
    assert rows["fc2"].output == (2,)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("konv 3x3x8, fc 10", "There is no layer 'konv'; did you mean conv?"),
        ("conv 3x3, fc 10", "'conv 3x3' is not how conv is written; a line reads like 'conv 5x5x32 stride 2 pad 0'."),
        ("conv 4x4x8, fc 10", "an even kernel cannot keep the size; say 'pad 0', or use 5x5."),
        ("relu, pool 2", "a line of layers ends with 'fc 10' for the classes; got 'pool 2' at its end."),
        ("relu, fc 3", "the data have 10 classes; the line ends in 'fc 3'. End it with 'fc 10' or 'fc'."),
        ("fc 5, conv 3x3x2, fc", "'conv 3x3x2' comes after a fully connected layer, where there are no maps left"),
        ("dropout 2, fc", "'dropout 2' is not how dropout is written; a line reads like 'dropout 0.5'."),
        ("fc 0, fc", "'fc 0' is not how fc is written; a line reads like 'fc 128'."),
        ("conv 3x3x0, fc", "'conv 3x3x0' is not how conv is written"),
    ],
)
def test_a_wrong_line_is_refused_with_the_right_one(line: str, text: str):
    with pytest.raises(SettingError) as refused:
        LineNet(line, (1, 8, 8), 10)
    assert text in str(refused.value)


def test_a_pool_too_large_for_its_input_is_refused():
    with pytest.raises(ShapeError, match=r"'pool 2' expects an input of at least 2 pixels a side; got 1"):
        LineNet("pool 2, pool 2, pool 2, pool 2, fc", (1, 8, 8), 3)
