"""The neocognitron reads what one draws: the responses of every plane of its layers, and its answer.

Source: Fukushima 1988, "Neocognitron: a hierarchical neural network capable of visual pattern recognition".
"""

from functools import cache
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

from striate.lab.controls import Choice, Drawing, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.pixels import gray, mosaic
from striate.lab.texts import Texts
from striate.lab.views import Bars, Image, Sentence, Series, Table, View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from striate.history.neocognitron.net import Neocognitron

SIDE = 19
FIVE = (  # stroke-5: a 5 in a style that it was not trained on
    "", "", ".......###", "......#...###", "......#", ".....#", ".....#", ".....#.##", ".....##..###", "............#",
    ".............#", ".............#", ".............#", "............#", "....##......#", "......#....#", ".......####",
    "", "",
)  # fmt: skip
START = tuple(tuple(255 * (pixel == "#") for pixel in row.ljust(SIDE, ".")) for row in FIVE)
LAYERS = ("us1", "uc1", "us2", "uc2", "us3", "uc3", "us4")
CONTROLS = (
    Drawing("digit", SIDE, tuple(f"stroke-{digit}" for digit in range(10)), START, thin=True),
    Slider("right", -3, 3, 1, 0),
    Slider("down", -2, 2, 1, 0),
    Choice("scale", ("layer", "plane"), "layer"),
)
EXERCISES = (
    NumberExercise("cells", lambda: sum(row[1] for row in _counts())),
    ChoiceExercise("gradient", ("descent", "templates", "winners"), lambda: "templates"),
    ChoiceExercise("tolerance", ("simple", "complex"), lambda: _which_tolerates()),
)


def views(values: Values, say: Texts) -> list[View]:
    """What is seen, the planes of every layer, and the responses of the last one."""
    ink_HW = shifted(np.array(values["digit"], float) / 255, values["right"], values["down"])
    responses, outputs_K, answer = respond(ink_HW)
    top = f"{float(outputs_K.max()):.2f}"
    result = say("said.none") if answer < 0 else say("said.digit", digit=answer, response=top)
    digits = [str(digit) for digit in range(10)]
    each = values["scale"] == "plane"
    return [
        Sentence("result", result),
        Image("u0", gray(ink_HW, 0, 1), say("said.seen"), 11),
        Bars("uc4", digits, [Series(say("said.response"), (), outputs_K)], say("said.response"), (0.0, 1.0)),
        *(layer_image(name, responses[name], each, say) for name in LAYERS),
        Table("counts", [say(f"said.{name}") for name in ("layer", "planes", "side", "count")], _table()),
    ]


def shifted(ink_HW: "NDArray[np.float64]", right: int, down: int) -> "NDArray[np.float64]":
    """The drawing moved; what comes in is empty."""
    moved_HW = np.zeros_like(ink_HW)
    height, width = ink_HW.shape
    moved_HW[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = ink_HW[
        max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)
    ]
    return moved_HW


@cache
def network() -> "Neocognitron":
    """The network of 1988, taught layer by layer when it is first asked for: less than a second."""
    from striate.history.neocognitron.net import Neocognitron
    from striate.history.neocognitron.teacher import teach

    return teach(Neocognitron())


def respond(ink_HW: "NDArray[np.float64]") -> "tuple[dict[str, NDArray[np.float32]], NDArray[np.float32], int]":
    """Responses of each layer, P x H x W, of the last, K, and the digit; -1 where it is silent."""
    import torch

    from striate.history.neocognitron.net import predict
    from striate.nets.hooks import taps

    net, image_11HW = network(), torch.from_numpy(ink_HW.astype(np.float32))[None, None]
    with torch.inference_mode(), taps(net, *LAYERS) as seen:
        outputs_1K = net(image_11HW)
    return {name: seen[name][0].numpy() for name in LAYERS}, outputs_1K[0].numpy(), int(predict(outputs_1K)[0])


def layer_image(name: str, maps_PHW: "NDArray[np.float32]", each: bool, say: Texts) -> Image:
    """All planes of a layer, white where it responds most; `each` plane to its own scale."""
    planes, side = len(maps_PHW), maps_PHW.shape[1]
    high = maps_PHW.max(axis=(1, 2), keepdims=True) if each else maps_PHW.max()
    across = -(-planes // max(1, isqrt(planes // 2)))
    levels = gray(maps_PHW / np.where(high > 0, high, 1), 0, 1)
    active = int((maps_PHW.max(axis=(1, 2)) > 0).sum())
    caption = say(f"said.{name}", active=active, planes=planes)
    pixels = mosaic(levels, across)
    scale = max(2, min(10, 400 // pixels.shape[1]))
    return Image(name, pixels, say("said.plane_count", planes=planes, side=side, active=active), scale, caption)


def _table() -> list[list[str | int]]:
    return [[name, planes, side, cells] for name, cells, planes, side in _counts()]


def _counts() -> list[tuple[str, int, int, int]]:
    """The name of each layer, its cells, planes and side."""
    from striate.history.neocognitron.net import table

    return [(row.name, row.cells, row.planes, row.side) for row in table(network())]


def _which_tolerates() -> str:
    """The layer whose response changes less, by cosine similarity, when a 5 is moved by a pixel."""
    from striate.history.cells.model import cosine_similarity

    five_HW = np.array(START, float) / 255
    still, moved = respond(five_HW)[0], respond(shifted(five_HW, 1, 0))[0]
    simple, complex_ = (cosine_similarity(*(maps[name].astype(float) for maps in (still, moved))) for name in ("us1", "uc1"))
    return "complex" if complex_ > simple else "simple"
