"""Pooling: the largest or the mean of each window, windows that overlap, and where a gradient goes.

Source: Krizhevsky, Sutskever & Hinton 2012, section 3.4 (overlapping pooling).
"""

from striate.lab.controls import Cells, Choice, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Grid, Position, Sentence, View, Window

IMAGE = ((1, 3, 2, 1, 6), (4, 8, 5, 0, 2), (2, 6, 7, 3, 1), (1, 0, 4, 9, 5), (3, 2, 8, 1, 4))
CONTROLS = (
    Choice("kind", ("max", "average"), "max"),
    Slider("side", 2, 3, 1, 2),
    Slider("stride", 1, 3, 1, 2),
    Slider("row", 0, 3, 1, 0),
    Slider("column", 0, 3, 1, 0),
    Cells("image", IMAGE, tuple(range(10))),
)


def _largest() -> float:
    return max(float(value) for row in IMAGE[:3] for value in row[:3])


EXERCISES = (
    NumberExercise("corner", _largest),
    NumberExercise("side", lambda: (224 - 2) // 2 + 1),
    ChoiceExercise("gradient", ("all", "largest", "none"), lambda: "largest"),
)


def views(values: Values, say: Texts) -> list[View]:
    """The map, the pooled map, and the gradient that a one at each place of it gives back."""
    import torch

    from striate.figures.pooling import pooled

    kind, side, stride = values["kind"], values["side"], values["stride"]
    map_YX, gradient_HW = pooled(torch.tensor(values["image"]), kind, side, stride)
    row, column = (min(values[name], len(map_YX) - 1) for name in ("row", "column"))
    frame = (Window(row * stride, column * stride, side, side),)
    place = Position("row", "column", stride)
    value = f"{map_YX[row, column]:g}"
    return [
        Grid("image", values["image"], 0, 9, windows=frame, position=place, cells="image"),
        Grid("map", map_YX.numpy(), 0, 9, windows=(Window(row, column, 1, 1),), position=Position("row", "column")),
        Grid("gradient", gradient_HW.numpy(), 0, float(gradient_HW.max()), windows=frame),
        Sentence("result", say(f"said.{kind}", side=side, value=value, places=len(map_YX))),
    ]
