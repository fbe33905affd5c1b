"""Dropout on four neurons: a mask that is drawn anew, the scaling of what is kept, and inference.

Source: Srivastava et al. 2014, section 4.
"""

from collections.abc import Sequence

import numpy as np

from striate.lab.controls import Button, Choice, Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Bars, Diagram, Edge, Lines, Node, Sentence, Series, View

MEANS = 300  # passes whose running mean is shown
CONTROLS = (
    Choice("mode", ("training", "inference"), "training"),
    Slider("rate", 0, 0.9, 0.1, 0.5),
    Button("draw"),
)
EXERCISES = (
    NumberExercise("scale", lambda: 0.6 / (1 - 0.4), 0.001),
    NumberExercise("none", lambda: _binomial()[0], 0.001),
    ChoiceExercise("inference", ("mask", "scaled", "same"), lambda: _at_inference()),
)


def views(values: Values, say: Texts) -> list[View]:
    """The layer with its mask, the mean of many passes, and how many neurons are kept."""
    import torch

    from striate.figures.dropout import MANY, OUTPUTS, SEED, at_inference, binomial, passes, shares_kept

    rate = values["rate"]
    outputs_U = torch.tensor(OUTPUTS, dtype=torch.float64)
    passes_PU = passes(outputs_U, MANY, rate, SEED + values["draw"])
    training = values["mode"] == "training"
    shown = (passes_PU[0] if training else at_inference(outputs_U, rate)).tolist()
    keep = [number for number, output in enumerate(shown, 1) if output]
    names = [say("said.neuron", number=number) for number in range(1, len(OUTPUTS) + 1)]
    counts = np.arange(1, MEANS + 1)
    means_PU = np.cumsum(passes_PU[:MEANS].numpy(), axis=0) / counts[:, None]
    lines = [Series(name, counts, means_PU[:, unit], unit + 1) for unit, name in enumerate(names)]
    lines += [Series("", (1, MEANS), (output, output), unit + 1, dashed=True) for unit, output in enumerate(OUTPUTS)]
    alive = [str(count) for count in range(len(OUTPUTS) + 1)]
    bars = (
        Series(say("said.counted"), (), shares_kept(passes_PU)),
        Series(say("said.expected"), (), binomial(len(OUTPUTS), 1 - rate), 2),
    )
    if training:
        sentence = say("said.training", keep=_join(keep) or "–", share=f"{1 - rate:g}", outputs=_join(shown))
    else:
        sentence = say("said.inference", outputs=_join(shown))
    return [
        _layer(shown, sentence),
        Lines("means", lines, say("said.passes"), say("said.mean"), x_range=(1, MEANS), y_range=(0, 1.5)),
        Bars("counts", alive, bars, say("said.share"), (0, 1), say("said.keeps")),
        Sentence("result", sentence),
    ]


def _layer(outputs: Sequence[float], description: str) -> Diagram:
    """Three inputs, the neurons with their outputs, crossed out where dropped, and the two units above them."""
    below, above = ("i0", "i1", "i2"), ("o0", "o1")
    nodes = [Node(name, x, 1.0) for name, x in zip(below, (0.2, 0.5, 0.8), strict=True)]
    nodes += [Node(name, x, 0.0) for name, x in zip(above, (0.32, 0.68), strict=True)]
    edges = []
    for number, value in enumerate(outputs):
        name = f"h{number}"
        nodes.append(Node(name, number / (len(outputs) - 1), 0.5, f"{value:.3g}" if value else "", out=not value))
        edges += [Edge(start, name, on=bool(value), role=2 if value else 6) for start in below]
        edges += [Edge(name, end, on=bool(value), role=2 if value else 6) for end in above]
    return Diagram("layer", nodes, edges, description, 1.7)


def _join(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:.3g}" for number in numbers)


def _binomial() -> list[float]:
    from striate.figures.dropout import binomial

    return binomial(4, 0.5)


def _at_inference() -> str:
    import torch

    from striate.figures.dropout import OUTPUTS, at_inference

    outputs_U = torch.tensor(OUTPUTS)
    return "same" if torch.equal(at_inference(outputs_U), outputs_U) else "scaled"
