"""Two weights under a penalty: gradient descent on a bowl with what training adds to it, until nothing moves.

Legend: T steps, 2 weights.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from striate.figures import penalties_plot as drawing
from striate.figures.table import Drawn
from striate.training.weight_penalty import Penalty

MINIMUM = (0.4, 1.5)  # of the bowl, without a penalty
CURVATURE = ((1.0, 0.3), (0.3, 1.0))
START = (-0.9, 0.35)
STEPS, RATE = 400, 0.1


class Case(NamedTuple):
    """A penalty by the names of section [train]."""

    name: str
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float | None = None


CASES = (
    Case("L2: 0.3 (w1² + w2²)", l2=0.3), Case("L1: 0.6 (|w1| + |w2|)", l1=0.6),
    Case("elastic net: 0.3 (|w1| + |w2|) + 0.15 (w1² + w2²)", l1=0.3, l2=0.15),
    Case("max-norm: length at most 1", max_norm=1.0),
)  # fmt: skip


def draw(path: Path) -> Drawn:
    """Descend under each penalty from the same start."""
    minimum, curvature = torch.tensor(MINIMUM), torch.tensor(CURVATURE)
    paths, numbers = [], dict[str, object]()
    lines = [f"without a penalty: w = ({MINIMUM[0]:g}, {MINIMUM[1]:g})"]
    for case in CASES:
        way_T2 = descend(case, minimum, curvature)
        end = way_T2[-1].tolist()
        by_subgradient = descend(case, minimum, curvature, proximal=False)[-1].tolist() if case.l1 else None
        paths.append(drawing.Way(case.name, case.l1, case.l2, case.max_norm, way_T2.numpy()))
        said = f"{case.name}: w = ({_said(end[0])}, {_said(end[1])})"
        if by_subgradient is not None:
            said += f"; by the subgradient w1 = {by_subgradient[0]:.2g}"
        lines.append(said)
        numbers[case.name.partition(":")[0]] = {
            "l1": case.l1, "l2": case.l2, "max_norm": case.max_norm, "weights": end, "by_subgradient": by_subgradient,
        }  # fmt: skip
    drawing.draw(MINIMUM, CURVATURE, paths, path)
    return Drawn(tuple(lines), {"minimum": list(MINIMUM), **numbers})


def _said(value: float) -> str:
    return "0" if value == 0 else f"{value:.3f}"


def descend(case: Case, minimum: Tensor, curvature: Tensor, proximal: bool = True) -> Tensor:
    """The weights before the first and after each step, T x 2."""
    weight = torch.tensor([START])
    penalty = Penalty((weight,), (1.0,), (None,), case.l1, case.l2, proximal, case.max_norm)
    way = [weight[0].clone()]
    for _ in range(STEPS):
        weight.grad = (weight - minimum) @ curvature
        penalty.before_step()
        weight -= RATE * weight.grad
        penalty.after_step(RATE)
        way.append(weight[0].clone())
    return torch.stack(way)
