import numpy as np
import pytest

from striate.history.gmdh.demo import noisy_table
from striate.history.gmdh.model import GMDH
from striate.lab.controls import check_values
from striate.lab.lessons import gmdh as lesson
from striate.lab.texts import Texts
from striate.lab.views import Diagram, Formula, Sentence, Table

SAY = Texts("gmdh", "en")


def shown(**given):
    return {view.name: view for view in lesson.views(check_values(lesson.CONTROLS, given), SAY)}


def test_growth_ends_where_that_of_the_network_does():
    network = GMDH(keep=5, layers=6).fit(*noisy_table(0, 0.4, 80, 6))
    sentence = shown()["result"]
    assert isinstance(sentence, Sentence)
    assert f"Growth ends after layer {len(network.layers_)}." in sentence.text
    polynomial = shown(layer=len(network.layers_))["polynomial"]
    assert isinstance(polynomial, Formula)
    assert "\n".join(polynomial.lines) == network.formula(3).replace("^2", "²").replace("- ", "− ")


def test_the_elements_of_the_first_layer_by_least_squares_of_our_own():
    table = shown(layer=1)["elements"]
    assert isinstance(table, Table)
    rows = noisy_table(0, 0.4, 80, 6)
    for _, inputs, criterion, fitted, choosing in table.rows:
        u, v = (rows.X_MD[:, int(name.strip(" x")) - 1] for name in inputs.split(","))
        terms = np.stack([np.ones(80), u, v, u * v, u * u, v * v], axis=1)
        weights = np.linalg.lstsq(terms[:40], rows.y_M[:40], rcond=None)[0]
        squares = np.square(terms @ weights - rows.y_M)
        assert [fitted, choosing] == pytest.approx([squares[:40].mean(), squares[40:].mean()])
        assert criterion == pytest.approx(squares[40:].sum())
    assert [row[2] for row in table.rows] == sorted(row[2] for row in table.rows)


def test_the_diagram_has_what_each_layer_keeps():
    diagram = shown(layer=2, keep=3)["network"]
    assert isinstance(diagram, Diagram)
    assert len(diagram.nodes) == 6 + 3 + 3
    assert [node.on for node in diagram.nodes[-3:]] == [True, False, False]
    assert len(diagram.edges) == 2 * (3 + 3)
