"""Cross-entropy and hinge losses of three scores: probabilities, losses and gradients.

Sources: Weston & Watkins 1999; Crammer & Singer 2001; Stanford's notes for CS231n, Linear Classification.
"""

from math import log

import numpy as np

from striate.lab.controls import Slider, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Bars, Lines, Mark, Sentence, Series, Table, View, shown

NAMES = {
    "cross_entropy": "cross-entropy",
    "weston_watkins": "Weston-Watkins",
    "squared": "Weston-Watkins, squared",
    "crammer_singer": "Crammer-Singer",
}
PLOTTED = ("cross_entropy", "weston_watkins", "crammer_singer")
LOW, HIGH = -10, 15
CONTROLS = (
    Slider("true", LOW, HIGH, 0.5, 3),
    Slider("second", LOW, HIGH, 0.5, 1),
    Slider("third", LOW, HIGH, 0.5, 2.5),
    Slider("margin", 0.5, 10, 0.5, 1),
)
EXERCISES = (
    NumberExercise("hinge", lambda: _loss("weston_watkins", (10.0, 8.0, 5.0), 10.0), 0.01),
    NumberExercise("equal", lambda: _loss("cross_entropy", (0.0,) * 10, 1.0), 0.01),
    NumberExercise("gradient", lambda: _gradient("cross_entropy", (log(0.7), log(0.2), log(0.1)))[0], 0.005),
    ChoiceExercise("zero", ("cross_entropy", "hinge", "both"), lambda: _zero_at((10.0, 1.0, 2.0))),
)


def views(values: Values, say: Texts) -> list[View]:
    """Probabilities, the losses with their gradients, and the losses over the score of the true class."""
    import torch

    from striate.figures.losses import loss_and_gradient, probabilities, three

    scores = tuple(float(values[name]) for name in ("true", "second", "third"))
    losses = three(float(values["margin"]))
    labels = [say(f"said.{name}") for name in ("true", "second", "third")]
    shares = probabilities(scores)
    of_scores = {name: loss_and_gradient(losses[key], scores) for name, key in NAMES.items()}
    x_P = np.linspace(LOW, HIGH, 2 * (HIGH - LOW) + 1)
    logits_P3 = torch.tensor([[x, *scores[1:]] for x in x_P])
    labels_P = torch.zeros(len(x_P), dtype=torch.long)
    series = [
        Series(say(f"said.{name}"), x_P, losses[NAMES[name]](logits_P3, labels_P).numpy(), role)
        for role, name in enumerate(PLOTTED, 1)
    ]
    marks = [Mark(scores[0], of_scores[name][0], role=role) for role, name in enumerate(PLOTTED, 1)]
    gradients = [Series(say(f"said.{name}"), (), of_scores[name][1], role) for role, name in enumerate(PLOTTED, 1)]
    rows = [(say(f"said.{name}"), loss, *gradient) for name, (loss, gradient) in of_scores.items()]
    columns = ["", say("said.loss"), *(say("said.gradient_of", name=label) for label in labels)]
    of_each = {name: shown(loss) for name, (loss, _) in of_scores.items()}
    return [
        Bars("probabilities", labels, (Series(say("said.probability"), (), shares),), say("said.probability"), (0, 1)),
        Lines("over", series, say("said.score"), say("said.loss"), marks, (LOW, HIGH), (-0.5, 20), move=("true",)),
        Bars("gradients", labels, gradients, say("said.gradient"), (-2.1, 1.1), say("said.gradients")),
        Table("losses", columns, rows),
        Sentence("result", say("said.result", share=shown(shares[0]), **of_each)),
    ]


def _loss(name: str, scores: tuple[float, ...], margin: float) -> float:
    from striate.figures.losses import loss_of, three

    return loss_of(three(margin)[NAMES[name]], scores)


def _gradient(name: str, scores: tuple[float, ...]) -> list[float]:
    from striate.figures.losses import loss_and_gradient, three

    return loss_and_gradient(three()[NAMES[name]], scores)[1]


def _zero_at(scores: tuple[float, ...]) -> str:
    zero = [name for name in ("cross_entropy", "weston_watkins") if _loss(name, scores, 1.0) == 0]
    return {"cross_entropy": "cross_entropy", "weston_watkins": "hinge"}[zero[0]] if len(zero) == 1 else "both"
