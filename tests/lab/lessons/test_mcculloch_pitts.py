import pytest

from striate.history.mcculloch_pitts import model as mp
from striate.lab.controls import check_values
from striate.lab.lessons import mcculloch_pitts as lesson
from striate.lab.texts import Texts
from striate.lab.views import Diagram, Sentence, Table

SAY = Texts("mcculloch_pitts", "en")


def shown(**given):
    return {view.name: view for view in lesson.views(check_values(lesson.CONTROLS, given), SAY)}


@pytest.mark.parametrize(
    ("given", "function"),
    [
        ({"threshold": 2}, "AND"),
        ({"threshold": 1}, "OR"),
        ({"threshold": 0, "edge1": "inhibitory", "edge2": "none"}, "NOT x1"),
        ({"threshold": 1, "edge2": "inhibitory"}, "x1 AND NOT x2"),
    ],
)
def test_one_unit_is_the_gate_that_its_edges_make(given, function):
    sentence = shown(**given)["result"]
    assert isinstance(sentence, Sentence)
    assert f"it computes: {function}. No single unit computes the wanted function, XOR" in sentence.text


def test_two_layers_compute_what_is_wanted_in_every_row():
    table = shown()["tables"]
    assert isinstance(table, Table)
    # x1, x2, wanted (XOR), AND, XOR
    assert table.rows == [[0, 0, 0, 0, 0], [0, 1, 1, 0, 1], [1, 0, 1, 0, 1], [1, 1, 0, 1, 0]]


def test_the_diagram_is_the_network_with_what_its_units_do():
    diagram = shown(x1=True, x2=False)["layers"]
    assert isinstance(diagram, Diagram)
    net = mp.compile_truth_table((0, 1, 1, 0))
    assert [node.id for node in diagram.nodes] == ["x1", "x2", *net.units]
    assert {node.id: node.on for node in diagram.nodes} == {"x1": True, "x2": False, "01": False, "10": True, "out": True}
    assert sum(edge.dot for edge in diagram.edges) == sum(len(unit.inhibitory) for unit in net.units.values()) == 2
