"""Numbers of the textbook's network, which a reader can redo."""

from striate.nets.architectures.mnist_cnn import MnistCNN
from striate.nets.summary import layer_table


def test_parameters_and_multiply_adds_by_layer():
    rows = {row.name: row for row in layer_table(MnistCNN())}
    weights = {name: row.parameters for name, row in rows.items() if row.parameters}
    assert weights == {
        "conv1": 5 * 5 * 32 + 32,
        "conv2": 5 * 5 * 32 * 64 + 64,
        "fc1": 7 * 7 * 64 * 1024 + 1024,
        "fc2": 1024 * 10 + 10,
    }
    assert sum(weights.values()) == 3_274_634
    macs = {name: row.macs for name, row in rows.items() if row.macs}
    assert macs == {
        "conv1": 28 * 28 * 25 * 32,
        "conv2": 14 * 14 * 25 * 32 * 64,
        "fc1": 3136 * 1024,
        "fc2": 1024 * 10,
    }
    assert sum(macs.values()) == 13_883_904


def test_shapes_and_receptive_fields():
    rows = {row.name: row for row in layer_table(MnistCNN())}
    assert [rows[name].output for name in ("conv1", "pool1", "conv2", "pool2")] == [
        (32, 28, 28),
        (32, 14, 14),
        (64, 14, 14),
        (64, 7, 7),
    ]
    # 5; 5+1; 6+4*2; 14+1*2 - the paper's arithmetic r += (k-1) j
    assert [rows[name].receptive_field for name in ("conv1", "pool1", "conv2", "pool2")] == [5, 6, 14, 16]
    assert [rows[name].jump for name in ("conv1", "pool1", "conv2", "pool2")] == [1, 2, 2, 4]


def test_an_odd_side_loses_its_last_row_in_the_pool():
    rows = {row.name: row for row in layer_table(MnistCNN((3, 9, 11), 4))}
    assert rows["pool1"].output == (32, 4, 5)
    assert rows["pool2"].output == (64, 2, 2)
