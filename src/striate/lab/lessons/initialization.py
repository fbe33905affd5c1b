"""How a signal goes through many layers at the start, forwards and backwards, by the initialization of their weights.

Sources: Glorot & Bengio 2010; He et al. 2015, section 2.2.
"""

from collections.abc import Sequence
from math import ceil, floor, log10, sqrt

import numpy as np

from striate.lab.controls import Choice, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Lines, Mark, Sentence, Series, View, shown

SCHEMES = {
    "small": "N(0, 0.01²)",
    "one": "N(0, 1)",
    "scaled": "N(0, 1/n)",
    "he": "N(0, 2/n)",
    "normed": "N(0, 0.01²) and batch norm",
}
UNITS, INPUTS, MOST, BINS = 200, 200, 20, 40
CONTROLS = (
    Choice("scheme", tuple(SCHEMES), "small"),
    Choice("activation", ("tanh", "relu"), "tanh"),
    Slider("layers", 2, MOST, 1, MOST),
    Slider("layer", 1, MOST, 1, 5),
)
EXERCISES = (
    NumberExercise("he", lambda: sqrt(2 / 800), 0.0005),
    NumberExercise("halves", lambda: (1 / 2) ** 10, 0.0001),
    ChoiceExercise("relu", ("small", "scaled", "he"), lambda: _steadiest()),
)


def views(values: Values, say: Texts) -> list[View]:
    """Standard deviations of activations and gradients over the layers, and the activations of one layer."""
    from striate.figures.initialization import activations, gradients

    act, scheme, layers = values["activation"], SCHEMES[values["scheme"]], values["layers"]
    layer = min(values["layer"], layers)
    outputs = activations(act, scheme, layers, UNITS, INPUTS)
    stds = [float(output.std(correction=0)) for output in outputs]
    backwards = [float(gradient.std(correction=0)) for gradient in gradients(act, scheme, layers, UNITS, INPUTS)]
    numbers = range(1, layers + 1)
    mark = (Mark(layer, stds[layer - 1], shown(stds[layer - 1], 3)),)
    widest = max(4 * stds[layer - 1], 1e-30)
    bounds = (-min(widest, 1.0), min(widest, 1.0)) if act == "tanh" else (0.0, widest)
    shares, edges = np.histogram(outputs[layer - 1].numpy(), BINS, bounds)
    middles = (edges[:-1] + edges[1:]) / 2
    histogram = (Series(say("said.layer", layer=layer), middles, shares / outputs[0].numel()),)
    text = {"first": shown(stds[0], 3), "last": shown(stds[-1], 3), "gradient": shown(backwards[0], 3)}
    return [
        Lines(
            "outputs", (Series(say("said.outputs"), numbers, stds),), say("said.layers"), say("said.std"), mark, (1, layers),
            _decades(stds), y_log=True, move=("layer",),
        ),
        Lines(
            "gradients", (Series(say("said.gradients"), numbers, backwards, 2),), say("said.layers"), say("said.std"),
            x_range=(1, layers), y_range=_decades(backwards), y_log=True,
        ),
        Lines("histogram", histogram, say("said.output"), say("said.share"), x_range=bounds, y_range=(0, 1)),
        Sentence("result", say("said.result", layers=layers, **text) + " " + say(f"said.{_verdict(stds, act)}")),
    ]  # fmt: skip


def _decades(stds: Sequence[float]) -> tuple[float, float]:
    """Powers of ten around the positive ones."""
    positive = [std for std in stds if std > 0] or [1.0]
    low, high = floor(log10(min(positive))), ceil(log10(max(positive)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _verdict(stds: Sequence[float], act: str) -> str:
    if stds[-1] < 0.1 * stds[0]:
        return "fades"
    if stds[-1] > 10 * stds[0]:
        return "explodes"
    return "saturates" if act == "tanh" and stds[-1] > 0.9 else "stays"


def _steadiest() -> str:
    from striate.figures.initialization import activations

    def change(scheme: str) -> float:
        outputs = activations("relu", SCHEMES[scheme], 10, UNITS, INPUTS)
        return abs(log10(float(outputs[-1].std()) / float(outputs[0].std())))

    return min(("small", "scaled", "he"), key=change)
