"""A network that grows layer by layer: every pair is tried, a criterion decides which elements live and when growth ends.

Sources: Ivakhnenko & Lapa 1965; Ivakhnenko 1971, "Polynomial theory of complex systems".
"""

from math import inf
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from striate.lab.controls import Button, Choice, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Diagram, Edge, Formula, Lines, Mark, Node, Sentence, Series, Table, View

if TYPE_CHECKING:
    from striate.history.gmdh.demo import Table as Rows
    from striate.history.gmdh.model import Layer, Step

MOST_LAYERS, COLUMNS, ROWS, NEW_ROWS = 6, 6, 80, 1000
CRITERIA = ("regularity", "symmetric_regularity", "unbiased_outputs", "training_error")
CONTROLS = (
    Slider("layer", 1, MOST_LAYERS, 1, 2),
    Choice("criterion", CRITERIA, "regularity"),
    Slider("keep", 2, 6, 1, 5),
    Slider("noise", 0, 1.2, 0.2, 0.4),
    Button("again"),
)
EXERCISES = (
    NumberExercise("degree", lambda: 2**8),
    NumberExercise("pairs", lambda: _pairs(10)),
    ChoiceExercise("inside", ("falls", "rises"), lambda: _without_an_external_criterion()),
)


class Grown(NamedTuple):
    """Layers as they grew, with all elements that they keep, and where growth ended."""

    layers: list["Layer"]
    steps: list["Step"]
    ended: int  # layers that stay
    errors: list[tuple[float, float, float]]  # mean squared error of the best element of each: fitted, choosing, new rows


def views(values: Values, say: Texts) -> list[View]:
    """The network as far as it is shown, the errors of its layers, the elements of the last, and the polynomial."""
    from striate.history.gmdh.model import formula_lines, pruned

    rows, new = tables(values["again"], values["noise"])
    grown = grow(values["criterion"], values["keep"], rows, new)
    shown = min(values["layer"], len(grown.layers))
    layers, step = grown.layers[:shown], grown.steps[shown - 1]
    fitted, choosing, fresh = grown.errors[shown - 1]
    numbers = {"layer": shown, "pairs": step.candidates, "kept": len(layers[-1].pairs_K2), "ended": grown.ended}
    errors = {"fitted": f"{fitted:.3g}", "choosing": f"{choosing:.3g}", "new": f"{fresh:.3g}"}
    state = say("said.ends" if grown.ended < len(grown.layers) else "said.never_ends", **numbers)
    return [
        Sentence("result", say("said.result", **numbers, **errors) + " " + state),
        diagram(layers, say),
        curves(grown, shown, say),
        Table("elements", [say(f"said.{name}") for name in ("element", "inputs", "criterion", "fitted", "choosing")],
              elements(layers, rows), say("said.elements_caption")),
        Formula("polynomial", [line.replace("^2", "²").replace("- ", "− ") for line in formula_lines(pruned(layers), 3)]),
    ]  # fmt: skip


def tables(again: int, noise: float) -> tuple["Rows", "Rows"]:
    """The rows to grow on, and new ones of the same source."""
    from striate.history.gmdh.demo import noisy_table

    return noisy_table(again, noise, ROWS, COLUMNS), noisy_table(10_000 + again, noise, NEW_ROWS, COLUMNS)


def grow(criterion: str, keep: int, rows: "Rows", new: "Rows") -> Grown:
    """All layers, also those beyond the one where growth ends."""
    from striate.history.gmdh.model import GMDH

    with np.errstate(over="ignore", invalid="ignore"):  # a polynomial of a high degree between its points
        every = [*GMDH(criterion, keep, layers=MOST_LAYERS, limit=-inf).grow(*rows)]
        ended = sum(step.accepted for _, step in GMDH(criterion, keep, layers=MOST_LAYERS).grow(*rows))
        outputs, fresh = new.X_MD, []
        for layer, _ in every:
            outputs = layer.forward(outputs)
            fresh.append(float(np.square(outputs[:, 0] - new.y_M).mean()))
    errors = [(step.error_A, step.error_B, error) for (_, step), error in zip(every, fresh, strict=True)]
    return Grown([layer for layer, _ in every], [step for _, step in every], ended, errors)


def diagram(layers: list["Layer"], say: Texts) -> Diagram:
    """The elements with their criterion; those that the best of the last layer needs are filled, the others not."""
    needed = [{0}]
    for layer in reversed(layers):
        needed.insert(0, {int(place) for row in needed[0] for place in layer.pairs_K2[row]})
    columns = [[f"x{place + 1}" for place in range(COLUMNS)]]
    columns += [[f"{layer.criteria_K[row]:.3g}" for row in range(len(layer.pairs_K2))] for layer in layers]
    nodes, edges = [], []
    for depth, (names, used) in enumerate(zip(columns, needed, strict=True)):
        for place, name in enumerate(names):
            x, y = depth / len(layers), (place + 0.5) / len(names)
            nodes.append(Node(f"{depth}-{place}", x, y, name, "", on=place in used))
            for source in layers[depth - 1].pairs_K2[place] if depth else ():
                edges.append(
                    Edge(f"{depth - 1}-{source}", f"{depth}-{place}", on=place in used, role=2 if place in used else 6)
                )
    description = say("said.description", layers=len(layers), needed=sum(map(len, needed[1:])))
    return Diagram("network", nodes, edges, description, 1.35, say("said.network_caption"))


def curves(grown: Grown, shown: int, say: Texts) -> Lines:
    """The errors of the best element of each layer."""
    places = [*range(1, len(grown.layers) + 1)]
    names = ("fitted", "choosing", "new")
    series = [
        Series(say(f"said.{name}"), places, [row[index] for row in grown.errors], index + 1) for index, name in enumerate(names)
    ]
    marks = [Mark(shown, grown.errors[shown - 1][1], "", 2)]
    high = 1.1 * max(grown.errors[0]) + 0.2
    return Lines("errors", series, say("said.layer_axis"), say("said.error_axis"), marks, y_range=(0.0, high), move=("layer",))


def elements(layers: list["Layer"], rows: "Rows") -> list[list[str | float]]:
    """Of each element of the last layer: its number, inputs, criterion, and mean squared errors on both parts of the rows."""
    outputs_MD = rows.X_MD
    for layer in layers:
        outputs_MD = layer.forward(outputs_MD)
    squares_MK, half = np.square(outputs_MD - rows.y_M[:, None]), ROWS // 2
    letter = "x" if len(layers) == 1 else f"u{len(layers) - 1}_"
    return [
        [
            str(number + 1), ", ".join(f"{letter}{place + 1}" for place in pair), float(layers[-1].criteria_K[number]),
            float(squares_MK[:half, number].mean()), float(squares_MK[half:, number].mean()),
        ]
        for number, pair in enumerate(layers[-1].pairs_K2)
    ]  # fmt: skip


def _pairs(inputs: int) -> int:
    from striate.history.gmdh.demo import noisy_table
    from striate.history.gmdh.model import GMDH

    _, step = next(iter(GMDH(layers=1).grow(*noisy_table(0, count=inputs))))
    return step.candidates


def _without_an_external_criterion() -> str:
    """What becomes of the error on new rows over six layers, where elements are chosen by the rows that they are fitted to."""
    first, *_, last = grow("training_error", 5, *tables(0, 0.4)).errors
    return "rises" if last[2] > first[2] else "falls"
