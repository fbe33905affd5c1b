"""A kernel that slides over an image: padding, stride, one channel and three, two filters, every product shown.

Source: Stanford's notes for CS231n, Convolutional Neural Networks.
"""

import numpy as np
from numpy.typing import NDArray

from striate.lab.controls import Cells, Choice, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Formula, Grid, Position, Sentence, View, Window

Floats = NDArray[np.float64]
SIDE, KERNEL = 7, 3
IMAGE = tuple(tuple(2 if column >= 4 else int(row % 3 == 1) for column in range(SIDE)) for row in range(SIDE))
EDGE, LINE = ((-1, 0, 1),) * 3, ((-1, -1, -1), (2, 2, 2), (-1, -1, -1))
CHANNELS = ("red", "green", "blue")
CONTROLS = (
    Choice("channels", ("one", "three"), "one"),
    Choice("filter", ("first", "second"), "first"),
    Slider("padding", 0, 2, 1, 0),
    Slider("stride", 1, 3, 1, 1),
    Slider("row", 0, SIDE + 4 - KERNEL, 1, 0),
    Slider("column", 0, SIDE + 4 - KERNEL, 1, 0),
    Cells("image", IMAGE, (0, 1, 2)),
    Cells("kernel", EDGE, (-2, -1, 0, 1, 2)),
)
EXERCISES = (
    NumberExercise("side", lambda: _side(32, 5, 2)),
    NumberExercise("weights", lambda: 2 * (5 * 5 * 3 + 1)),
    ChoiceExercise("flat", ("zero", "one", "nine"), lambda: _on_flat_image()),
)


def views(values: Values, say: Texts) -> list[View]:
    """The image, the kernel, the window under it with every product, and the map that all places give."""
    from striate.history.convolution.model import correlate

    images_CHW = channels(values["image"], values["channels"] == "three")
    weights_DFF = kernels(values["kernel"])
    weights_FF = weights_DFF[0 if values["filter"] == "first" else 1]
    padding, stride = values["padding"], values["stride"]
    kernels_1CFF = np.repeat(weights_FF[None, None], len(images_CHW), axis=1)
    map_YX = correlate(images_CHW, kernels_1CFF, stride, padding)[0]
    row, column = (min(values[name], len(map_YX) - 1) for name in ("row", "column"))
    top, left = row * stride, column * stride
    padded_CHW = np.pad(images_CHW, ((0, 0), (padding, padding), (padding, padding)))
    shown: list[View] = []
    sums = []
    for number, padded_HW in enumerate(padded_CHW):
        window_FF = padded_HW[top : top + KERNEL, left : left + KERNEL]
        sums.append((window_FF * weights_FF).sum())
        name = "image" if len(padded_CHW) == 1 else CHANNELS[number]
        cells = "image" if padding == 0 and number == 0 else None
        place = Position("row", "column", stride, KERNEL // 2)
        frame = (Window(top, left, KERNEL, KERNEL),)
        shown.append(Grid(name, padded_HW, 0, 2, windows=frame, position=place, cells=cells))
    first = values["filter"] == "first"
    shown.append(Grid("kernel", weights_FF, -2, 2, diverging=True, cells="kernel" if first else None))
    products = [
        " + ".join(
            f"{_signed(pixel)}·{_signed(weight)}"
            for pixel, weight in zip(
                padded_HW[top : top + KERNEL, left : left + KERNEL].ravel(), weights_FF.ravel(), strict=True
            )
        )
        + f" = {total:g}"
        for padded_HW, total in zip(padded_CHW, sums, strict=True)
    ]
    if len(sums) > 1:
        products.append(" + ".join(_signed(total) for total in sums) + f" = {sum(sums):g}")
    frame = (Window(row, column, 1, 1),)
    shown.append(Grid("map", map_YX, diverging=True, windows=frame, position=Position("row", "column")))
    shown.append(Formula("products", products))
    side = len(padded_CHW[0]) - 2 * padding
    numbers = {"side": side, "padding": padding, "kernel": KERNEL, "stride": stride, "output": len(map_YX)}
    shown.append(Sentence("size", say("said.size", **numbers, value=f"{map_YX[row, column]:g}")))
    return shown


def channels(rows: list[list[float]], three: bool) -> Floats:
    """The image as one channel, or as three: itself, turned upside down, and mirrored."""
    image_HW = np.array(rows, float)
    return np.stack([image_HW, image_HW[::-1], image_HW[:, ::-1]]) if three else image_HW[None]


def kernels(first: object) -> Floats:
    """The filter that can be changed, and one for lines that lie, 2 x F x F."""
    return np.array([first, LINE], float)


def _side(side: int, kernel: int, padding: int) -> int:
    from striate.history.convolution.model import output_side

    return output_side(side, kernel, 1, padding)


def _on_flat_image() -> str:
    from striate.history.convolution.model import correlate

    value = correlate(np.ones((1, KERNEL, KERNEL)), kernels(EDGE)[:1, None])[0, 0, 0]
    return {0: "zero", 1: "one", 9: "nine"}[int(value)]


def _signed(value: float) -> str:
    return f"({value:g})" if value < 0 else f"{value:g}"
