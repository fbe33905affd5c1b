"""A unit with a threshold, edges that excite and edges that veto: what one computes, and what needs two layers.

Source: McCulloch & Pitts 1943, "A logical calculus of the ideas immanent in nervous activity".
"""

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from striate.lab.controls import Cells, Choice, Slider, Toggle, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Diagram, Edge, Grid, Node, Sentence, Table, View

if TYPE_CHECKING:
    from striate.history.mcculloch_pitts.model import Network

INPUTS = ("x1", "x2")
KINDS = ("excitatory", "inhibitory", "none")
CONTROLS = (
    Toggle("x1", True),
    Toggle("x2", False),
    Slider("threshold", 0, 3, 1, 2),
    Choice("edge1", KINDS, "excitatory"),
    Choice("edge2", KINDS, "excitatory"),
    Cells("wanted", ((0, 1), (1, 0)), (0, 1)),
)
FUNCTIONS = {"and": (0, 0, 0, 1), "or": (0, 1, 1, 1), "nor": (1, 0, 0, 0), "xor": (0, 1, 1, 0)}
EXERCISES = (
    ChoiceExercise("impossible", tuple(FUNCTIONS), lambda: _impossible()),
    NumberExercise("functions", lambda: _computed_by_one()),
    NumberExercise("units", lambda: _units_of_xor()),
    ChoiceExercise("veto", ("fires", "silent"), lambda: _vetoed()),
)
EXCITES, VETOES = 3, 1  # colors


def views(values: Values, say: Texts) -> list[View]:
    """One unit as it is set, the two layers that compute the table that is wanted, and both truth tables."""
    from striate.history.mcculloch_pitts import model as mp
    from striate.history.mcculloch_pitts.demo import NAMES

    edges = {name: values[f"edge{name[1]}"] for name in INPUTS}
    unit = mp.Unit(
        tuple(name for name in INPUTS if edges[name] == "excitatory"),
        tuple(name for name in INPUTS if edges[name] == "inhibitory"),
        values["threshold"],
    )
    wanted = tuple(int(entry) for row in values["wanted"] for entry in row)
    alone = mp.Network(INPUTS, {"unit": unit}, ("unit",))
    layers = mp.compile_truth_table(wanted)
    given = {name: bool(values[name]) for name in INPUTS}
    outputs, compiled = table(alone), table(layers)
    possible = say("said.possible" if wanted in mp.computed_by_one(2) else "said.impossible", wanted=NAMES[wanted])
    result = say("said.unit", output=int(mp.fires(unit, given)), function=NAMES[outputs])
    columns = [*INPUTS, say("said.wanted"), say("said.alone"), say("said.layers")]
    rows = zip(*zip(*product((0, 1), repeat=2), strict=True), wanted, outputs, compiled, strict=True)
    return [
        Sentence("result", f"{result} {possible}"),
        diagram("unit", alone, given, say),
        diagram("layers", layers, given, say),
        Grid("wanted", values["wanted"], 0, 1, cells="wanted", caption=say("said.rows")),
        Table("tables", columns, [list(row) for row in rows]),
    ]


def table(network: "Network") -> tuple[int, ...]:
    """The truth table of a network of two inputs, the first input slowest."""
    from striate.history.mcculloch_pitts.model import settled

    rows_NI = np.array([*product((0, 1), repeat=2)])
    return tuple(settled(network, rows_NI)[:, 0].astype(int).tolist())


def diagram(name: str, network: "Network", given: Mapping[str, bool], say: Texts) -> Diagram:
    """A network layer by layer, with what each unit does once it has followed the inputs."""
    from striate.history.mcculloch_pitts import model as mp

    deep = mp.layers(network)
    held_TI1 = np.repeat(np.array([[[given[x]] for x in network.inputs]]), len(deep), axis=0)
    fired = dict(given) | dict(zip(network.units, mp.run(network, held_TI1)[-1, :, 0].tolist(), strict=True))
    nodes = []
    for depth, names in enumerate(deep):
        for place, unit in enumerate(names):
            label = unit if depth == 0 else say("said.threshold", threshold=network.units[unit].threshold)
            x, y = depth / max(len(deep) - 1, 1), (place + 0.5) / len(names)
            value = str(int(fired[unit]))
            nodes.append(Node(unit, x, y, value, label, on=fired[unit], control=unit if depth == 0 else None))
    edges = [
        Edge(start, end, on=fired[start], role=role, dot=role == VETOES)
        for end, unit in network.units.items()
        for sources, role in ((unit.excitatory, EXCITES), (unit.inhibitory, VETOES))
        for start in sources
    ]
    firing = ", ".join(unit for unit in network.units if fired[unit]) or say("said.none")
    return Diagram(name, nodes, edges, say("said.description", firing=firing), ratio=2.2, caption=say(f"said.{name}_caption"))


def _impossible() -> str:
    from striate.history.mcculloch_pitts.model import computed_by_one

    return next(name for name, values in FUNCTIONS.items() if values not in computed_by_one(2))


def _computed_by_one() -> int:
    from striate.history.mcculloch_pitts.model import computed_by_one

    return len(computed_by_one(2))


def _units_of_xor() -> int:
    from striate.history.mcculloch_pitts.model import compile_truth_table

    return len(compile_truth_table(FUNCTIONS["xor"]).units)


def _vetoed() -> str:
    from striate.history.mcculloch_pitts.model import Unit, fires

    unit = Unit(("a", "b", "c"), ("veto",), 2)
    return "fires" if fires(unit, dict.fromkeys(("a", "b", "c", "veto"), True)) else "silent"
