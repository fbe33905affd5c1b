"""Whether the label of a misclassified image may be wrong, judged by features in which the network has no part.

The neighbors by the network's own features are of the predicted class more often than not, since the network made the mistake
by them. So a label is doubted only where the neighbors by histograms of gradients of small gray copies are of that class too,
and only where such histograms tell the classes of these images apart.

Legend: M images, B training images that are compared with, D features, k neighbors.
"""

import numpy as np
from numpy.typing import NDArray

from striate.data import gradient_histograms
from striate.interpret import nearest_images
from striate.interpret.nearest_images import Vote
from striate.workflows.dataset import Dataset
from striate.workflows.inspect.model_on_data import Bank, nearest

NEAR = 5  # neighbors of each
_LEAST = 20  # training images from which on neighbors mean something
_ACCURATE = 0.9  # share of training images that must have the class of most of their neighbors


def other_bank(dataset: Dataset, rows_B: NDArray[np.int64]) -> Bank | None:
    """Training images described by histograms of gradients; None where these do not tell their classes apart."""
    if len(rows_B) < _LEAST:
        return None
    bank = Bank(rows_B, _described(dataset, rows_B))
    labels_B = dataset.examples.labels_N[rows_B]
    near_Bk = nearest(bank, bank.features_BD, rows_B, NEAR).rows_Qk
    agreeing_B = 2 * (labels_B[near_Bk] == labels_B[:, None]).sum(axis=1) > NEAR
    return bank if agreeing_B.mean() >= _ACCURATE else None


def votes(dataset: Dataset, other: Bank | None, rows_M: NDArray[np.int64]) -> list[Vote] | list[None]:
    """What the neighbors by these histograms say of the labels of images; None for each where there is no bank of them."""
    if other is None:
        return [None] * len(rows_M)
    labels_N = dataset.examples.labels_N
    near_Mk = nearest(other, _described(dataset, rows_M), rows_M, NEAR).rows_Qk
    return [
        nearest_images.vote(labels_N[other.rows_B[near_k]], int(labels_N[row]))
        for row, near_k in zip(rows_M.tolist(), near_Mk, strict=True)
    ]


def is_doubted(own: Vote, other: Vote | None) -> bool:
    """Whether the neighbors by the network's features and by others are against a label, for one and the same class."""
    return other is not None and own.against and other.against and own.other == other.other


def _described(dataset: Dataset, rows_M: NDArray[np.int64]) -> NDArray[np.float32]:
    return gradient_histograms.of_images(np.asarray(dataset.stored.thumbs_NSS[rows_M]))
