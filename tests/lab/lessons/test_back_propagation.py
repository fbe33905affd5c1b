import pytest
import torch

from striate.lab.controls import check_values
from striate.lab.lessons import back_propagation as lesson
from striate.lab.texts import Texts
from striate.lab.views import Diagram, Lines, Table

SAY = Texts("back_propagation", "en")


def shown(**given):
    return {view.name: view for view in lesson.views(check_values(lesson.CONTROLS, given), SAY)}


def test_both_passes_by_hand():
    # s = 0.5 * 1 - 1 * 0.5 + 0.25 = 0.25; r = 0.25 - 1 = -0.75; E = 0.28125; dE/dw = r x, dE/dx = r w, dE/dt = -r
    passes = lesson.both_passes({"x1": 1, "x2": 0.5, "w1": 0.5, "w2": -1, "b": 0.25, "target": 1})
    assert passes.numbers["E"] == 0.28125
    gradient = passes.derivatives
    assert [gradient[name] for name in ("w1", "w2", "b", "x1", "x2", "target")] == [-0.75, -0.375, -0.75, -0.375, 0.75, 0.75]
    labels = {node.id: node.label for node in shown()["graph"].nodes}
    assert isinstance(shown()["graph"], Diagram)
    assert labels["w2"] == "w2: ∂ −0.375"


def test_the_derivatives_are_those_of_autograd():
    values = {"x1": 1.5, "x2": -0.75, "w1": 0.25, "w2": 2.0, "b": -1.0, "target": 0.5}
    leaves = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in values.items()}
    s = leaves["w1"] * leaves["x1"] + leaves["w2"] * leaves["x2"] + leaves["b"]
    (0.5 * (s - leaves["target"]) ** 2).backward()
    derivatives = lesson.both_passes(values).derivatives
    assert {name: float(leaf.grad) for name, leaf in leaves.items()} == {name: derivatives[name] for name in values}


def test_a_step_of_the_inverse_curvature_ends_at_zero():
    # the curvature along the gradient of w1, w2, b is x1^2 + x2^2 + 1 = 3, so that a rate of 1/3 is exact; 0.5 is past it
    lines = shown(x1=1, x2=1)["descent"]
    assert isinstance(lines, Lines)
    inputs = {"x1": 1, "x2": 1, "w1": 0.5, "w2": -1, "b": 0.25, "target": 1}
    assert lesson.after_step(inputs, lesson.both_passes(inputs).derivatives, 1 / 3) == pytest.approx(0, abs=1e-12)
    assert lines.series[0].y[10] == pytest.approx(0.25 * lines.series[0].y[0])  # (1 - 0.5 * 3)^2 = 1/4


def test_adjoints_and_the_chain_rule_give_the_same_gradient():
    table = shown(steps=2, control=0)["adjoints"]
    assert isinstance(table, Table)
    # h = 1/2, x = 1 throughout: lambda[1] = h x[1] = 0.5, lambda[2] = 0; dJ/du[k] = h lambda[k+1]
    assert table.rows == [["0", 1.0, 0.5, 0.25, 0.25], ["1", 1.0, 0.0, 0.0, 0.0]]
    for row in shown(steps=7, control=0.75)["adjoints"].rows:
        assert row[3] == pytest.approx(row[4], abs=1e-12)
