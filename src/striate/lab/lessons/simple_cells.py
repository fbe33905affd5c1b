"""A grating turned in front of a simple cell: its field, its response, its tuning, and a complex cell that pools such cells.

Sources: Hubel & Wiesel 1959, 1962; the Gabor function as a model, Marcelja 1980, Daugman 1985.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from striate.lab.controls import Choice, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.pixels import gray, two_hues
from striate.lab.texts import Texts
from striate.lab.views import Bars, Image, Lines, Mark, Sentence, Series, View, Window

if TYPE_CHECKING:
    from striate.history.cells.model import Bank, Floats, Responses

ORIENTATIONS, WAVELENGTH_PX, POOL_PX = 8, 8.0, 4
PLACES = {"degrees": np.arange(0.0, 180, 5), "phase": np.arange(-180.0, 181, 15), "wavelength": np.arange(4.0, 21)}
STIMULI = ("grating", "bar")
CONTROLS = (
    Choice("stimulus", STIMULI, "grating"),
    Slider("degrees", 0, 175, 5, 75),
    Slider("wavelength", 4, 20, 1, WAVELENGTH_PX),
    Slider("phase", -180, 180, 15, 45),
    Slider("preferred", 0, 157.5, 22.5, 90),
)
EXERCISES = (
    ChoiceExercise("across", ("same", "half", "none"), lambda: _across()),
    NumberExercise("modulation", lambda: _modulation("simple"), tolerance=0.05),
    ChoiceExercise("complex", ("follows", "steady"), lambda: "steady" if _modulation("energy") < 1 else "follows"),
)
ROLES = {"simple": 1, "energy": 3, "pooled": 2}  # the last is dashed, over the one that it may equal


def views(values: Values, say: Texts) -> list[View]:
    """The stimulus with the field over it, the three responses, and how they change with orientation, phase and wavelength."""
    from striate.history.cells.model import respond_to

    cell = cell_of(values["preferred"])
    margin, window = POOL_PX, cell.side
    light_SS = stimulus(cell, values)
    now = respond_to(light_SS, cell, POOL_PX)
    top = respond_to(stimulus(cell, {"stimulus": "grating", **best(values["preferred"])}), cell, POOL_PX)
    simple, pooled, energy = (float(response[0]) for response in now)
    kernel_FF = cell.kernels_PAFF[0, 0]
    field_FF = light_SS[margin : margin + window, margin : margin + window]
    numbers = {"simple": f"{simple:.2f}", "pooled": f"{pooled:.2f}", "energy": f"{energy:.2f}"}
    share = f"{100 * simple / float(top.simple[0]):.0f}"
    frame = (Window(margin, margin, window, window),)
    heights = Series(say("said.response"), (), (simple, pooled, energy))
    y_range = (0.0, 1.1 * float(max(response[0] for response in top)))
    bars = Bars("responses", [say(f"said.{kind}") for kind in now._fields], [heights], heights.label, y_range)
    return [
        Sentence("result", say("said.result", **numbers, share=share)),
        Image("stimulus", gray(light_SS, 0, 1), say("said.stimulus"), 6, say("said.frame"), frame),
        Image("field", two_hues(kernel_FF), say("said.field"), 7, say("said.field_caption")),
        Image("product", two_hues(kernel_FF * field_FF, float(np.abs(kernel_FF).max())), say("said.product"), 7,
              say("said.product_caption", total=f"{float((kernel_FF * field_FF).sum()):.2f}")),
        bars,
        curve("orientation", "degrees", values, say),
        curve("position", "phase", values, say),
        curve("size", "wavelength", values, say),
    ]  # fmt: skip


def cell_of(preferred: float) -> "Bank":
    """The one cell of a bank that prefers this orientation."""
    from striate.history.cells.model import bank

    cells = bank(ORIENTATIONS, WAVELENGTH_PX)
    place = int(np.abs(cells.degrees_A - preferred).argmin())
    one = slice(place, place + 1)
    return cells._replace(degrees_A=cells.degrees_A[one], kernels_PAFF=cells.kernels_PAFF[:, one])


def best(preferred: float) -> dict[str, float]:
    """The grating that such a cell responds to most."""
    return {"degrees": preferred, "wavelength": WAVELENGTH_PX, "phase": 0}


def stimulus(cell: "Bank", values: Values) -> "Floats":
    """A grating, or a bar half a wavelength wide and as far from the middle as the phase says."""
    from striate.history.cells import model

    side, degrees, wavelength = model.stimulus_side(cell, POOL_PX), values["degrees"], values["wavelength"]
    if values["stimulus"] == "grating":
        return model.grating(side, wavelength, degrees, values["phase"])
    return model.bar(side, wavelength / 2, degrees, values["phase"] / 360 * wavelength)


def responses(cell: "Bank", values: Values, moved: str, places_N: "Floats") -> "Responses":
    """1 x N responses where one of the values is moved over N places."""
    from striate.history.cells.model import respond_to_each

    return respond_to_each([stimulus(cell, {**values, moved: place}) for place in places_N], cell, POOL_PX)


@lru_cache(maxsize=32)
def along(moved: str, others: tuple[tuple[str, Any], ...]) -> "Responses":
    """The responses over all places of a slider, which stay while it is dragged."""
    values = dict(others)
    return responses(cell_of(values["preferred"]), values, moved, PLACES[moved])


def curve(name: str, moved: str, values: Values, say: Texts) -> Lines:
    """The responses along one of the sliders, which the plot itself moves."""
    places_N = PLACES[moved]
    curves = along(moved, tuple((key, value) for key, value in values.items() if key != moved))._asdict()
    series = [Series(say(f"said.{kind}"), places_N, curves[kind][0], role, kind == "pooled") for kind, role in ROLES.items()]
    now = float(np.interp(values[moved], places_N, curves["simple"][0]))
    marks = (Mark(values[moved], now),)
    return Lines(name, series, say(f"said.{name}_axis"), say("said.response"), marks, move=(moved,))


def _across() -> str:
    """What is left of the response when the grating is turned by 90 degrees."""
    cell = cell_of(0)
    right, turned = (
        responses(cell, {"stimulus": "grating", **best(0)}, "degrees", np.array([degrees])).simple[0, 0] for degrees in (0, 90)
    )
    return "none" if turned < 0.05 * right else "half" if turned < 0.75 * right else "same"


def _modulation(kind: str) -> float:
    from striate.history.cells.model import around, drift, modulation

    return modulation(getattr(drift(cell_of(0), POOL_PX, 0, around(360, 64)), kind)[0])
