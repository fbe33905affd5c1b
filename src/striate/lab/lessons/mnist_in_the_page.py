"""A convolutional network learns digits while one watches, then classifies what one draws.

Source: TensorFlow's "A Guide to TF Layers" (r1), the network `mnist_cnn`; the scans are of UCI's Optical Recognition of
Handwritten Digits, as scikit-learn has them.
"""

from functools import cache
from math import log
from typing import TYPE_CHECKING

import numpy as np

from striate.lab.controls import Button, Drawing, Values
from striate.lab.digit_training import (
    BATCH,
    EPOCH_STEPS,
    EPOCHS,
    LR,
    SIDE,
    STEPS,
    VALIDATION,
    Point,
    Snapshot,
    Training,
    digits,
    start,
    trainings,
)
from striate.lab.exercises import NumberExercise
from striate.lab.images import enlarged
from striate.lab.pixels import mosaic, two_hues
from striate.lab.texts import Texts
from striate.lab.views import Again, Bars, Image, Lines, Sentence, Series, Table, View, shown, sides

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from striate.nets.net import Net

THREE = (  # the first 3 of the scans, levels of 0 to 16
    (0, 0, 7, 15, 13, 1, 0, 0), (0, 8, 13, 6, 15, 4, 0, 0), (0, 2, 1, 13, 13, 0, 0, 0), (0, 0, 2, 15, 11, 1, 0, 0),
    (0, 0, 0, 1, 12, 12, 1, 0), (0, 0, 0, 0, 1, 10, 8, 0), (0, 0, 8, 4, 5, 14, 9, 0), (0, 0, 7, 13, 13, 9, 0, 0),
)  # fmt: skip
START = tuple(tuple(row) for row in enlarged(np.array(THREE), SIDE).tolist())
CONTROLS = (
    Button("train"),
    Drawing("digit", SIDE, tuple(f"digit-{digit}" for digit in range(10)), START),
)
EXERCISES = (
    NumberExercise("weights", lambda: _weights("conv1")),
    NumberExercise("steps", lambda: -(-(len(digits().labels_N) - VALIDATION) // BATCH)),
    NumberExercise("loss", lambda: log(10), 0.05),
)
FILTER_PX = 7
_WATCHED_MS = 700


def views(values: Values, say: Texts) -> list[View]:
    """How far the training of this press is, its filters, and what the network says of the drawing."""
    training = trainings().ask(values["train"]) if values["train"] else None
    snapshot = training.latest if training else untrained()
    ink_HW = np.array(values["digit"], np.float32) / np.float32(255)
    probabilities_K = probabilities(snapshot.net, ink_HW)
    history = snapshot.history
    steps = (0, STEPS)
    trained = [point for point in history if point.train_loss is not None]
    loss = [Series(say("said.validation"), [point.step for point in history], [point.val_loss for point in history], 2)]
    if trained:
        losses = [point.train_loss or 0.0 for point in trained]
        loss.insert(0, Series(say("said.training"), [point.step for point in trained], losses, 1))
    accuracy = Series(say("said.validation"), [point.step for point in history], [point.val_accuracy for point in history], 2)
    names, probability = [str(digit) for digit in range(10)], say("said.probability")
    rows = [(layer, shape, f"{count:,}") for layer, shape, count in layers()]
    shown_views: list[View] = [
        Sentence("result", sentence(training, snapshot, bool(ink_HW.any()), probabilities_K, say)),
        Lines(
            "accuracy", [accuracy], say("said.step"), say("said.accuracy"), x_range=steps, y_range=(0, 1),
            caption=_at(history[-1], say),
        ),
        Lines("loss", loss, say("said.step"), say("said.loss"), x_range=steps, y_range=(0, max(2.5, *loss[-1].y))),
        Bars("probabilities", names, [Series(probability, (), probabilities_K)], probability, (0.0, 1.0)),
        Image("filters", filters(snapshot.net), say("said.filters"), FILTER_PX, say("said.hues")),
        Table("network", [say(f"said.{name}") for name in ("layer", "shape", "weights")], rows),
    ]  # fmt: skip
    return [*shown_views, Again(_WATCHED_MS)] if training and training.running else shown_views


@cache
def untrained() -> Snapshot:
    """What the first press begins with."""
    return start(1)


def probabilities(net: "Net", ink_HW: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Of each digit, K, for one drawing in [0, 1]."""
    import torch

    with torch.inference_mode():
        probabilities_K: NDArray[np.float32] = net(torch.from_numpy(ink_HW)[None, None])[0].softmax(0).numpy()
    return probabilities_K


def sentence(
    training: Training | None, snapshot: Snapshot, drawn: bool, probabilities_K: "NDArray[np.float32]", say: Texts
) -> str:
    """What is read out: it changes with each epoch, not with each step."""
    last = snapshot.history[-1]
    if training is None:
        return say("said.untrained")
    if training.running:
        return say("said.running", epoch=min(EPOCHS, last.step // EPOCH_STEPS + 1), epochs=EPOCHS, seed=training.seed)
    right = round(last.val_accuracy * VALIDATION)
    state = say("said.done", accuracy=f"{100 * last.val_accuracy:.1f}", right=right, count=VALIDATION)
    if not training.done:
        state = say("said.stopped", step=last.step)
    best = int(probabilities_K.argmax())
    name = "drawing" if drawn else "empty"
    return f"{state} {say(f'said.{name}', digit=best, percent=f'{100 * probabilities_K[best]:.1f}')}"


def filters(net: "Net") -> "NDArray[np.uint8]":
    """The 32 filters of conv1 in rows of 8, white where a weight is 0, each to its own scale."""
    weights_KHW = net.get_parameter("conv1.weight").detach()[:, 0].numpy()
    colored_KHW3 = np.stack([two_hues(weights_HW) for weights_HW in weights_KHW])
    return np.stack([mosaic(colored_KHW3[..., channel], 8) for channel in range(3)], axis=-1)


@cache
def layers() -> list[tuple[str, str, int]]:
    """Name, shape of the output, and number of weights and biases of each layer that has a tap."""
    from striate.nets.summary import layer_table

    net = untrained().net
    rows = [row for row in layer_table(net) if row.name in net.taps]
    return [(row.name, sides(row.output), row.parameters) for row in rows]


def _weights(name: str) -> int:
    return next(count for layer, _, count in layers() if layer == name)


def _at(point: Point, say: Texts) -> str:
    return say("said.at", step=point.step, accuracy=f"{100 * point.val_accuracy:.1f}", loss=shown(point.val_loss, 3), lr=LR)
