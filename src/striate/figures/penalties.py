"""Two weights under a penalty: gradient descent on a bowl with what training adds to it, until nothing moves.

Legend: T steps, 2 weights.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.figures.catalogue import Drawn
from striate.plots.canvas import GRAY, INK
from striate.plots.save_figure import check_ending, save
from striate.training.weight_penalty import Penalty

if TYPE_CHECKING:
    from matplotlib.axes import Axes
PENALTY, WAY = "#d55e00", "#0072b2"
_PLATE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}  # behind text
LOW, HIGH = (-1.1, -1.1), (2.1, 2.3)  # of the weights shown
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


class Way(NamedTuple):
    """A way down under a penalty.

    Attributes:
        name: of the penalty.
        l1: factor of |w1| + |w2|.
        l2: factor of w1² + w2².
        max_norm: the largest length; None for none.
        weights_T2: from the start on.

    """

    name: str
    l1: float
    l2: float
    max_norm: float | None
    weights_T2: NDArray[Any]


def draw(path: Path) -> Drawn:
    """Descend under each penalty from the same start."""
    minimum, curvature = torch.tensor(MINIMUM), torch.tensor(CURVATURE)
    paths, numbers = [], dict[str, object]()
    lines = [f"without a penalty: w = ({MINIMUM[0]:g}, {MINIMUM[1]:g})"]
    for case in CASES:
        way_T2 = descend(case, minimum, curvature)
        end = way_T2[-1].tolist()
        by_subgradient = descend(case, minimum, curvature, proximal=False)[-1].tolist() if case.l1 else None
        paths.append(Way(case.name, case.l1, case.l2, case.max_norm, way_T2.numpy()))
        sentence = f"{case.name}: w = ({_said(end[0])}, {_said(end[1])})"
        if by_subgradient is not None:
            sentence += f"; by the subgradient w1 = {by_subgradient[0]:.2g}"
        lines.append(sentence)
        numbers[case.name.partition(":")[0]] = {
            "l1": case.l1, "l2": case.l2, "max_norm": case.max_norm, "weights": end, "by_subgradient": by_subgradient,
        }  # fmt: skip
    plot(MINIMUM, CURVATURE, paths, path)
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


def plot(minimum: tuple[float, float], curvature: Sequence[Sequence[float]], ways: Sequence[Way], path: Path) -> None:
    """Draw a panel for each way; the bowl is half of (w - minimum)' curvature (w - minimum).

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 9.4), layout="constrained")
    panels = figure.subplots(2, 2)
    x_HW, y_HW = np.meshgrid(np.linspace(LOW[0], HIGH[0], 241), np.linspace(LOW[1], HIGH[1], 241))
    away_2HW = np.stack([x_HW - minimum[0], y_HW - minimum[1]])
    bowl_HW = 0.5 * np.einsum("ihw,ij,jhw->hw", away_2HW, np.array(curvature), away_2HW)
    for axes, way in zip(panels.flat, ways, strict=True):
        _panel(axes, x_HW, y_HW, bowl_HW, minimum, way)
    figure.suptitle(
        "Where two weights come to rest: on the corner of L1 one is exactly zero, elsewhere they are small", fontsize=11
    )
    save(figure, path)


def _panel(
    axes: "Axes", x_HW: NDArray[Any], y_HW: NDArray[Any], bowl_HW: NDArray[Any], minimum: tuple[float, float], way: Way
) -> None:
    axes.contour(x_HW, y_HW, bowl_HW, levels=[0.03, 0.12, 0.3, 0.6, 1.1, 1.8, 2.8], colors=GRAY, linewidths=0.7)
    end = way.weights_T2[-1]
    if way.max_norm is None:
        term_HW = way.l1 * (abs(x_HW) + abs(y_HW)) + way.l2 * (x_HW**2 + y_HW**2)
        level = float(way.l1 * np.abs(end).sum() + way.l2 * np.square(end).sum())
    else:
        term_HW, level = np.hypot(x_HW, y_HW), way.max_norm
    axes.contourf(x_HW, y_HW, term_HW, levels=[0, level], colors=[PENALTY], alpha=0.14)
    axes.contour(x_HW, y_HW, term_HW, levels=[level], colors=PENALTY, linewidths=1.4)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.plot(*way.weights_T2.T, color=WAY, linewidth=1.3, marker=".", markersize=3)
    axes.plot(*way.weights_T2[0], "o", color=WAY, fillstyle="none", markersize=6)
    axes.plot(*minimum, "x", color=INK, markersize=8)
    axes.annotate("without a penalty", minimum, (7, 7), textcoords="offset points", fontsize=8, bbox=_PLATE)
    axes.plot(*end, "o", color=WAY, markersize=7)
    first, second = ("0" if value == 0 else f"{value:.2f}" for value in end)
    axes.annotate(
        f"w = ({first}, {second})", end, (12, -14), textcoords="offset points", fontsize=9, color=WAY, fontweight="bold",
        bbox=_PLATE,
    )  # fmt: skip
    axes.set_title(way.name, fontsize=9)
    axes.set_xlabel("w1", fontsize=8)
    axes.set_ylabel("w2", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_aspect("equal")
