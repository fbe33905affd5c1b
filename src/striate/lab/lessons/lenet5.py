"""LeNet-5 layer by layer: which maps of S2 each map of C3 reads, subsampling that is trained, and outputs that compare.

Source: LeCun, Bottou, Bengio & Haffner 1998, section II.B, table I and figure 3.
"""

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from striate.lab.controls import Cells, Choice, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.pixels import two_hues
from striate.lab.texts import Texts
from striate.lab.views import (
    Bars,
    Formula,
    Grid,
    Image,
    Lines,
    MapRow,
    MapRows,
    Mark,
    Position,
    Sentence,
    Series,
    Table,
    View,
    Window,
    shown,
    sides,
)  # fmt: skip

if TYPE_CHECKING:
    from striate.nets.summary import Layer

CONNECTIONS = ("table", "full")
KERNEL, S2_MAPS, C3_MAPS, DIGITS = 5, 6, 16, 10
CODE_SHAPE = (12, 7)  # of the bitmaps that F6 is compared with
SUMS = np.linspace(-6, 6, 49)  # of four outputs of a layer, each within 1.7159
CONTROLS = (
    Slider("map", 0, C3_MAPS - 1, 1, 7),
    Slider("source", 0, S2_MAPS - 1, 1, 2),
    Choice("connection", CONNECTIONS, "table"),
    Slider("coefficient", 0, 2, 0.05, 0.25),
    Slider("bias", -4, 4, 0.25, 0),
    Cells("patch", ((1, -1), (1, 1)), (-1, 0, 1)),
    Slider("digit", 0, DIGITS - 1, 1, 3),
    Slider("other", 0, DIGITS - 1, 1, 8),
    Slider("mix", 0, 1, 0.05, 0.3),
)
EXERCISES = (
    NumberExercise("four", lambda: parameters_of(tuple(range(4)))),
    NumberExercise("table", lambda: _by_table()),
    NumberExercise("subsampling", lambda: row_of("s2").parameters),
    ChoiceExercise("large", ("mean", "or", "and"), lambda: _gate(1, 3)),
    NumberExercise("distance", lambda: distances(3, 8, 0)[8]),
)


class Calculation(NamedTuple):
    """What a unit of a subsampling layer computes from its four inputs."""

    total: float
    before: float  # the squashing function
    after: float


def views(values: Values, say: Texts) -> list[View]:
    """The layers to scale with what one map of C3 reads, the table, and both ends of what is unusual: S2 and the output."""
    place, source, connection = values["map"], values["source"], values["connection"]
    sources = table_of(connection)[place]
    count, other = parameters(connection), parameters(next(name for name in CONNECTIONS if name != connection))
    readers = sum(source in row for row in table_of(connection))
    result = say(
        f"said.{connection}", map=place, maps=_listed(sources, say), own=parameters_of(sources), count=f"{count:,}",
        other=f"{other:,}", source=source, readers=readers,
    )  # fmt: skip
    linked_SC = np.array([[float(row in sources) for sources in table_of(connection)] for row in range(S2_MAPS)])
    frames = (Window(0, place, S2_MAPS, 1, 2), Window(source, 0, 1, C3_MAPS, 3))
    every = sum(map(len, table_of(connection)))
    lines = (
        say("said.own_count", map=place, read=len(sources), own=parameters_of(sources)),
        say("said.all_count", links=every, all=f"{count:,}"),
    )
    return [
        Sentence("result", result),
        maps(place, sources, say),
        Grid("table", linked_SC, high=1, diverging=True, windows=frames, position=Position("source", "map"),
             caption=say("said.table_caption"), numbered=True),
        Formula("count", lines),
        layers(connection, say),
        *subsampling_views(values, say),
        *output_views(values, say),
    ]  # fmt: skip


@cache
def table_of(connection: str) -> tuple[tuple[int, ...], ...]:
    """The maps of S2 that each map of C3 reads: by table I of the paper, as the network has it, or all of them."""
    from striate.nets.architectures.lenet5 import TABLE

    return TABLE if connection == "table" else (tuple(range(S2_MAPS)),) * C3_MAPS


@cache
def parameters(connection: str) -> int:
    """Weights and biases of C3 with these connections."""
    from striate.nets.blocks import TableConv2d

    return sum(tensor.numel() for tensor in TableConv2d(table_of(connection), S2_MAPS, KERNEL).parameters())


def parameters_of(sources: tuple[int, ...]) -> int:
    """Weights and bias of one map of C3."""
    return len(sources) * KERNEL**2 + 1


def _by_table() -> float:
    return parameters("table")


def _listed(sources: tuple[int, ...], say: Texts) -> str:
    return say("said.comma").join(map(str, sources))


@cache
def rows_of() -> "tuple[Layer, ...]":
    """The layer table, without what has no parameters and no shape of its own."""
    from striate.nets import catalogue, factory
    from striate.nets.summary import layer_table

    entry = catalogue.find("lenet5")
    rows = layer_table(factory.outline(entry.name, entry.input_chw, entry.classes))
    return tuple(row for row in rows if row.kind not in ("ScaledTanh", "Flatten"))


def row_of(name: str) -> "Layer":
    """The row of a layer."""
    return next(row for row in rows_of() if row.name == name)


def maps(place: int, sources: tuple[int, ...], say: Texts) -> MapRows:
    """Every layer with its maps to scale; lit is what a map of C3 is computed from, and the map of S4 that reads it."""
    sizes = {row.name: (row.output[0], row.output[1] if len(row.output) == 3 else 1) for row in rows_of()}
    lit = {"c1": sources, "s2": sources, "c3": (place,), "s4": (place,)}
    controls = {"s2": "source", "c3": "map"}
    names, side = list(sizes), rows_of()[0].input[1]
    rows = [MapRow(say("said.named", layer=say("said.input"), shape=sides((side, side))), side, 1, (0,))]
    for name in names:
        count, side = sizes[name]
        label = say("said.named", layer=_title(name, say), shape=sides((count, side, side)) if side > 1 else count)
        rows.append(MapRow(label, side, count, lit.get(name, ()), controls.get(name)))
    first = names.index("c1") + 1
    links = [(first, source, source) for source in sources] + [(first + 1, source, place) for source in sources]
    description = say("said.maps_description", map=place, maps=_listed(sources, say))
    return MapRows("maps", rows, [*links, (first + 2, place, place)], description, say("said.maps_caption"))


def layers(connection: str, say: Texts) -> Table:
    """Parameters and connections of each layer."""
    table, total = [], [0, 0]
    for row in rows_of():
        count = parameters(connection) if row.name == "c3" else row.parameters
        links = connections(row, count)
        shape = sides(row.output)
        table.append([_title(row.name, say), shape, f"{count:,}", f"{links:,}"])
        total = [total[0] + count, total[1] + links]
    table.append([say("said.sum"), "", *(f"{number:,}" for number in total)])
    return Table("layers", [say(f"said.{name}") for name in ("layer", "shape", "parameters", "connections")], table,
                 say("said.layers_caption"))  # fmt: skip


def _title(layer: str, say: Texts) -> str:
    return say("said.output") if layer == "output" else layer.upper()


def connections(row: "Layer", count: int) -> int:
    """As the paper counts them: each unit's, the bias included; a unit of a subsampling layer has four inputs and a bias."""
    places = row.output[1] * row.output[2] if len(row.output) == 3 else 1
    if row.kind == "Subsampling":
        return 5 * row.output[0] * places
    return row.macs if row.kind == "RadialBasis" else count * places


def subsampled(patches_NHW: Any, coefficient: float, bias: float) -> list[Calculation]:
    """What the network's own layer makes of patches of 2 x 2, before and after it is squashed."""
    import torch

    from striate.nets.blocks import ScaledTanh, Subsampling

    layer, images_NCHW = Subsampling(1), torch.tensor(patches_NHW, dtype=torch.float32)[:, None]
    with torch.no_grad():
        layer.weight.fill_(coefficient)
        layer.bias.fill_(bias)
        before = layer(images_NCHW)
        after = ScaledTanh()(before)
    totals = images_NCHW.sum(dim=(1, 2, 3)).tolist()
    return [Calculation(*numbers) for numbers in zip(totals, before.ravel().tolist(), after.ravel().tolist(), strict=True)]


def subsampling_views(values: Values, say: Texts) -> list[View]:
    """Four inputs, what becomes of them, and the output over their sum."""
    coefficient, bias = float(values["coefficient"]), float(values["bias"])
    patches_NHW = np.concatenate([[values["patch"]], np.tile(SUMS[:, None, None] / 4, (1, 2, 2))])
    now, *curve = subsampled(patches_NHW, coefficient, bias)
    lines = (
        f"{shown(coefficient)} · {_factor(now.total)} {'−' if bias < 0 else '+'} {shown(abs(bias))} = {shown(now.before)}",
        f"1.7159 · tanh(⅔ · {_factor(now.before)}) = {shown(now.after)}",
    )
    label = say("said.output_of_unit")
    return [
        Grid("patch", values["patch"], -1, 1, diverging=True, cells="patch", caption=say("said.patch_caption")),
        Formula("subsampling", lines),
        Lines("squash", [Series(label, SUMS, [number.after for number in curve])], say("said.total"), label,
              [Mark(now.total, now.after)], y_range=(-1.8, 1.8)),
    ]  # fmt: skip


def _factor(value: float) -> str:
    return shown(value) if value >= 0 else f"({shown(value)})"


@cache
def codes() -> Any:
    """The bitmaps that are the weights of the output, 10 x 84."""
    from striate.nets.architectures.lenet5 import bitmaps_KD

    return bitmaps_KD()


def units_of_f6(digit: int, other: int, mix: float) -> Any:
    """84 units between the codes of two digits."""
    return (1 - mix) * codes()[digit] + mix * codes()[other]


def distances(digit: int, other: int, mix: float) -> list[float]:
    """The squared distance of such units to each code, by the network's own output layer."""
    from striate.nets.architectures.lenet5 import RadialBasis

    numbers: list[float] = (-RadialBasis(codes())(units_of_f6(digit, other, mix)[None]))[0].tolist()
    return numbers


def output_views(values: Values, say: Texts) -> list[View]:
    """F6 beside the codes of two digits, and its distance to all ten."""
    digit, other, mix = values["digit"], values["other"], float(values["mix"])
    away = distances(digit, other, mix)
    nearest = min(range(DIGITS), key=away.__getitem__)
    planes = [two_hues(units.reshape(CODE_SHAPE).numpy(), 1) for units in
              (units_of_f6(digit, other, mix), codes()[digit], codes()[other])]  # fmt: skip
    rule = np.full((CODE_SHAPE[0], 1, 3), 128, np.uint8)
    pixels = np.concatenate([planes[0], rule, planes[1], rule, planes[2]], axis=1)
    differ = int((codes()[digit] != codes()[other]).sum())
    text = {"digit": digit, "other": other, "differ": differ, "mix": shown(mix), "nearest": nearest}
    to_both = {"to_digit": shown(away[digit]), "to_other": shown(away[other])}
    bars = [Series(say("said.distance"), (), away)]
    return [
        Image("f6", pixels, say("said.f6", **text), 14, say("said.f6_caption", **text)),
        Bars("distances", [str(number) for number in range(DIGITS)], bars, bars[0].label,
             caption=say("said.distances_caption", **text, **to_both)),
    ]  # fmt: skip


def _gate(coefficient: float, bias: float) -> str:
    """What the sign of a unit says of four inputs of 1 or -1: whether one is 1, whether all are, or neither of the two."""
    ones = [[[1, 1], [1, 1]], [[1, -1], [-1, -1]], [[-1, -1], [-1, -1]], [[1, 1], [1, -1]]]
    signs = [number.after > 0 for number in subsampled(ones, coefficient, bias)]
    return "or" if signs == [True, True, False, True] else "and" if signs == [True, False, False, False] else "mean"
