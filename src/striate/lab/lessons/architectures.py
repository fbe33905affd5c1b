"""LeNet-5 to ResNet side by side: depth, parameters, multiply-adds, memory, and where in the network they are.

Sources of the errors, each of one network on the validation images of ImageNet: Krizhevsky et al. 2012, table 2; Simonyan &
Zisserman 2014, table 4; Szegedy et al. 2014, table 3; He et al. 2015, table 4.
"""

from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from striate.lab.controls import Choice, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Bars, Sentence, Series, Table, View, sides

if TYPE_CHECKING:
    from striate.nets.summary import Layer

# Top-5 error in %, as the papers have it; LeNet-5 was for digits
ERRORS = {"lenet5": None, "alexnet": 18.2, "vgg16": 7.5, "googlenet": 7.89, "resnet34": 5.60, "resnet50": 5.25}
NAMES = tuple(ERRORS)
TITLES = {
    "lenet5": "LeNet-5", "alexnet": "AlexNet", "vgg16": "VGG-16", "googlenet": "GoogLeNet", "resnet34": "ResNet-34",
    "resnet50": "ResNet-50",
}  # fmt: skip
MEASURES = ("parameters", "macs", "memory", "depth")
STAGE_COLUMNS = ("maps", "channels", "layers", "parameter_count", "mac_count", "kilobytes")
CONTROLS = (Choice("first", NAMES, "alexnet"), Choice("second", NAMES, "resnet34"), Choice("measure", MEASURES, "parameters"))
EXERCISES = (
    NumberExercise("share", lambda: _share_of_fully_connected("alexnet"), tolerance=1),
    ChoiceExercise("most", ("alexnet", "vgg16", "resnet50"), lambda: _largest()),
    NumberExercise("layers", lambda: _depth("googlenet")),
)


class Facts(NamedTuple):
    """What one image costs; memory is that of all outputs, which training keeps for the backward pass."""

    year: int
    depth: int  # layers with weights on the longest way through the network
    parameters: float  # millions
    macs: float  # billions
    memory: float  # MB


@cache
def rows_of(name: str) -> "tuple[Layer, ...]":
    """The layer table of a network at the size and the classes that it was published for."""
    from striate.nets import catalogue, factory
    from striate.nets.summary import layer_table

    entry = catalogue.find(name)
    return layer_table(factory.outline(name, entry.input_chw, entry.classes))


@cache
def facts(name: str) -> Facts:
    """Sums over the layer table."""
    from striate.nets.catalogue import find

    rows = rows_of(name)
    deep: dict[str, int] = {}
    for row in rows:
        weighs = row.macs > 0 or row.kind == "Subsampling"
        deep[row.name] = weighs + max((deep[source] for source in row.sources if source in deep), default=0)
    parameters, macs, size = (sum(getattr(row, what) for row in rows) for what in ("parameters", "macs", "bytes"))
    return Facts(find(name).year, max(deep.values()), parameters / 1e6, macs / 1e9, size / 1e6)


def views(values: Values, say: Texts) -> list[View]:
    """All networks by one measure, the two that are chosen stage by stage, and the table of all."""
    first, second, measure = values["first"], values["second"], values["measure"]
    one, other = facts(first), facts(second)
    result = say(
        "said.result", first=TITLES[first], second=TITLES[second], times=f"{one.parameters / other.parameters:.3g}",
        macs=f"{one.macs / other.macs:.3g}", depth=one.depth, other_depth=other.depth,
    )  # fmt: skip
    heights = [getattr(facts(name), measure) for name in NAMES]
    rows = [[TITLES[name], *_texts(facts(name)), ERRORS[name]] for name in NAMES]
    columns = [say(f"said.{name}") for name in ("network", "year", "depth", "parameters", "macs", "memory", "error")]
    bars = [Series(say(f"said.{measure}"), (), heights)]
    shown: list[View] = [
        Sentence("result", result),
        Bars("all", [TITLES[name] for name in NAMES], bars, say(f"said.{measure}")),
    ]
    for place, name in (("first", first), ("second", second)):
        shown.append(Table(place, [say(f"said.{column}") for column in STAGE_COLUMNS],
                           stages(name, say), TITLES[name]))  # fmt: skip
    return [*shown, Table("facts", columns, rows, say("said.sources"))]


def _texts(network: Facts) -> list[str]:
    millions, billions, size = network.parameters, network.macs, network.memory
    return [str(network.year), str(network.depth), f"{millions:,.2f}", f"{billions:,.4f}", f"{size:,.2f}"]


def stages(name: str, say: Texts) -> list[list[str]]:
    """The layers that follow one another with maps of one side: how many have weights, and their sums."""
    table = []
    for shape, group in groupby(rows_of(name), key=lambda row: row.output[1:]):
        members = list(group)
        maps = sides(shape) if shape else say("said.units")
        parameters, macs, size = (sum(getattr(row, what) for row in members) for what in ("parameters", "macs", "bytes"))
        layers = sum(row.macs > 0 or row.kind == "Subsampling" for row in members)
        channels = max(row.output[0] for row in members)
        table.append([maps, f"{channels:,}", str(layers), f"{parameters:,}", f"{macs:,}", f"{size / 1024:,.0f}"])
    return table


def _share_of_fully_connected(name: str) -> float:
    """In %, of the parameters."""
    connected = sum(row.parameters for row in rows_of(name) if row.kind == "Linear")
    return 100 * connected / sum(row.parameters for row in rows_of(name))


def _largest() -> str:
    return max(NAMES, key=lambda name: facts(name).parameters)


def _depth(name: str) -> int:
    return facts(name).depth
