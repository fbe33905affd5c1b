from math import exp

import pytest

from striate.figures.activations import at
from support.lesson_views import views_of


def test_the_point_and_its_tangent_lie_on_the_function():
    views = views_of("activations", name="sigmoid", input=0)
    (point,), (curve, tangent) = views["function"]["marks"], views["function"]["series"]
    assert (point["x"], point["y"]) == (0, 0.5)
    # Slope 1/4 at 0: 0.5 ± 1.5 / 4
    assert tangent["y"] == [0.125, 0.875]
    assert [curve["y"][curve["x"].index(x)] for x in (-4.0, 4.0)] == pytest.approx([1 / (1 + exp(4)), 1 / (1 + exp(-4))])
    assert views["derivative"]["marks"][0]["y"] == 0.25
    assert "output 0.5, derivative 0.25" in views["result"]["text"]


def test_all_functions_are_those_of_the_figure():
    rows = {row[0]: row[1:] for row in views_of("activations", input=-3, layers=2)["all"]["rows"]}
    assert rows["leaky ReLU"] == pytest.approx([-0.03, 0.01, 0.0001])
    value, derivative = at("gelu", -3.0)
    assert rows["GELU"] == [value, derivative, derivative**2]
