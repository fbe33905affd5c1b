"""Why a network answers as it does: a square that hides a part of the image, and six methods of attribution with their test.

Sources: Zeiler & Fergus 2014, section 4.2; Simonyan et al. 2014; Springenberg et al. 2015; Selvaraju et al. 2017; Sundararajan
et al. 2017; of the tests Petsiuk et al. 2018 and Adebayo et al. 2018.
"""

from typing import TYPE_CHECKING

import numpy as np

from striate.lab import digit_network
from striate.lab.controls import Choice, Slider, Values
from striate.lab.digit_training import SIDE, digits
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Bars, Grid, Image, Lines, Position, Sentence, Series, Table, View, Window, shown

if TYPE_CHECKING:
    from striate.interpret.attribution import Explanation
    from striate.lab.digit_network import Levels

METHODS = ("saliency", "deconvnet", "guided", "gradcam", "integrated_gradients", "occlusion")
PREDICTED = "predicted"
FIRST = 7
CONTROLS = (
    Slider("scan", 0, 39, 1, FIRST),
    Choice("target", (PREDICTED, *map(str, range(10))), PREDICTED),
    Slider("row", 0, SIDE - 1, 1, 12),
    Slider("column", 0, SIDE - 1, 1, 8),
    Slider("side", 1, 8, 1, 4),
    Choice("method", METHODS, "integrated_gradients"),
)
EXERCISES = (
    NumberExercise("positions", lambda: (SIDE - 2 + 1) ** 2),
    ChoiceExercise("fails", ("gradcam", "integrated_gradients", "occlusion"), lambda: _that_fails()),
    ChoiceExercise("insertion", ("rises", "falls", "level"), lambda: _insertion_curve()),
)
_SCALE = 6


def views(values: Values, say: Texts) -> list[View]:
    """The image with its hidden square, the probabilities with and without it, and the maps of all methods."""
    levels_HW = scan(values["scan"])
    row, column, side = values["row"], values["column"], values["side"]
    hidden_HW = digit_network.hidden(levels_HW, row, column, side)
    before_K, after_K = (digit_network.probabilities(image_HW) for image_HW in (levels_HW, hidden_HW))
    target = int(before_K.argmax()) if values["target"] == PREDICTED else int(values["target"])
    explanations = {method: digit_network.explained(levels_HW, method, target) for method in METHODS}
    sentence = say(
        "said.result", digit=int(before_K.argmax()), target=target, before=_percent(before_K[target]),
        after=_percent(after_K[target]), now=int(after_K.argmax()),
    )  # fmt: skip
    frame = Window(row, column, min(side, SIDE - row), min(side, SIDE - column), 1)
    series = [Series(say("said.before"), (), before_K, 2), Series(say("said.after"), (), after_K, 1)]
    return [
        Sentence("result", sentence),
        Grid("image", hidden_HW.astype(int), 0, 255, digits=False, windows=(frame,), position=Position("row", "column")),
        Bars("probabilities", [str(digit) for digit in range(10)], series, say("said.probability"), (0.0, 1.0)),
        _curves(explanations[values["method"]], say(f"options.method.{values['method']}"), say),
        _tests(explanations, say),
        *(_map(levels_HW, explanations[method], target, say) for method in METHODS),
    ]


def scan(number: int) -> "Levels":
    """A scan of the validation images, which the network has not learned from."""
    levels_HW: Levels = (digits().images_N1HW[number, 0].numpy() * 255).round().astype(np.uint8)
    return levels_HW


def _map(levels_HW: "Levels", explanation: "Explanation", target: int, say: Texts) -> Image:
    name = say(f"views.{explanation.method}")
    verdict = say(f"said.{'passes' if explanation.faithfulness[0].faithful else 'fails'}")
    pixels_HWC = digit_network.overlaid(levels_HW, explanation.heat_NHW[0].numpy())
    return Image(explanation.method, pixels_HWC, say("said.map", method=name, target=target), _SCALE, verdict)


def _tests(explanations: "dict[str, Explanation]", say: Texts) -> Table:
    rows = []
    for method, explanation in explanations.items():
        (test,) = explanation.faithfulness
        verdict = say(f"said.{'yes' if test.faithful else 'no'}")
        numbers = (test.deletion_area, test.insertion_area, test.p_value, test.rank_correlation)
        rows.append((say(f"options.method.{method}"), verdict, *(f"{number:.2f}".replace("-", "−") for number in numbers)))
    columns = [say(f"said.{column}") for column in ("method", "faithful", "deletion", "insertion", "p_value", "correlation")]
    return Table("tests", columns, rows, say("said.tests"))


def _curves(explanation: "Explanation", name: str, say: Texts) -> Lines:
    (test,) = explanation.faithfulness
    shares = np.linspace(0, 1, len(test.deletion_curve_S))
    curves = ((test.deletion_curve_S, "deleted", 1, False), (test.insertion_curve_S, "inserted", 2, False),
              (test.shifted_deletion_curve_S, "shifted", 6, True))  # fmt: skip
    series = [Series(say(f"said.{label}"), shares, curve_S, role, dashed) for curve_S, label, role, dashed in curves]
    return Lines(
        "curves", series, say("said.share"), say("said.probability"), (), (0, 1), (0, 1), caption=say("said.of", method=name)
    )


def _percent(share: float) -> str:
    return shown(round(100 * float(share), 1), 4)


def _explained(method: str) -> "Explanation":
    """Of the scan that the page begins with."""
    levels_HW = scan(FIRST)
    return digit_network.explained(levels_HW, method, int(digit_network.probabilities(levels_HW).argmax()))


def _that_fails() -> str:
    options = ("gradcam", "integrated_gradients", "occlusion")
    return next(method for method in options if not _explained(method).faithfulness[0].faithful)


def _insertion_curve() -> str:
    """How the probability goes while the image comes back in the order of a map that passes."""
    curve_S = _explained("occlusion").faithfulness[0].insertion_curve_S
    return "rises" if curve_S[2] - curve_S[0] > 0.5 else "level" if np.ptp(curve_S) < 0.1 else "falls"
