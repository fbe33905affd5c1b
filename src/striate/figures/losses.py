"""Losses against the margin, and the textbook's scores under each.

Legend: P margins, N images, K classes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from striate.figures.catalogue import Drawn
from striate.plots.curves import Line, Panel, curves
from striate.plots.save_figure import check_ending, save
from striate.training import loss as losses

SCORES = ((10.0, -5.0, 5.0), (10.0, 8.0, 5.0))  # of three classes, of which the first is right
MARGIN = 10.0


def draw(path: Path) -> Drawn:
    """Two classes: each loss and its gradient over how far the right score is above the other. Three classes: a table."""
    margins_P = torch.linspace(-3, 4, 701)
    shown = {
        "cross-entropy": losses.cross_entropy(),
        "hinge, margin 1": losses.weston_watkins(1.0),
        "squared hinge": losses.weston_watkins(1.0, squared=True),
        "focal, gamma 2": losses.cross_entropy(focal=2.0),
    }
    loss_curves = {name: over(loss, margins_P) for name, loss in shown.items()}
    x_P = margins_P.double().numpy()
    value = Panel("loss of one image", "margin: true-class score minus the other", "loss", x_P,
                  [Line(name, both[0].double().numpy()) for name, both in loss_curves.items()], (-0.2, 6))  # fmt: skip
    slope = Panel("its gradient with respect to the margin", "margin: true-class score minus the other", "gradient", x_P,
                  [Line(name, both[1].double().numpy()) for name, both in loss_curves.items()], (-4, 0.4))  # fmt: skip
    table = {name: [one(loss, scores) for scores in SCORES] for name, loss in three().items()}
    plot((value, slope), SCORES, table, path)
    label = ", ".join(f"{score:g}" for score in SCORES[0])
    lines = [f"{name}: {row[0]:.7g} for scores ({label}), {row[1]:.7g} for (10, 8, 5)" for name, row in table.items()]
    by_torch = float(nn.MultiMarginLoss(margin=MARGIN)(torch.tensor([SCORES[0]]), torch.tensor([0])))
    lines.append(f"torch's MultiMarginLoss divides by the classes: {by_torch:.4f} for ({label})")
    softmax = torch.tensor(SCORES[0], dtype=torch.float64).softmax(0).tolist()
    probabilities = ", ".join(f"{share:.4g}" for share in softmax)
    lines.append(f"softmax of these: {probabilities}; without knowledge, cross-entropy of 10 "
                 f"classes is log 10 = {float(torch.tensor(10.0).log()):.4f}")  # fmt: skip
    return Drawn(tuple(lines), {"scores": [list(scores) for scores in SCORES], "losses": table, "multi_margin_loss": by_torch,
                                "softmax": softmax})  # fmt: skip


def three() -> dict[str, losses.Loss]:
    """The losses of the table, those with a margin with that of the textbook."""
    return {
        "cross-entropy": losses.cross_entropy(),
        "Weston-Watkins": losses.weston_watkins(MARGIN),
        "Weston-Watkins, squared": losses.weston_watkins(MARGIN, squared=True),
        "Crammer-Singer": losses.crammer_singer(MARGIN),
    }


def over(loss: losses.Loss, margins_P: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and gradient of two classes whose right score is this far above the other."""
    margins_P = margins_P.clone().requires_grad_()
    logits_P2 = torch.stack([margins_P, torch.zeros_like(margins_P)], 1)
    losses_P = loss(logits_P2, torch.zeros(len(margins_P), dtype=torch.long))
    (slope_P,) = torch.autograd.grad(losses_P.sum(), margins_P)
    return losses_P.detach(), slope_P


def one(loss: losses.Loss, scores: tuple[float, ...]) -> float:
    """The loss of one image with these scores, of which the first is that of the right class."""
    return float(loss(torch.tensor([scores]), torch.tensor([0])))


def plot(
    panels: Sequence[Panel], scores: Sequence[tuple[float, ...]], table: Mapping[str, Sequence[float]], path: Path
) -> None:
    """Draw the panels side by side, and below them each loss of each row of scores, the first of which is the right one.

    Raises:
        SettingError: another ending.
        DiskError: the disk refused.

    """
    check_ending(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, 5.2), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(3.4, 1.5))[:, 0]
    for axes, panel in zip(upper.subplots(1, len(panels)), panels, strict=True):
        curves(axes, panel)
    upper.axes[0].legend(fontsize=8, frameon=False)
    axes = lower.subplots()
    axes.axis("off")
    heads = ["", *("scores " + ", ".join(f"{score:g}" for score in row) for row in scores)]
    rows = [[name, *(f"{value:.4g}" for value in values)] for name, values in table.items()]
    grid = axes.table(cellText=[heads, *rows], loc="center", cellLoc="center", edges="horizontal")
    grid.auto_set_font_size(False)
    grid.set_fontsize(9)
    grid.scale(0.85, 1.25)
    axes.set_title("three classes, the first is the true one; hinge losses with a margin of 10", fontsize=9)
    figure.suptitle("Cross-entropy is never zero; a hinge loss is zero once the margin is met", fontsize=11)
    save(figure, path)
