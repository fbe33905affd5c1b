"""Activation functions and their derivatives: a point that is moved, and what many layers leave of a gradient.

Sources: Krizhevsky, Sutskever & Hinton 2012, section 3.1; LeCun et al. 1998, appendix A.
"""

from math import atanh

from striate.lab.controls import Choice, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Formula, Lines, Mark, Sentence, Series, Table, View, shown

FORMULAS = {
    "relu": "f(a) = max(0, a)",
    "leaky_relu": "f(a) = max(0, a) + 0.01 · min(0, a)",
    "elu": "f(a) = max(0, a) + min(0, exp(a) − 1)",
    "gelu": "f(a) = a · Φ(a)",
    "silu": "f(a) = a · σ(a) = a / (1 + exp(−a))",
    "sigmoid": "f(a) = σ(a) = 1 / (1 + exp(−a))",
    "tanh": "f(a) = tanh(a)",
    "scaled_tanh": "f(a) = 1.7159 · tanh(2a / 3)",
}
TANGENT = 1.5  # on both sides of the point
CONTROLS = (
    Choice("name", tuple(FORMULAS), "relu"),
    Slider("input", -4, 4, 0.1, 1),
    Slider("layers", 1, 30, 1, 10),
)
EXERCISES = (
    NumberExercise("sigmoid", lambda: _at("sigmoid", 0.0)[1], 0.005),
    NumberExercise("leaky", lambda: _at("leaky_relu", -3.0)[0], 0.001),
    NumberExercise("tanh", lambda: _at("tanh", atanh(0.8))[1], 0.005),
    ChoiceExercise("zero", ("relu", "leaky_relu", "elu"), lambda: _without_gradient(-3.0)),
)


def views(values: Values, say: Texts) -> list[View]:
    """The function with its tangent, its derivative, and all functions at the same input."""
    import torch

    from striate.figures.activations import at, over

    name, x, layers = values["name"], float(values["input"]), values["layers"]
    x_P = torch.linspace(-4, 4, 161, dtype=torch.float64)
    values_P, derivatives_P = over(name, x_P)
    value, derivative = at(name, x)
    ends = (x - TANGENT, x + TANGENT)
    tangent = Series(say("said.tangent"), ends, [value + derivative * (end - x) for end in ends], 2, dashed=True)
    title = say(f"options.name.{name}")
    rows = []
    for other in FORMULAS:
        output, slope = at(other, x)
        rows.append((say(f"options.name.{other}"), output, slope, slope**layers))
    numbers = {"x": shown(x), "value": shown(value), "derivative": shown(derivative)}
    return [
        Lines(
            "function", (Series(title, x_P.numpy(), values_P.numpy()), tangent), say("said.input"), say("said.output"),
            (Mark(x, value, shown(value, 3)),), (-4, 4), (-2, 4), move=("input",),
        ),
        Lines(
            "derivative", (Series(title, x_P.numpy(), derivatives_P.numpy(), 2),), say("said.input"), say("said.slope"),
            (Mark(x, derivative, shown(derivative, 3), 2),), (-4, 4), (-0.25, 1.3), move=("input",),
        ),
        Formula("formula", (FORMULAS[name],)),
        Table("all", [say("controls.name"), say("said.output"), say("said.slope"), say("said.power", layers=layers)], rows),
        Sentence("result", say("said.result", name=title, layers=layers, factor=shown(derivative**layers, 3), **numbers)),
    ]  # fmt: skip


def _at(name: str, x: float) -> tuple[float, float]:
    from striate.figures.activations import at

    return at(name, x)


def _without_gradient(x: float) -> str:
    return next(name for name in ("relu", "leaky_relu", "elu") if _at(name, x)[1] == 0)
