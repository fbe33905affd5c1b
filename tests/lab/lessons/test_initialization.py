from math import sqrt

import pytest

from striate.figures.initialization import activations, gradients
from support.lesson_views import views_of


def test_the_signal_is_that_of_the_figure_and_fades_by_the_factor_of_the_weights():
    views = views_of("initialization", layers=6)
    stds = views["outputs"]["series"][0]["y"]
    assert stds == [float(output.std(correction=0)) for output in activations("tanh", "N(0, 0.01²)", 6, 200, 200)]
    # Small signals go through tanh unchanged, and each layer multiplies with sqrt(200) · 0.01
    assert stds[5] / stds[4] == pytest.approx(sqrt(200) * 0.01, rel=0.03)
    backwards = views["gradients"]["series"][0]["y"]
    assert backwards == [float(g.std(correction=0)) for g in gradients("tanh", "N(0, 0.01²)", 6, 200, 200)]
    assert backwards[4] / backwards[5] == pytest.approx(sqrt(200) * 0.01, rel=0.03)
    assert views["result"]["text"].endswith("The signal fades.")


def test_he_keeps_the_signal_of_relu_and_half_of_its_activations_are_zero():
    views = views_of("initialization", scheme="he", activation="relu", layer=1)
    assert views["result"]["text"].endswith("The signal is passed on.")
    assert views["histogram"]["series"][0]["y"][0] == pytest.approx(0.53, abs=0.05)  # zero, and a little more


def test_too_large_weights_saturate_tanh_or_explode():
    assert views_of("initialization", scheme="one")["result"]["text"].endswith("The units are saturated.")
    assert views_of("initialization", scheme="one", activation="relu")["result"]["text"].endswith("The signal explodes.")
