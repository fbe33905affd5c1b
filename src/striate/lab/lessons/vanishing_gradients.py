"""Gradients through many residual blocks, with shortcuts and without, and through networks of 20 and 56 layers.

Source: He et al. 2016, sections 3.1 and 4.1.
"""

from functools import cache
from typing import TYPE_CHECKING

from striate.lab.controls import Choice, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Formula, Lines, Sentence, Series, Table, View, raised, shown

if TYPE_CHECKING:
    from striate.nets.architectures.residual_blocks import Shortcut
    from striate.nets.signal_propagation import Signal
OPTIONS: "dict[str, Shortcut]" = {"plain": "none", "shortcut": "B"}
CONTROLS = (
    Slider("first", 0.1, 1, 0.1, 0.5),
    Slider("second", 0.1, 1, 0.1, 0.3),
    Slider("blocks", 1, 30, 1, 10),
    Choice("depth", ("20", "56"), "56"),
)
EXERCISES = (
    NumberExercise("plain", lambda: _through("plain", (0.5, 0.2), 3), 0.0001),
    NumberExercise("shortcut", lambda: _through("shortcut", (0.5, 0.2), 3), 0.005),
    ChoiceExercise("norm", ("vanish", "alive", "zero"), lambda: _outputs_of_plain56()),
)


def views(values: Values, say: Texts) -> list[View]:
    """The gradient behind each number of blocks, and the gradients in two networks at the start."""
    from striate.figures.degradation import IMAGES, MEASURED

    weights = (float(values["first"]), float(values["second"]))
    blocks = values["blocks"]
    numbers = range(1, blocks + 1)
    through = {name: [_through(name, weights, number) for number in numbers] for name in OPTIONS}
    chains = [Series(say(f"said.{name}"), numbers, through[name], role) for role, name in enumerate(OPTIONS, 1)]
    inner, whole = (through[name][0] for name in OPTIONS)
    product = f"F′ = {shown(weights[0])} · {shown(weights[1])} = {shown(inner)}"
    formula = (
        product,
        f"F′ + 1 = {shown(whole)}",
        f"(F′){raised(blocks)} = {shown(through['plain'][-1], 3)}",
        f"(F′ + 1){raised(blocks)} = {shown(through['shortcut'][-1], 3)}",
    )
    real = []
    for role, kind in enumerate(("plain", "resnet"), 1):
        rows = [row for row in _signals(f"{kind}{values['depth']}") if row.name.endswith(".conv2")]
        real.append(Series(f"{kind}{values['depth']}", range(1, len(rows) + 1), [row.gradient_variance for row in rows], role))
    measured = [(name, *row) for name, row in MEASURED.items()]
    columns = [say("said.network"), *(say(f"said.{name}") for name in ("start_loss", "last_loss", "validation"))]
    text = {"blocks": blocks, "plain": shown(through["plain"][-1], 3), "shortcut": shown(through["shortcut"][-1], 3)}
    return [
        Lines(
            "chain", chains, say("said.blocks"), say("said.gradient"), x_range=(1, max(blocks, 2)), y_log=True,
            y_range=_range([value for row in through.values() for value in row]), caption=say("said.one_channel"),
        ),
        Lines(
            "real", real, say("said.block"), say("said.variance"), x_range=(1, len(real[0].x)), y_log=True,
            y_range=_range([float(value) for series in real for value in series.y]), caption=say("said.noise", images=IMAGES),
        ),
        Formula("formula", formula),
        Table("measured", columns, measured, say("said.measured")),
        Sentence("result", say("said.result", **text)),
    ]  # fmt: skip


def _range(values: list[float]) -> tuple[float, float]:
    return min(values) / 3, max(values) * 3


def _through(name: str, weights: tuple[float, float], blocks: int) -> float:
    from striate.figures.residual import derivative

    return derivative(OPTIONS[name], weights) ** blocks


@cache
def _signals(name: str) -> "tuple[Signal, ...]":
    from striate.figures.degradation import at_the_start

    return at_the_start(name)


def _outputs_of_plain56() -> str:
    least = min(row.variance for row in _signals("plain56") if row.name.endswith(".conv2"))
    return "alive" if least > 0.1 else "zero" if least == 0 else "vanish"
