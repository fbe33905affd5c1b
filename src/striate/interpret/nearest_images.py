"""The training images with the features nearest to those of an image, and whether their labels contradict its label.

Legend: N images, Q query images, B images to choose from, D features, k neighbors.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.nets.eval_mode import evaluating
from striate.nets.hooks import inputs
from striate.nets.net import Net

Features = NDArray[np.float32]


class Nearest(NamedTuple):
    """For each of Q images its k nearest, the nearest first: their rows, and the cosine similarity of the features."""

    rows_Qk: NDArray[np.int64]
    cosine_Qk: NDArray[np.float32]


class Vote(NamedTuple):
    """What the labels of k neighbors say."""

    given: int  # neighbors with the true label
    other: int | None  # the commonest label among the others; of equals the one that comes first. None where there is none
    others: int  # neighbors with that one
    against: bool  # `other` has more than half of the neighbors


class Outputs(NamedTuple):
    """What the head is given for N images, and what the network says of them."""

    features_ND: Features
    logits_NK: Features


def outputs(net: Net, batches: Iterable[Any]) -> Outputs:
    """Of every image of the batches, in their order; the net's mode is put back."""
    features, logits = [], []
    with torch.inference_mode(), evaluating(net), inputs(net, net.head_name) as head_inputs:
        for batch in batches:
            logits.append(net(batch.images_NCHW).float().cpu().numpy())
            features.append(head_inputs[net.head_name].flatten(1).float().cpu().numpy())
    none = np.empty((0, 0), np.float32)
    return Outputs(np.concatenate(features) if features else none, np.concatenate(logits) if logits else none)


def penultimate(net: Net, batches: Iterable[Any]) -> Features:
    """N x D: what the head is given, for every image of the batches, in their order; the net's mode is put back."""
    return outputs(net, batches).features_ND


def nearest(query_QD: Features, bank_BD: Features, k: int, not_rows_Q: NDArray[np.int64] | None = None) -> Nearest:
    """The k of B images, or all where there are fewer, whose features point most where those of each query image do.

    The cosine is taken, since after a ReLU the length of features says how strong an image is and the direction what it
    shows. `not_rows_Q` has for each query image a row of the bank that is left out, as it is itself; -1 for none.
    """
    k = min(k, len(bank_BD) - (not_rows_Q is not None))
    bank_BD_unit = _unit(bank_BD)
    rows, cosines = [], []
    for start in range(0, len(query_QD), 256):
        cosine_QB = _unit(query_QD[start : start + 256]) @ bank_BD_unit.T
        if not_rows_Q is not None:
            own_Q = torch.from_numpy(not_rows_Q[start : start + 256])
            has_Q = torch.nonzero(own_Q >= 0).flatten()
            cosine_QB[has_Q, own_Q[has_Q]] = -2.0
        best = torch.topk(cosine_QB, k, dim=1)
        rows.append(best.indices.numpy())
        cosines.append(best.values.numpy())
    if not rows:
        return Nearest(np.empty((0, k), np.int64), np.empty((0, k), np.float32))
    return Nearest(np.concatenate(rows), np.concatenate(cosines))


def _unit(features_ND: Features) -> Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(np.ascontiguousarray(features_ND, np.float32)), dim=1)


def vote(labels_k: NDArray[np.int64], true_label: int) -> Vote:
    """What the labels of an image's neighbors say of its own."""
    counts = np.bincount(labels_k, minlength=true_label + 1)
    given = int(counts[true_label])
    counts[true_label] = 0
    other = int(counts.argmax())
    others = int(counts[other])
    return Vote(given, other if others else None, others, against=2 * others > len(labels_k))
