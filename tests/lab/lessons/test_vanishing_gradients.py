import pytest

from striate.figures.degradation import MEASURED
from striate.figures.residual import derivative
from support.lesson_views import views_of


def test_a_gradient_is_multiplied_with_the_derivative_of_each_block():
    views = views_of("vanishing_gradients", depth="20", first=0.5, second=0.2, blocks=3)
    plain, shortcut = (series["y"] for series in views["chain"]["series"])
    assert plain == pytest.approx([0.1, 0.01, 0.001])
    assert shortcut == pytest.approx([1.1, 1.21, 1.331])
    assert (plain[0], shortcut[0]) == (derivative("none", (0.5, 0.2)), derivative("B", (0.5, 0.2)))
    assert [row[1:] for row in views["measured"]["rows"]] == [list(row) for row in MEASURED.values()]


def test_the_gradients_of_networks_with_twenty_layers_have_nine_blocks():
    plain, residual = views_of("vanishing_gradients", depth="20")["real"]["series"]
    assert [len(series["y"]) for series in (plain, residual)] == [9, 9]
    assert plain["y"][0] / plain["y"][-1] > residual["y"][0] / residual["y"][-1] > 1
