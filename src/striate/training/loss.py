"""Loss functions.

Legend: N images, K classes.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from striate.base.config import Train
from striate.nets.architectures.googlenet import GoogLeNetOut

AUXILIARY_WEIGHT = 0.3  # Szegedy et al. 2015, section 5
SMOOTHING = 0.05
MARGIN = 1.0
ASYMMETRIC = (0.0, 4.0, 0.05)  # gamma_positive, gamma_negative and shift of Ridnik et al. 2021, section 3.2
_TINY = 1e-12
Loss = Callable[[Tensor, Tensor], Tensor]  # logits_NK, labels_N -> losses_N


def make(settings: Train, weights_K: Tensor | None) -> Loss:
    """The loss that section [train] asks for."""
    if settings.loss == "binary-cross-entropy":
        return binary_cross_entropy()
    if settings.loss == "asymmetric":
        given = (settings.gamma_positive, settings.gamma_negative, settings.shift)
        return asymmetric(*(usual if value is None else value for value, usual in zip(given, ASYMMETRIC, strict=True)))
    if settings.loss == "cross-entropy":
        smoothing = SMOOTHING if settings.label_smoothing is None else settings.label_smoothing
        return weighted(cross_entropy(smoothing, settings.focal or 0.0), weights_K)
    kind = weston_watkins if settings.loss == "weston-watkins" else crammer_singer
    margin = MARGIN if settings.margin is None else settings.margin
    return weighted(kind(margin, bool(settings.squared)), weights_K)


def cross_entropy(smoothing: float = 0.0, focal: float = 0.0) -> Loss:
    """-log softmax of the true class, for each image, through logsumexp.

    Args:
        smoothing: share of the target that is spread evenly over all K classes (Szegedy et al. 2016, section 7).
        focal: gamma of (1 - p)^gamma, with p the probability of the true class, which the loss is multiplied with, so that
            images that are right already weigh less (Lin et al. 2017, equation 4).

    """

    def losses(logits_NK: Tensor, labels_N: Tensor) -> Tensor:
        wide_NK = logits_NK.float()
        losses_N = functional.cross_entropy(wide_NK, labels_N, reduction="none", label_smoothing=smoothing)
        if not focal:
            return losses_N
        true_N = functional.cross_entropy(wide_NK, labels_N, reduction="none")
        return losses_N * (-torch.expm1(-true_N)) ** focal

    return losses


def weston_watkins(margin: float = 1.0, squared: bool = False) -> Loss:
    """Sum over the other classes of max(0, s_j - s_y + margin), or of its square (Weston & Watkins 1999).

    torch's MultiMarginLoss divides this by the number of classes; the textbooks do not.
    """

    def losses(logits_NK: Tensor, labels_N: Tensor) -> Tensor:
        losses_NK = _margins(logits_NK, labels_N, margin)
        return (losses_NK.square() if squared else losses_NK).sum(1)

    return losses


def crammer_singer(margin: float = 1.0, squared: bool = False) -> Loss:
    """max(0, margin + largest other score - s_y), or its square (Crammer & Singer 2001)."""

    def losses(logits_NK: Tensor, labels_N: Tensor) -> Tensor:
        losses_N = _margins(logits_NK, labels_N, margin).amax(1)
        return losses_N.square() if squared else losses_N

    return losses


def binary_cross_entropy() -> Loss:
    """-y log p - (1 - y) log(1 - p) with p the sigmoid of a label's logit: the mean over the labels, for each image.

    `labels_N` are N x K, 0 or 1: an image has each label or not.
    """

    def losses(logits_NK: Tensor, labels_N: Tensor) -> Tensor:
        targets_NK = labels_N.to(torch.float32)
        return functional.binary_cross_entropy_with_logits(logits_NK.float(), targets_NK, reduction="none").mean(1)

    return losses


def asymmetric(
    gamma_positive: float = ASYMMETRIC[0], gamma_negative: float = ASYMMETRIC[1], shift: float = ASYMMETRIC[2]
) -> Loss:
    """Binary cross-entropy in which labels that an image does not have weigh less, and the easy ones of these not at all.

    -y (1 - p)^gamma_positive log p - (1 - y) q^gamma_negative log(1 - q), with q = max(p - shift, 0): the mean over the labels
    (Ridnik et al. 2021, equations 4 to 7). `labels_N` are as of `binary_cross_entropy`, which it is for 0, 0 and 0.
    """

    def losses(logits_NK: Tensor, labels_N: Tensor) -> Tensor:
        wide_NK, targets_NK = logits_NK.float(), labels_N.to(torch.float32)
        log_p_NK, log_not_p_NK = functional.logsigmoid(wide_NK), functional.logsigmoid(-wide_NK)
        shifted_NK = (wide_NK.sigmoid() - shift).clamp(min=_TINY)  # a power of 0 may have no derivative
        log_not_q_NK = torch.log1p(-shifted_NK) if shift else log_not_p_NK
        positive_NK = targets_NK * log_p_NK * _power(log_not_p_NK, gamma_positive)
        negative_NK = (1 - targets_NK) * log_not_q_NK * (shifted_NK**gamma_negative if gamma_negative else 1.0)
        return -(positive_NK + negative_NK).mean(1)

    return losses


def _power(logarithms: Tensor, exponent: float) -> Tensor | float:
    return torch.exp(exponent * logarithms) if exponent else 1.0


def _margins(logits_NK: Tensor, labels_N: Tensor, margin: float) -> Tensor:
    """How much each other class lacks of being `margin` below the true one; 0 for the true one."""
    wide_NK = logits_NK.float()
    lacking_NK = (wide_NK - wide_NK.gather(1, labels_N[:, None]) + margin).clamp(min=0)
    return lacking_NK.scatter(1, labels_N[:, None], 0.0)


def weighted(loss: Loss, weights_K: Tensor | None) -> Loss:
    """A loss multiplied, for each image, with the weight of its class; None for none."""
    if weights_K is None:
        return loss
    return lambda logits_NK, labels_N: loss(logits_NK, labels_N) * weights_K[labels_N]


def class_weights(labels_N: NDArray[np.int64], classes: int, how: Literal["none", "balanced"]) -> Tensor | None:
    """Weights by class whose mean over the N images is one.

    `balanced` gives N / (K n_k), so that every class weighs the same in the sum; a class without images weighs nothing.
    """
    if how == "none":
        return None
    counts_K = np.bincount(labels_N, minlength=classes)
    weights_K = len(labels_N) / (np.count_nonzero(counts_K) * np.maximum(counts_K, 1))
    return torch.from_numpy(np.where(counts_K > 0, weights_K, 0.0)).to(torch.float32)


def final(outputs: Tensor | GoogLeNetOut) -> Tensor:
    """The logits of what a network put out, N x K, without those of its auxiliary heads."""
    return outputs.logits_NK if isinstance(outputs, GoogLeNetOut) else outputs


def over_heads(
    loss: Loss, outputs: Tensor | GoogLeNetOut, labels_N: Tensor, others_N: Tensor | None = None, shares_N: Tensor | None = None
) -> Tensor:
    """The loss of each image, with 0.3 of the loss of each auxiliary head where the network has them in training.

    Of mixed images it is the loss of their own label and that of `others_N`, what was mixed in, by the share 0..1 of their own,
    `shares_N`; for cross-entropy that is the loss of the soft label.
    """
    if others_N is not None and shares_N is not None:
        return shares_N * over_heads(loss, outputs, labels_N) + (1 - shares_N) * over_heads(loss, outputs, others_N)
    if not isinstance(outputs, GoogLeNetOut):
        return loss(outputs, labels_N)
    beside_N = loss(outputs.aux4a_NK, labels_N) + loss(outputs.aux4d_NK, labels_N)
    return loss(outputs.logits_NK, labels_N) + AUXILIARY_WEIGHT * beside_N
