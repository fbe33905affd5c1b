"""Two weights under a penalty: gradient descent on a bowl with what training adds to it, until nothing moves.

Legend: T steps, 2 weights, H x W points of the plane.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.figures.catalogue import FigureResult
from striate.plots.axes import label
from striate.plots.canvas import GRAY, INK, SERIES_COLORS
from striate.plots.save_figure import new_figure
from striate.training.weight_penalty import Penalty

if TYPE_CHECKING:
    from matplotlib.axes import Axes
DESCENT, PENALTY = SERIES_COLORS[:2]
_PLATE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}  # behind text
LOW, HIGH = (-1.1, -1.1), (2.1, 2.3)  # of the weights shown
MINIMUM = (0.4, 1.5)  # of the bowl, without a penalty
CURVATURE = ((1.0, 0.3), (0.3, 1.0))
START = (-0.9, 0.35)
STEPS, RATE = 400, 0.1


class Case(NamedTuple):
    """A penalty by the names of section [train]."""

    name: str
    l1: float = 0.0  # factor of |w1| + |w2|
    l2: float = 0.0  # factor of w1² + w2²
    max_norm: float | None = None  # the largest length; None for none


CASES = (
    Case("L2: 0.3 (w1² + w2²)", l2=0.3), Case("L1: 0.6 (|w1| + |w2|)", l1=0.6),
    Case("elastic net: 0.3 (|w1| + |w2|) + 0.15 (w1² + w2²)", l1=0.3, l2=0.15),
    Case("max-norm: length at most 1", max_norm=1.0),
)  # fmt: skip


def draw(path: Path) -> FigureResult:
    """Descend under each penalty from the same start."""
    minimum, curvature = torch.tensor(MINIMUM), torch.tensor(CURVATURE)
    descents, numbers = [], dict[str, object]()
    lines = [f"without a penalty: w = ({MINIMUM[0]:g}, {MINIMUM[1]:g})"]
    for case in CASES:
        weights_T2 = descend(case, minimum, curvature)
        descents.append(weights_T2.numpy())
        end = weights_T2[-1].tolist()
        line = f"{case.name}: w = ({_form(end[0], 3)}, {_form(end[1], 3)})"
        by_subgradient = None
        if case.l1:
            by_subgradient = descend(case, minimum, curvature, proximal=False)[-1].tolist()
            line += f"; by the subgradient w1 = {by_subgradient[0]:.2g}"
        lines.append(line)
        numbers[case.name.partition(":")[0]] = {
            "l1": case.l1, "l2": case.l2, "max_norm": case.max_norm, "weights": end, "by_subgradient": by_subgradient,
        }  # fmt: skip
    _plot(descents, path)
    return FigureResult(tuple(lines), {"minimum": list(MINIMUM), **numbers})


def _form(value: float, places: int) -> str:
    return "0" if value == 0 else f"{value:.{places}f}"


def descend(case: Case, minimum: Tensor, curvature: Tensor, proximal: bool = True) -> Tensor:
    """The weights before the first and after each step, T x 2."""
    return torch.stack([weight_12[0] for weight_12 in steps(case, torch.tensor([START]), minimum, curvature, proximal)])


def steps(case: Case, start_UD: Tensor, minimum: Tensor, curvature_DD: Tensor, proximal: bool = True) -> Iterator[Tensor]:
    """The weights of U units with D inputs before the first step of gradient descent and after each."""
    weight = start_UD.clone()
    penalty = Penalty((weight,), (1.0,), (None,), case.l1, case.l2, proximal, case.max_norm)
    yield weight.clone()
    for _ in range(STEPS):
        weight.grad = (weight - minimum) @ curvature_DD
        penalty.before_step()
        weight -= RATE * weight.grad
        penalty.after_step(RATE)
        yield weight.clone()


def penalized(case: Case, minimum_UD: Tensor, proximal: bool = True) -> Tensor:
    """Where the weights of U units come to whose loss is half the squared distance from these."""
    *_, last_UD = steps(case, minimum_UD, minimum_UD, torch.eye(minimum_UD.shape[1]), proximal)
    return last_UD


def _plot(descents: Sequence[NDArray[Any]], path: Path) -> None:
    """A panel for each case; the bowl is half of (w - minimum)' curvature (w - minimum)."""
    x_HW, y_HW = np.meshgrid(np.linspace(LOW[0], HIGH[0], 241), np.linspace(LOW[1], HIGH[1], 241))
    away_2HW = np.stack([x_HW - MINIMUM[0], y_HW - MINIMUM[1]])
    bowl_HW = 0.5 * np.einsum("ihw,ij,jhw->hw", away_2HW, np.array(CURVATURE), away_2HW)
    title = "Where two weights converge: on the corner of L1 one is exactly zero, elsewhere they are small"
    with new_figure(path, 9.0, 9.4, title) as figure:
        for axes, case, weights_T2 in zip(figure.subplots(2, 2).flat, CASES, descents, strict=True):
            axes.contour(x_HW, y_HW, bowl_HW, levels=[0.03, 0.12, 0.3, 0.6, 1.1, 1.8, 2.8], colors=GRAY, linewidths=0.7)
            _draw_penalty(axes, case, x_HW, y_HW, weights_T2[-1])
            _draw_descent(axes, weights_T2)
            label(axes, case.name, "w1", "w2")
            axes.set_aspect("equal")


def _draw_penalty(axes: "Axes", case: Case, x_HW: NDArray[Any], y_HW: NDArray[Any], end_2: NDArray[Any]) -> None:
    """The weights whose penalty is at most that of the end."""
    if case.max_norm is None:
        term_HW = case.l1 * (abs(x_HW) + abs(y_HW)) + case.l2 * (x_HW**2 + y_HW**2)
        level = float(case.l1 * np.abs(end_2).sum() + case.l2 * np.square(end_2).sum())
    else:
        term_HW, level = np.hypot(x_HW, y_HW), case.max_norm
    axes.contourf(x_HW, y_HW, term_HW, levels=[0, level], colors=[PENALTY], alpha=0.14)
    axes.contour(x_HW, y_HW, term_HW, levels=[level], colors=PENALTY, linewidths=1.4)


def _draw_descent(axes: "Axes", weights_T2: NDArray[Any]) -> None:
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.plot(*weights_T2.T, color=DESCENT, linewidth=1.3, marker=".", markersize=3)
    axes.plot(*weights_T2[0], "o", color=DESCENT, fillstyle="none", markersize=6)
    axes.plot(*MINIMUM, "x", color=INK, markersize=8)
    axes.annotate("without a penalty", MINIMUM, (7, 7), textcoords="offset points", fontsize=8, bbox=_PLATE)
    end = weights_T2[-1]
    axes.plot(*end, "o", color=DESCENT, markersize=7)
    axes.annotate(
        f"w = ({_form(end[0], 2)}, {_form(end[1], 2)})", end, (12, -14), textcoords="offset points", fontsize=9, color=DESCENT,
        fontweight="bold", bbox=_PLATE,
    )  # fmt: skip
