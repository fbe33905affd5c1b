"""Batch norm on three channels: a batch before and after, its scale and shift, and the statistics for inference.

Source: Ioffe & Szegedy 2015, algorithms 1 and 2.
"""

import numpy as np

from striate.lab.controls import Button, Choice, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Lines, Sentence, Series, Table, View, shown

LOW, HIGH, BINS = -8.0, 12.0, 50
CONTROLS = (
    Choice("channel", ("first", "second", "third"), "first"),
    Slider("images", 2, 64, 1, 16),
    Slider("side", 1, 8, 1, 8),
    Slider("gamma", 0.25, 3, 0.25, 1.5),
    Slider("beta", -4, 4, 0.5, -3),
    Slider("batches", 1, 60, 1, 20),
    Choice("mode", ("training", "inference"), "training"),
    Button("draw"),
)
EXERCISES = (
    NumberExercise("four", lambda: _four()[3], 0.01),
    NumberExercise("inference", lambda: (6 - 4) / 2 * 0.5 + 2, 0.001),
    ChoiceExercise("alone", ("running", "batch", "none"), lambda: "running"),
)


def views(values: Values, say: Texts) -> list[View]:
    """The values of a channel at each stage, its moments, and the running statistics."""
    import torch

    from striate.figures.batchnorm import MEANS, STDS, moments_of, normalize_batches, rescale

    channel = ("first", "second", "third").index(values["channel"])
    generator = torch.Generator().manual_seed(values["draw"])
    course = normalize_batches(generator, values["batches"], values["images"], values["side"])
    before = course.means_TC[-1, channel], course.stds_TC[-1, channel]
    norm = course.norm.train(values["mode"] == "training")
    with torch.no_grad():
        normalized_NCHW = norm(course.maps_NCHW)
        after_NCHW = rescale(norm, [values["gamma"]] * 3, [float(values["beta"])] * 3)(course.maps_NCHW)
    stages = {"input": course.maps_NCHW, "normalized": normalized_NCHW, "output": after_NCHW}
    edges = np.linspace(LOW, HIGH, BINS + 1)
    histograms, rows = [], list[tuple[str, float, float]]()
    for role, (stage, maps_NCHW) in enumerate(stages.items(), 1):
        levels_P = maps_NCHW[:, channel].flatten().numpy()
        shares_B = np.histogram(levels_P, edges)[0] / len(levels_P)
        histograms.append(Series(say(f"said.{stage}"), (edges[:-1] + edges[1:]) / 2, shares_B, role))
        center, spread = moments_of(maps_NCHW)[channel]
        rows.append((say(f"said.{stage}"), round(center, 4) + 0.0, round(spread, 4)))
    rows.append((say("said.running"), float(before[0]), float(before[1])))
    steps = np.arange(len(course.means_TC))
    running = []
    for number, (name, moments_TC, true_C) in enumerate((("mean", course.means_TC, MEANS), ("std", course.stds_TC, STDS)), 1):
        running.append(Series(say(f"said.{name}"), steps, moments_TC[:, channel].numpy(), number))
        running.append(Series("", (0, steps[-1]), (true_C[channel],) * 2, number, dashed=True))
    count = values["images"] * values["side"] ** 2
    mean, std = rows[0][1:] if values["mode"] == "training" else rows[3][1:]
    numbers = {"mean": shown(mean), "std": shown(std)}
    scaled = f"{shown(values['gamma'])} · (x {_added(-mean)}) / {shown(std)} {_added(values['beta'])}"
    return [
        Lines("stages", histograms, say("said.value"), say("said.share"), x_range=(LOW, HIGH)),
        Lines("running", running, say("said.batches"), say("said.statistic"), x_range=(0, len(steps) - 1)),
        Table("moments", ["", say("said.mean"), say("said.std")], rows),
        Sentence("result", say(f"said.{values['mode']}", count=count, batches=values["batches"], formula=scaled, **numbers)),
    ]


def _added(number: float) -> str:
    return f"{'−' if number < 0 else '+'} {shown(abs(number))}"


def _four() -> list[float]:
    from striate.figures.batchnorm import four_numbers

    return four_numbers()
