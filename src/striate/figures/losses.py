"""Losses against the margin, and the textbook's scores under each.

Legend: P margins.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from striate.figures.catalogue import FigureResult
from striate.plots.axes import table
from striate.plots.curves import Line, Panel, curves
from striate.plots.save_figure import new_figure
from striate.training import loss as losses

SCORES = ((10.0, -5.0, 5.0), (10.0, 8.0, 5.0))  # of three classes, of which the first is the true one
MARGIN = 10.0


def draw(path: Path) -> FigureResult:
    """Two classes: each loss and its gradient over how far the true class's score is above the other. Three: a table."""
    margins_P = torch.linspace(-3, 4, 701)
    pairs = {
        "cross-entropy": over(losses.cross_entropy(), margins_P),
        "hinge, margin 1": over(losses.weston_watkins(1.0), margins_P),
        "squared hinge": over(losses.weston_watkins(1.0, squared=True), margins_P),
        "focal, gamma 2": over(losses.cross_entropy(focal=2.0), margins_P),
    }
    values, gradients = ([Line(name, pair[i].double().numpy()) for name, pair in pairs.items()] for i in (0, 1))
    x_P, x_label = margins_P.double().numpy(), "margin: true-class score minus the other"
    panels = (
        Panel("loss of one image", x_label, "loss", x_P, values, (-0.2, 6)),
        Panel("its gradient with respect to the margin", x_label, "gradient", x_P, gradients, (-4, 0.4)),
    )
    rows = {name: [loss_of(loss, scores) for scores in SCORES] for name, loss in three().items()}
    _plot(panels, rows, path)
    first = ", ".join(f"{score:g}" for score in SCORES[0])
    by_torch = float(nn.MultiMarginLoss(margin=MARGIN)(torch.tensor([SCORES[0]]), torch.tensor([0])))
    softmax = probabilities(SCORES[0])
    lines = (
        *(f"{name}: {row[0]:.7g} for scores ({first}), {row[1]:.7g} for (10, 8, 5)" for name, row in rows.items()),
        f"torch's MultiMarginLoss divides by the classes: {by_torch:.4f} for ({first})",
        f"softmax of these: {', '.join(f'{share:.4g}' for share in softmax)}; at equal scores, cross-entropy of 10 classes "
        f"is log 10 = {float(torch.tensor(10.0).log()):.4f}",
    )
    numbers = {"scores": [list(scores) for scores in SCORES], "losses": rows, "multi_margin_loss": by_torch, "softmax": softmax}
    return FigureResult(lines, numbers)


def three(margin: float = MARGIN) -> dict[str, losses.Loss]:
    """The losses of the table, those with a margin with that of the textbook."""
    return {
        "cross-entropy": losses.cross_entropy(),
        "Weston-Watkins": losses.weston_watkins(margin),
        "Weston-Watkins, squared": losses.weston_watkins(margin, squared=True),
        "Crammer-Singer": losses.crammer_singer(margin),
    }


def probabilities(scores: Sequence[float]) -> list[float]:
    """The softmax of the scores."""
    shares: list[float] = torch.tensor(scores, dtype=torch.float64).softmax(0).tolist()
    return shares


def over(loss: losses.Loss, margins_P: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and gradient of two classes, where the true class's score is this far above the other."""
    margins_P = margins_P.clone().requires_grad_()
    logits_P2 = torch.stack([margins_P, torch.zeros_like(margins_P)], 1)
    losses_P = loss(logits_P2, torch.zeros(len(margins_P), dtype=torch.long))
    (gradient_P,) = torch.autograd.grad(losses_P.sum(), margins_P)
    return losses_P.detach(), gradient_P


def loss_of(loss: losses.Loss, scores: Sequence[float]) -> float:
    """The loss of one image with these scores, the first that of the true class."""
    return loss_and_gradient(loss, scores)[0]


def loss_and_gradient(loss: losses.Loss, scores: Sequence[float]) -> tuple[float, list[float]]:
    """The loss of one image, and its gradient with respect to each score."""
    logits_1K = torch.tensor([scores]).requires_grad_()
    loss_1 = loss(logits_1K, torch.tensor([0]))
    (gradient_1K,) = torch.autograd.grad(loss_1.sum(), logits_1K)
    return float(loss_1.detach()), gradient_1K[0].tolist()


def _plot(panels: Sequence[Panel], losses: Mapping[str, Sequence[float]], path: Path) -> None:
    """The panels side by side, and below them each loss of each row of scores."""
    with new_figure(path, 9.2, 5.2, "Cross-entropy is never zero; a hinge loss is zero once the margin is met") as figure:
        upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(3.4, 1.5))[:, 0]
        for axes, panel in zip(upper.subplots(1, len(panels)), panels, strict=True):
            curves(axes, panel)
        upper.axes[0].legend(fontsize=8, frameon=False)
        axes = lower.subplots()
        heads = ["", *("scores " + ", ".join(f"{score:g}" for score in scores) for scores in SCORES)]
        rows = [[name, *(f"{value:.4g}" for value in values)] for name, values in losses.items()]
        table(axes, [heads, *rows], (0.85, 1.25))
        axes.set_title("three classes, the first is the true one; hinge losses with a margin of 10", fontsize=9)
