"""Weight penalties: where two weights converge under L1, L2, both and max-norm, and what a histogram of weights becomes.

Sources: Parikh & Boyd 2014, section 6.5.2; Srivastava et al. 2014, section 5.1.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from striate.lab.controls import Choice, Slider, Toggle, Values
from striate.lab.exercises import ChoiceExercise, NumberExercise
from striate.lab.texts import Texts
from striate.lab.views import Lines, Points, Sentence, Series, Table, View, shown

if TYPE_CHECKING:
    from striate.figures.penalties import Case
KINDS = ("none", "l2", "l1", "elastic", "max_norm")
UNITS, INPUTS = 40, 25
LEVELS = (0.03, 0.12, 0.3, 0.6)
CONTROLS = (
    Choice("kind", KINDS, "l1"),
    Slider("strength", 0.05, 1.5, 0.05, 0.6),
    Slider("bound", 0.2, 3, 0.1, 1),
    Toggle("proximal", True),
)
EXERCISES = (
    NumberExercise("l2", lambda: _one("l2", 0.5), 0.005),
    NumberExercise("l1", lambda: _one("l1", 0.3), 0.005),
    ChoiceExercise("zeros", ("l1", "l2", "max_norm"), lambda: "l1" if _one("l1", 1.5) == 0 else "l2"),
)


def views(values: Values, say: Texts) -> list[View]:
    """The descent of two weights, and 1,000 weights before and after."""
    import torch

    from striate.figures.penalties import CURVATURE, HIGH, LOW, MINIMUM, START, descend, penalized

    case = _case(values["kind"], values["strength"], values["bound"])
    weights_T2 = descend(case, torch.tensor(MINIMUM), torch.tensor(CURVATURE), values["proximal"]).numpy()
    end = weights_T2[-1]
    contours = [Series(say("said.loss") if level == LEVELS[0] else "", *_contour(level), 6) for level in LEVELS]
    region = [Series(say("said.penalty"), *boundary, 2) for boundary in _boundary(case, end)]
    path = Series("", weights_T2[:, 0], weights_T2[:, 1], 1)
    points = (
        Series(say("said.start"), START[:1], START[1:], 5),
        Series(say("said.minimum"), MINIMUM[:1], MINIMUM[1:], 3),
        Series(say("said.end"), end[:1], end[1:], 1),
    )
    before_UD = 0.5 * torch.randn(UNITS, INPUTS, generator=torch.Generator().manual_seed(0))
    after_UD = penalized(case, before_UD, values["proximal"])
    edges = np.linspace(-1.65, 1.65, 34)
    middles = (edges[:-1] + edges[1:]) / 2
    histograms, rows = [], []
    for role, (name, weights_UD) in enumerate((("before", before_UD), ("after", after_UD)), 1):
        counts = np.histogram(weights_UD.numpy(), edges)[0]
        histograms.append(Series(say(f"said.{name}"), middles, counts, 6 if role == 1 else 1, dashed=role == 1))
        zeros, norms = int((weights_UD == 0).sum()), weights_UD.norm(dim=1)
        rows.append(
            (say(f"said.{name}"), zeros, float(weights_UD.abs().sum()), float(weights_UD.square().sum()), float(norms.max()))
        )
    columns = ["", *(say(f"said.{name}") for name in ("zeros", "absolute", "squares", "norm"))]
    names = ("w1", "w2")
    result = {name: shown(weight, 3) for name, weight in zip(names, end.tolist(), strict=True)} | {"zeros": rows[1][1]}
    return [
        Points("two", points, "w₁", "w₂", (*contours, *region, path), (LOW[0], HIGH[0]), (LOW[1], 2.9)),
        Lines("histogram", histograms, say("said.weight"), say("said.count"), x_range=(-1.65, 1.65)),
        Table("table", columns, rows),
        Sentence("result", say("said.result", **result)),
    ]


def _case(kind: str, strength: float, bound: float) -> "Case":
    from striate.figures.penalties import Case

    return {
        "none": Case("none"), "l2": Case("L2", l2=strength), "l1": Case("L1", l1=strength),
        "elastic": Case("elastic net", strength, strength / 2), "max_norm": Case("max-norm", max_norm=bound),
    }[kind]  # fmt: skip


def _one(kind: str, strength: float) -> float:
    """Where one weight comes to that is 1 without a penalty."""
    import torch

    from striate.figures.penalties import penalized

    return float(penalized(_case(kind, strength, 1.0), torch.ones(1, 1)))


def _contour(level: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """The weights whose loss is this: an ellipse."""
    from striate.figures.penalties import CURVATURE, MINIMUM

    turn = np.linspace(0, 2 * np.pi, 91)
    variances, axes = np.linalg.eigh(np.array(CURVATURE))
    x, y = axes @ (np.sqrt(2 * level / variances)[:, None] * np.stack([np.cos(turn), np.sin(turn)]))
    return MINIMUM[0] + x, MINIMUM[1] + y


def _boundary(case: "Case", end_2: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """The weights whose penalty is that of the end, or whose norm is the bound; none without a penalty."""
    turn = np.linspace(0, 2 * np.pi, 181)
    x, y = np.cos(turn), np.sin(turn)
    if case.max_norm is not None:
        return [(case.max_norm * x, case.max_norm * y)]
    if not case.l1 and not case.l2:
        return []
    along = case.l1 * (abs(x) + abs(y))
    level = case.l1 * np.abs(end_2).sum() + case.l2 * np.square(end_2).sum()
    radius = (np.sqrt(along**2 + 4 * case.l2 * level) - along) / (2 * case.l2) if case.l2 else level / along
    return [(radius * x, radius * y)]
