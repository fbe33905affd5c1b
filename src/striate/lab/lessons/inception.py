"""An inception module with and without its 1 x 1 reductions: how many channels and multiply-adds.

Source: Szegedy et al. 2015, "Going Deeper with Convolutions", figure 2 and table 1.
"""

from typing import TYPE_CHECKING

from striate.lab.controls import Choice, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Bars, Diagram, Edge, Node, Sentence, Series, Table, View

if TYPE_CHECKING:
    from striate.figures.inception import Box

WIDTHS = {"into": 192, "width1": 64, "reduce3": 96, "width3": 128, "reduce5": 16, "width5": 32, "projection": 32}
BRANCHES = ("branch1", "branch3", "branch5", "pool")
CONTROLS = (
    Choice("module", ("reduced", "naive"), "reduced"),
    Slider("into", 16, 832, 16, WIDTHS["into"]),
    Slider("width1", 16, 384, 16, WIDTHS["width1"]),
    Slider("reduce3", 8, 192, 8, WIDTHS["reduce3"]),
    Slider("width3", 16, 384, 16, WIDTHS["width3"]),
    Slider("reduce5", 8, 192, 8, WIDTHS["reduce5"]),
    Slider("width5", 16, 128, 16, WIDTHS["width5"]),
    Slider("projection", 16, 128, 16, WIDTHS["projection"]),
    Slider("side", 7, 56, 7, 28),
)
EXERCISES = (
    NumberExercise("channels", lambda: sum(branch[-1].channels for branch in _modules(tuple(WIDTHS.values()), 28)["reduced"])),
    NumberExercise("five", lambda: _cost_of_five("naive") / 1e6, tolerance=0.1),
    NumberExercise("saved", lambda: _cost_of_five("naive") / _cost_of_five("reduced"), tolerance=0.1),
    ChoiceExercise("grows", ("grows", "stays", "shrinks"), lambda: _without_projection()),
)


def views(values: Values, say: Texts) -> list[View]:
    """The module as it is chosen, and the cost of its branches with and without reductions."""
    from striate.figures.inception import macs

    modules = _modules(tuple(values[name] for name in WIDTHS), values["side"])
    cost = {name: [macs([branch]) / 1e6 for branch in branches] for name, branches in modules.items()}
    total = {name: macs(branches) / 1e6 for name, branches in modules.items()}
    channels = {name: sum(branch[-1].channels for branch in branches) for name, branches in modules.items()}
    result = say(
        "said.result", reduced=f"{total['reduced']:,.1f}", naive=f"{total['naive']:,.1f}", channels=channels["reduced"],
        naive_channels=channels["naive"], times=f"{total['naive'] / total['reduced']:.2f}",
    )  # fmt: skip
    series = [Series(say(f"options.module.{name}"), (), cost[name], role) for role, name in enumerate(modules, 1)]
    rows = [
        [say(f"said.{branch}"), *(say("said.cost", channels=modules[name][place][-1].channels, macs=f"{cost[name][place]:,.1f}")
                                  for name in modules)]
        for place, branch in enumerate(BRANCHES)
    ]  # fmt: skip
    columns = [say("said.branch"), *(say(f"options.module.{name}") for name in modules)]
    return [
        Sentence("result", result),
        diagram(modules[values["module"]], values["into"], say),
        Bars("macs", [say(f"said.{branch}") for branch in BRANCHES], series, say("said.millions")),
        Table("branches", columns, rows),
    ]


def diagram(branches: "list[list[Box]]", into: int, say: Texts) -> Diagram:
    """The branches from the input to where they are joined; in each unit its channels, below it its window and its cost."""
    joined = sum(branch[-1].channels for branch in branches)
    nodes = [Node("input", 0, 0.5, str(into), say("said.input"), on=True)]
    edges = []
    for place, branch in enumerate(branches):
        before = "input"
        for step, box in enumerate(branch):
            x = 0.5 if len(branch) == 1 else (0.33, 0.67)[step]
            label = box.kind.removesuffix(" conv").replace(" x ", " × ") if box.macs else say("said.max_pool")
            cost = f" · {box.macs / 1e6:,.1f} M" if box.macs else ""
            nodes.append(Node(f"{place}-{step}", x, place / (len(branches) - 1), str(box.channels), label + cost))
            edges.append(Edge(before, f"{place}-{step}", role=2))
            before = f"{place}-{step}"
        edges.append(Edge(before, "output", role=2))
    nodes.append(Node("output", 1, 0.5, str(joined), say("said.joined"), on=True))
    return Diagram("module", nodes, edges, say("said.description", into=into, joined=joined), 1.5, say("said.module_caption"))


def _modules(widths: tuple[int, ...], side: int) -> "dict[str, list[list[Box]]]":
    from striate.figures import inception

    return {"reduced": inception.reduced(widths, side), "naive": inception.naive(widths, side)}


def _cost_of_five(module: str) -> float:
    from striate.figures.inception import macs

    return float(macs(_modules(tuple(WIDTHS.values()), 28)[module][2:3]))


def _without_projection() -> str:
    """What the number of channels does from the input of a module without reductions to its output."""
    channels = sum(branch[-1].channels for branch in _modules(tuple(WIDTHS.values()), 28)["naive"])
    return "grows" if channels > WIDTHS["into"] else "stays" if channels == WIDTHS["into"] else "shrinks"
