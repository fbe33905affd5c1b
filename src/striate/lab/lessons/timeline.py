"""From 1943 to 2015, station by station: what came new, how large it was, and where it is shown.

Sources: the papers that the catalogue names; the stations are those of `striate history timeline`.
"""

from functools import cache
from typing import NamedTuple

from striate.lab.controls import Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Lines, Mark, Pointer, Sentence, Series, Stops, Table, View, sides

# The lesson of each station, in order
LESSON_OF = {
    "mcculloch_pitts": "mcculloch_pitts", "optimal_control": "back_propagation", "cells": "simple_cells", "gmdh": "gmdh",
    "neocognitron": "neocognitron", "rumelhart": "rumelhart", "lecun1989": "convolution", "lenet1": "pooling",
    "lenet5": "lenet5", "alexnet": "activations", "vgg11": "receptive_fields", "googlenet": "inception",
    "resnet20": "vanishing_gradients",
}  # fmt: skip
STATIONS = tuple(LESSON_OF)
CONTROLS = (Slider("station", 0, len(STATIONS) - 1, 1, STATIONS.index("lenet5"), STATIONS),)
EXERCISES = (
    ChoiceExercise("first", ("neocognitron", "lecun1989", "alexnet"), lambda: _first_trained()),
    NumberExercise("years", lambda: year_of("rumelhart") - year_of("optimal_control")),
    NumberExercise("times", lambda: _times("alexnet", "lenet5"), tolerance=16.1),
    ChoiceExercise("fewer", ("more", "fewer"), lambda: "fewer" if _times("googlenet", "vgg11") < 1 else "more"),
)


class Facts(NamedTuple):
    """What is known of a station; None where there is no such number."""

    year: int
    paper: str
    parameters: int | None  # that are learned
    connections: int | None  # products for one image, or edges of a network of threshold units
    image: str  # sides and channels of its input; nothing where it is none
    command: str


def year_of(name: str) -> int:
    """When its paper came out."""
    from striate.history.timeline.demo import LINE

    return next(station.year for station in LINE if station.name == name)


@cache
def facts(name: str) -> Facts:
    """From the catalogue, and for what is no network of it from its own code."""
    from striate.nets import catalogue

    for subject in catalogue.HISTORICAL:
        if subject.name == name:
            parameters, connections = _historical(name)
            return Facts(year_of(name), subject.paper, parameters, connections, "", f"striate history {name}")
    entry = catalogue.find(name)
    channels, height, width = entry.input_chw
    image = sides((height, width, channels))
    return Facts(year_of(name), entry.paper, entry.parameters, entry.macs, image, f"striate nets {name}")


def _historical(name: str) -> tuple[int | None, int | None]:
    """Parameters that are learned, and connections."""
    if name == "mcculloch_pitts":  # exclusive or
        from striate.history.mcculloch_pitts.model import compile_truth_table

        units = compile_truth_table((0, 1, 1, 0)).units.values()
        return None, sum(len(unit.excitatory) + len(unit.inhibitory) for unit in units)
    if name == "cells":  # of one simple cell
        from striate.history.cells.model import bank

        return None, bank(1, 8.0).side ** 2
    if name == "gmdh":  # of one element
        from striate.history.gmdh.criteria import TERMS

        return len(TERMS), None
    if name == "neocognitron":
        from striate.history.neocognitron.net import Neocognitron, table

        rows = table(Neocognitron())
        return sum(row.a + row.b for row in rows), None
    if name == "rumelhart":  # exclusive or
        from striate.history.rumelhart.model import initial_weights
        from striate.history.rumelhart.tasks import xor

        return sum(values.size for values in initial_weights(xor(2, direct=False).layout, [0]).values()), None
    return None, None


def views(values: Values, say: Texts) -> list[View]:
    """The line, what the chosen station added, its numbers beside those of all, and where it is shown."""
    name = STATIONS[values["station"]]
    now = facts(name)
    all_stations = [facts(station) for station in STATIONS]
    known = [(station.year, station.parameters) for station in all_stations if station.parameters]
    marks = [Mark(now.year, now.parameters, f"{now.parameters:,}")] if now.parameters else []
    rows = [
        [say("said.parameters"), _count(now.parameters, say)],
        [say("said.connections"), _count(now.connections, say)],
        [say("said.counted"), say(f"counted.{name}")],
        [say("said.image"), now.image or say("said.none")],
        [say("said.learns"), say(f"learns.{name}")],
        [say("said.paper"), now.paper],
    ]
    title = say(f"options.station.{name}")
    lesson = LESSON_OF[name]
    years, counts = zip(*known, strict=True)
    series = [Series(say("said.parameters"), years, counts, 2)]
    return [
        Sentence("result", say("said.result", title=title, added=say(f"added.{name}"))),
        Stops("stations", [say(f"options.station.{station}") for station in STATIONS], "station", values["station"]),
        Table("facts", ["", title], rows),
        Lines("sizes", series, say("said.year"), say("said.parameters"), marks, (1940, 2020), (1, 1e9), y_log=True, dots=True,
              caption=say("said.sizes_caption")),
        Pointer("more", now.command, lesson, Texts(lesson, say.language)("title")),
    ]  # fmt: skip


def _count(number: int | None, say: Texts) -> str:
    return say("said.none") if number is None else f"{number:,}"


def _first_trained() -> str:
    """The first station that `striate train` trains by gradients from its settings."""
    from striate.history.timeline.demo import LINE

    return next(station.name for station in LINE if station.settings is not None)


def _times(name: str, other: str) -> float:
    """How many times the parameters of another network it has."""
    return (facts(name).parameters or 0) / (facts(other).parameters or 1)
