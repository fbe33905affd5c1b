"""Exclusive or learned by back-propagation: two hidden units, their weights sweep by sweep, and the surface of the output.

Source: Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors".
"""

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from striate.lab.controls import Slider, Toggle, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.pixels import two_hues
from striate.lab.texts import Texts
from striate.lab.views import Again, Bars, Diagram, Edge, Image, Lines, Mark, Node, Sentence, Series, View, Window, shown

if TYPE_CHECKING:
    from striate.history.rumelhart.model import Weights

MOST_SWEEPS, EVERY = 1000, 10  # sweeps, and at how many of them the network can be looked at
AT_ONCE = 250  # sweeps for one answer; the page asks again for the rest
TOLERANCE = 0.1  # of what is called learned
PATTERNS = tuple(product((0, 1), repeat=2))
SIDE, CORNER, STEP = 49, -0.25, 1 / 32  # of the surface: pixels, the first one's inputs, and from one to the next
CONTROLS = (
    Toggle("x1", False),
    Toggle("x2", True),
    Slider("sweeps", 0, MOST_SWEEPS, EVERY, 250),
    Slider("rate", 0.05, 2, 0.05, 0.5),
    Slider("momentum", 0, 0.95, 0.05, 0.9),
    Slider("limit", 0, 2, 0.1, 0.5),
    Slider("seed", 0, 19, 1, 1),
    Toggle("symmetric", False),
)
EXERCISES = (
    ChoiceExercise("symmetric", ("learns", "stuck"), lambda: _symmetric()),
    NumberExercise("error", lambda: _error_at_zero()),
    NumberExercise("gradient", lambda: _gradient(0.8, 1), 0.0005),
    ChoiceExercise("momentum", ("sooner", "later"), lambda: _without_momentum()),
)


class Start(NamedTuple):
    """What a training begins with."""

    rate: float
    momentum: float
    limit: float  # weights are drawn from U(-limit, limit)
    seed: int
    symmetric: bool  # the second hidden unit begins as a copy of the first


class Moment(NamedTuple):
    """The network at a sweep."""

    sweep: int
    weights: "Weights"
    error: float
    learned: bool


class Course:
    """A training, as far as it was looked at; it ends once the task is learned."""

    def __init__(self, start: Start) -> None:
        from striate.history.rumelhart.model import Schedule, Training, initial_weights, sweeps
        from striate.history.rumelhart.tasks import xor

        task = xor(2, direct=False)
        weights = initial_weights(task.layout, [start.seed], start.limit)
        if start.symmetric:
            weights["input", "hidden"][:, :, 1] = weights["input", "hidden"][:, :, 0]
            weights["hidden", "output"][:, 1] = weights["hidden", "output"][:, 0]
            weights["hidden"][:, :, 1] = weights["hidden"][:, :, 0]
        self._sweeps = sweeps(task, weights, Training([Schedule(start.rate, start.momentum)], MOST_SWEEPS, TOLERANCE))
        self.errors: list[float] = []
        self.moments: list[Moment] = []

    def until(self, sweep: int, at_most: int) -> Moment:
        """The network at this sweep, at that at which it had learned the task, or after so many more than were known."""
        last = min(sweep, len(self.errors) - 1 + at_most) if self.errors else min(sweep, at_most)
        while len(self.errors) <= last and not (self.moments and self.moments[-1].learned):
            now, number = next(self._sweeps), len(self.errors)
            self.errors.append(float(now.error_S[0]))
            learned = bool(now.sweeps_S[0] >= 0)
            if learned or number % EVERY == 0:
                weights = {key: values.copy() for key, values in now.weights.items()}
                self.moments.append(Moment(number, weights, self.errors[-1], learned))
        return self.moments[min(last // EVERY, len(self.moments) - 1)]


@lru_cache(maxsize=16)
def course(start: Start) -> Course:
    """The training that begins so."""
    return Course(start)


def outputs(weights: "Weights", inputs_N2: "np.typing.NDArray[np.float64]") -> dict[str, "np.typing.NDArray[np.float64]"]:
    """N x J outputs of each group of units."""
    from striate.history.rumelhart.model import forward
    from striate.history.rumelhart.tasks import xor

    units = forward(xor(2, direct=False).layout, weights, {"input": inputs_N2})
    return {group: values_SNJ[0] for group, values_SNJ in units.items()}


def views(values: Values, say: Texts) -> list[View]:
    """The network with its weights, the four outputs, the error so far, and the output for all inputs."""
    rate, momentum, limit = (float(values[name]) for name in ("rate", "momentum", "limit"))
    start = Start(rate, momentum, limit, values["seed"], values["symmetric"])
    training = course(start)
    now = training.until(values["sweeps"], AT_ONCE)
    errors = training.errors[: now.sweep + 1]
    y_N = outputs(now.weights, np.array(PATTERNS, float))["output"][:, 0]
    targets = [float(first != second) for first, second in PATTERNS]
    text = {"sweep": now.sweep, "error": shown(now.error, 3)}
    worst = int(np.abs(y_N - targets).argmax())
    if now.learned:
        result = say("said.learned", **text)
    else:
        result = say("said.not_yet", **text, pattern=_name(PATTERNS[worst]), output=f"{y_N[worst]:.2f}")
    if same_hidden(now.weights):
        result = f"{result} {say('said.same')}"
    series = [Series("E", range(len(errors)), errors)]
    bars = [Series(say("said.output"), (), y_N), Series(say("said.target"), (), targets, 2)]
    more = [Again(1)] if now.sweep < values["sweeps"] and not now.learned else []
    return [
        Sentence("result", result),
        diagram(now.weights, (int(values["x1"]), int(values["x2"])), say),
        Lines("error", series, say("said.sweeps"), "E", [Mark(now.sweep, now.error)], (0, MOST_SWEEPS),
              (0, 1.15 * max(0.6, *errors)), move=("sweeps",), caption=say("said.error_caption")),
        Bars("outputs", [_name(pattern) for pattern in PATTERNS], bars, say("said.output"), (0, 1)),
        surface(now.weights, say),
        *more,
    ]  # fmt: skip


def same_hidden(weights: "Weights") -> bool:
    """Whether the two hidden units compute the same."""
    return all(
        np.array_equal(weights[key][..., 0], weights[key][..., 1]) for key in (("input", "hidden"), "hidden")
    ) and np.array_equal(weights["hidden", "output"][:, 0], weights["hidden", "output"][:, 1])


def diagram(weights: "Weights", given: tuple[int, int], say: Texts) -> Diagram:
    """The network with its weights on the connections, and what it computes of the inputs that are given."""
    units = outputs(weights, np.array([given], float))
    y = float(units["output"][0, 0])
    nodes = [
        Node(name, 0, 0.08 + 0.76 * place, str(given[place]), name, on=bool(given[place]), control=name)
        for place, name in enumerate(("x1", "x2"))
    ]
    edges = []
    for place in range(2):
        bias = say("said.bias", bias=_short(weights["hidden"][0, 0, place]))
        nodes.append(Node(f"h{place}", 0.48, 0.08 + 0.76 * place, f"{units['hidden'][0, place]:.2f}", bias))
        edges += [_edge(f"x{source + 1}", f"h{place}", weights["input", "hidden"][0, source, place]) for source in range(2)]
        edges.append(_edge(f"h{place}", "y", weights["hidden", "output"][0, place, 0]))
    bias = say("said.bias", bias=_short(weights["output"][0, 0, 0]))
    nodes.append(Node("y", 0.94, 0.46, f"{y:.2f}", bias, on=y > 0.5))
    description = say("said.description", given=_name(given), output=f"{y:.2f}")
    return Diagram("network", nodes, edges, description, 1.5, say("said.network_caption"))


def _edge(start: str, end: str, weight: float) -> Edge:
    return Edge(start, end, _short(weight), role=1 if weight >= 0 else 2)


def surface(weights: "Weights", say: Texts) -> Image:
    """The output for inputs between and around the four patterns, which are framed."""
    places = CORNER + STEP * np.arange(SIDE)
    inputs_N2 = np.stack([np.tile(places, SIDE), np.repeat(places[::-1], SIDE)], axis=1)
    y_HW = outputs(weights, inputs_N2)["output"].reshape(SIDE, SIDE)
    first, last = round(-CORNER / STEP), round((1 - CORNER) / STEP)
    frames = [
        Window((last if not x2 else first) - 2, (last if x1 else first) - 2, 5, 5, 3 if x1 != x2 else 6) for x1, x2 in PATTERNS
    ]
    pixels = two_hues(2 * y_HW - 1, 1)
    return Image("surface", pixels, say("said.surface"), 6, say("said.surface_caption"), frames)


def _name(pattern: tuple[int, ...]) -> str:
    return ", ".join(map(str, pattern))


def _short(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-", "−")


def _symmetric() -> str:
    """What becomes of the network if both hidden units begin with the same weights."""
    return "learns" if course(Start(0.5, 0.9, 0.5, 1, True)).until(MOST_SWEEPS, MOST_SWEEPS).learned else "stuck"


def _error_at_zero() -> float:
    return course(Start(0.5, 0.9, 0, 0, False)).until(0, 0).error


def _gradient(output: float, target: float) -> float:
    """The derivative of E by the total input of a logistic unit with this output."""
    from striate.history.rumelhart.model import Layout, backward

    layout = Layout({"input": 1, "output": 1}, (("input", "output"),), "output")
    units = {"input": np.ones((1, 1, 1)), "output": np.full((1, 1, 1), output)}
    weights: Weights = {("input", "output"): np.ones((1, 1, 1)), "output": np.zeros((1, 1, 1))}
    return float(backward(layout, weights, units, units["output"] - target)["output"][0, 0, 0])


def _without_momentum() -> str:
    """Whether the task is learned sooner or later without momentum."""
    with_it, without = (course(Start(0.5, momentum, 0.5, 1, False)).until(MOST_SWEEPS, MOST_SWEEPS) for momentum in (0.9, 0.0))
    return "sooner" if without.learned and without.sweep < with_it.sweep else "later"
