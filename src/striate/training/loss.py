"""What is minimised.

Legend: N images, K classes.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from striate.nets.googlenet import GoogLeNetOut

AUXILIARY_WEIGHT = 0.3  # Szegedy et al. 2015, section 5
Loss = Callable[[Tensor, Tensor], Tensor]  # logits_NK, labels_N -> losses_N


def cross_entropy(smoothing: float = 0.0, weights_K: Tensor | None = None) -> Loss:
    """-log softmax of the true class, for each image, through logsumexp.

    Args:
        smoothing: share of the target that is spread evenly over all K classes (Szegedy et al. 2016, section 7).
        weights_K: what the loss of an image is multiplied with, by its class; None for one.

    """

    def losses(logits_NK: Tensor, labels_N: Tensor) -> Tensor:
        losses_N = functional.cross_entropy(logits_NK.float(), labels_N, reduction="none", label_smoothing=smoothing)
        return losses_N if weights_K is None else losses_N * weights_K[labels_N]

    return losses


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


def over_heads(loss: Loss, outputs: Tensor | GoogLeNetOut, labels_N: Tensor) -> Tensor:
    """The loss of each image, with 0.3 of the loss of each auxiliary head where the network has them in training."""
    if not isinstance(outputs, GoogLeNetOut):
        return loss(outputs, labels_N)
    beside_N = loss(outputs.aux4a_NK, labels_N) + loss(outputs.aux4d_NK, labels_N)
    return loss(outputs.logits_NK, labels_N) + AUXILIARY_WEIGHT * beside_N
