"""The chain rule on a small graph, operation by operation, and the adjoints of Kelley and Bryson as the same recursion.

Sources: Kelley 1960; Dreyfus 1962; Linnainmaa 1970; Rumelhart, Hinton & Williams 1986.
"""

from typing import NamedTuple

import numpy as np

from striate.lab.controls import Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Diagram, Edge, Formula, Lines, Mark, Node, Sentence, Series, Table, View

WEIGHTS = ("w1", "w2", "b")
CONTROLS = (
    Slider("x1", -2, 2, 0.25, 1),
    Slider("x2", -2, 2, 0.25, 0.5),
    Slider("w1", -2, 2, 0.25, 0.5),
    Slider("w2", -2, 2, 0.25, -1),
    Slider("b", -2, 2, 0.25, 0.25),
    Slider("target", -2, 2, 0.25, 1),
    Slider("rate", 0, 1, 0.05, 0.2),
    Slider("steps", 2, 8, 1, 4),
    Slider("control", -1, 1, 0.25, -0.5),
)
EXERCISES = (
    NumberExercise("product", lambda: _product(-2, 5, -4)),
    ChoiceExercise("sum", ("same", "half", "swapped"), lambda: _at_a_sum()),
    NumberExercise("cost", lambda: _cost_of_backward()),
)
PLACES = {
    "x1": (0, 0.05), "w1": (0, 0.24), "w2": (0, 0.43), "x2": (0, 0.62), "b": (0, 0.81), "target": (0, 1),
    "p1": (0.27, 0.14), "p2": (0.27, 0.52), "s": (0.52, 0.4), "r": (0.75, 0.6), "E": (1, 0.6),
}  # fmt: skip


class Passes(NamedTuple):
    """The numbers of the graph by their names, and the derivative of E by each."""

    numbers: dict[str, float]
    derivatives: dict[str, float]


def both_passes(inputs: dict[str, float]) -> Passes:
    """Forward through E = 1/2 (w1 x1 + w2 x2 + b - target)^2, and backward."""
    from striate.history.optimal_control.chain_rule import Tape

    tape = Tape()
    place = {name: tape.put(inputs[name]) for name in ("x1", "x2", *WEIGHTS, "target")}
    half, minus = tape.put(0.5), tape.put(-1.0)
    place["p1"], place["p2"] = tape.multiply(place["x1"], place["w1"]), tape.multiply(place["x2"], place["w2"])
    place["s"] = tape.add(tape.add(place["p1"], place["p2"]), place["b"])
    place["r"] = tape.add(place["s"], tape.multiply(minus, place["target"]))
    place["E"] = tape.multiply(half, tape.multiply(place["r"], place["r"]))
    derivatives = tape.backward(place["E"])
    return Passes(
        {name: tape.numbers[number] for name, number in place.items()},
        {name: derivatives[number] for name, number in place.items()},
    )


def after_step(inputs: dict[str, float], gradient: dict[str, float], rate: float) -> float:
    """E once the weights have moved against the gradient."""
    moved = {name: inputs[name] - rate * gradient[name] for name in WEIGHTS}
    return both_passes({**inputs, **moved}).numbers["E"]


def views(values: Values, say: Texts) -> list[View]:
    """The graph with both passes, the products of its chain, E along the gradient, and the adjoints beside the chain rule."""
    inputs = {name: float(values[name]) for name in ("x1", "x2", *WEIGHTS, "target")}
    numbers, gradient = both_passes(inputs)
    rates = np.arange(0, 1.001, 0.05)
    errors = [after_step(inputs, gradient, rate) for rate in rates]
    error = after_step(inputs, gradient, values["rate"])
    parts = ", ".join(_short(gradient[name]) for name in WEIGHTS)
    result = say("said.result", E=_short(numbers["E"]), gradient=parts, rate=f"{values['rate']:g}", after=_short(error))
    return [
        Sentence("result", result),
        diagram(numbers, gradient, say),
        Lines("descent", [Series("E", rates, errors)], say("said.rate"), "E", [Mark(values["rate"], error)], move=("rate",)),
        Formula("chain", chain(numbers, gradient)),
        adjoints(values["steps"], values["control"], say),
    ]


def diagram(numbers: dict[str, float], gradient: dict[str, float], say: Texts) -> Diagram:
    """Each number in its unit, the derivative of E by it below, and on the edges the factor of the chain rule."""
    local = {
        ("x1", "p1"): numbers["w1"], ("w1", "p1"): numbers["x1"], ("x2", "p2"): numbers["w2"], ("w2", "p2"): numbers["x2"],
        ("p1", "s"): 1.0, ("p2", "s"): 1.0, ("b", "s"): 1.0, ("s", "r"): 1.0, ("target", "r"): -1.0, ("r", "E"): numbers["r"],
    }  # fmt: skip
    names = {"target": "t"}
    nodes = [
        Node(name, x, y, _short(numbers[name]), f"{names.get(name, name)}: ∂ {_short(gradient[name])}", on=name == "E")
        for name, (x, y) in PLACES.items()
    ]
    edges = [Edge(start, end, f"× {_short(factor)}", role=2) for (start, end), factor in local.items()]
    description = say("said.description", E=_short(numbers["E"]))
    return Diagram("graph", nodes, edges, description, 1.15, say("said.graph_caption"))


def chain(numbers: dict[str, float], gradient: dict[str, float]) -> list[str]:
    """The backward pass, a line for each derivative."""
    r = _short(gradient["r"])
    return [
        f"∂E/∂r = r = {r}",
        f"∂E/∂s = ∂E/∂r · 1 = {_short(gradient['s'])}",
        f"∂E/∂w1 = ∂E/∂s · x1 = {_short(gradient['s'])} · {_short(numbers['x1'])} = {_short(gradient['w1'])}",
        f"∂E/∂w2 = ∂E/∂s · x2 = {_short(gradient['s'])} · {_short(numbers['x2'])} = {_short(gradient['w2'])}",
        f"∂E/∂b = ∂E/∂s · 1 = {_short(gradient['b'])}",
        f"∂E/∂x1 = ∂E/∂s · w1 = {_short(gradient['s'])} · {_short(numbers['w1'])} = {_short(gradient['x1'])}",
    ]


def adjoints(steps: int, control: float, say: Texts) -> Table:
    """Kelley's adjoints of a path and the gradient by them, beside the same gradient by the chain rule."""
    import torch

    from striate.history.optimal_control.chain_rule import scalar_by_chain
    from striate.history.optimal_control.model import sweep
    from striate.history.optimal_control.problems import scalar

    both = sweep(scalar(), torch.full((steps, 1), control, dtype=torch.float64))
    by_chain = scalar_by_chain([control] * steps)
    rows = [
        [str(k), float(both.states[k, 0]), float(both.adjoints[k + 1, 0]), float(both.gradient_NU[k, 0]) / steps, gradient]
        for k, gradient in enumerate(by_chain.gradient)
    ]
    columns = ["k", "x[k]", "λ[k+1]", say("said.by_adjoints"), say("said.by_chain")]
    return Table("adjoints", columns, rows, say("said.adjoints_caption", cost=f"{by_chain.cost:.4f}"))


def _short(value: float) -> str:
    return f"{value + 0.0:.3g}".replace("-", "−")


def _product(x: float, y: float, z: float) -> float:
    """The derivative of (x + y) z by x."""
    from striate.history.optimal_control.chain_rule import Tape

    tape = Tape()
    first, second, third = tape.put(x), tape.put(y), tape.put(z)
    return tape.backward(tape.multiply(tape.add(first, second), third))[first]


def _at_a_sum() -> str:
    from striate.history.optimal_control.chain_rule import Tape

    tape = Tape()
    first, second = tape.put(2.0), tape.put(3.0)
    derivatives = tape.backward(tape.add(first, second))
    return "same" if derivatives[first] == derivatives[second] == 1.0 else "half"


def _cost_of_backward() -> float:
    """Multiplications of the backward pass for each one of the forward pass."""
    from striate.history.optimal_control.chain_rule import scalar_by_chain

    passes = scalar_by_chain([0.0] * 10)
    return passes.backward / passes.forward
