"""What a unit sees through several convolutions: size of the field, distance to the neighbor's, weights, and paths.

Sources: Simonyan & Zisserman 2015, section 2.3; Araujo, Norris & Sim 2019.
"""

import numpy as np

from striate.lab.controls import Choice, Slider, Values
from striate.lab.exercises import NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Grid, Image, Lines, Sentence, Series, Table, View

WITH_DIGITS = 15  # pixels a side
CONTROLS = (
    Slider("layers", 1, 4, 1, 3),
    Choice("kernel", ("3", "5", "7"), "3"),
    Slider("stride", 1, 2, 1, 1),
)
EXERCISES = (
    NumberExercise("five", lambda: _field(3, 5, 1)),
    NumberExercise("strides", lambda: _field(3, 3, 2)),
    NumberExercise("weights", lambda: 100 * 3 * 9 / 49, 0.6),
)


def views(values: Values, say: Texts) -> list[View]:
    """The paths of each pixel to the unit, and what each layer sees."""
    from striate.figures.receptive_field import CHANNELS, paths, stacks

    layers, side, stride = values["layers"], int(values["kernel"]), values["stride"]
    after_each = stacks(side, (stride,) * layers)
    field, jump, weights = after_each[-1]
    paths_HW = paths(side, layers, stride).numpy()
    one = field**2 * CHANNELS**2
    rows = [(say("said.layer", number=number), *row) for number, row in enumerate(after_each, 1)]
    rows.append((say("said.one", field=field), field, 1, one))
    columns = ["", say("said.sees"), say("said.jump"), say("said.weights", channels=CHANNELS)]
    middle = paths_HW[field // 2]
    series = (Series(say("said.paths"), np.arange(field) - field // 2, middle, 2),)
    if field <= WITH_DIGITS:
        shown: View = Grid("paths", paths_HW, diverging=True, caption=say("said.grid"))
    else:
        levels_HW = (255 * paths_HW / paths_HW.max()).round().astype(np.uint8)
        shown = Image("paths_image", levels_HW, say("said.grid"), max(2, 320 // field), say("said.grid"))
    text = {"layers": layers, "kernel": side, "field": field, "jump": jump, "share": f"{weights / one:.0%}"}
    return [
        shown,
        Lines("profile", series, say("said.place"), say("said.paths"), x_range=(-field / 2, field / 2)),
        Table("table", columns, rows),
        Sentence("result", say("said.result", center=f"{paths_HW.max():,.0f}", corner=f"{paths_HW[0, 0]:,.0f}", **text)),
    ]


def _field(side: int, layers: int, stride: int) -> int:
    from striate.figures.receptive_field import stack

    return stack(side, (stride,) * layers).field
