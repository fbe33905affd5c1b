from striate.nets.architectures.mlp import MLP
from striate.nets.summary import layer_table


def test_parameters_are_the_paper_s():
    rows = {row.name: row for row in layer_table(MLP())}
    assert rows["fc1"].parameters == 784 * 300 + 300
    assert rows["fc2"].parameters == 300 * 100 + 100
    assert rows["fc3"].parameters == 100 * 10 + 10
    assert sum(row.parameters for row in rows.values()) == 266_610
    assert sum(row.macs for row in rows.values()) == 266_200
