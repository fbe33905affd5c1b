"""Training a new head on a frozen backbone (Yosinski et al. 2014, section 3, without fine-tuning).

The body does not change, so what it makes of an image is computed once, and the layer is trained on that. Where images are
changed at random, K changed copies of each are kept, and epoch e shows those of number e mod K.

Legend: N images of a batch, M training images, D features, K classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.base.hash_rng import places
from striate.training.transfer.feature_cache import Values

_CPU = torch.device("cpu")


class FeatureBatch(NamedTuple):
    """What `training.inference.BatchLike` asks for, with features in place of images."""

    images_NCHW: Tensor  # N x D features, float32, on the device
    labels_N: Tensor  # int64, on the device
    ids_N: NDArray[np.uint64]  # of the images
    whole: int  # N
    others_N: Tensor | None = None  # None: what is kept is not mixed
    shares_N: Tensor | None = None  # None


@dataclass(frozen=True)
class FeatureStream:
    """Features as batches, in the order in which `batches.loader.Loader` gives their images."""

    copies: Sequence[Values]  # features of the images and of their augmented copies: rows x D each, in memory or memory-mapped
    rows_M: NDArray[np.int64]  # the rows that this stream gives
    labels_M: NDArray[np.int64]  # their labels
    ids_M: NDArray[np.uint64]  # their ids
    batch_size: int  # most images in a batch
    shuffle_seed: int | None = None  # of the order of each epoch; None keeps that of `rows_M`
    device: torch.device = _CPU  # where batches go

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.rows_M) // self.batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[FeatureBatch]:
        """The batches of an epoch from position `start` on."""
        count, values = len(self.rows_M), self.copies[epoch % len(self.copies)]
        order = places(0, count, count, self.shuffle_seed, epoch)
        for step in range(start, self.steps):
            chosen = order[step * count // self.steps : (step + 1) * count // self.steps]
            features_ND = torch.from_numpy(values[self.rows_M[chosen]]).to(self.device)
            labels_N = torch.from_numpy(self.labels_M[chosen]).to(self.device)
            yield FeatureBatch(features_ND, labels_N, self.ids_M[chosen], len(chosen))


def fresh(features: int, classes: int) -> nn.Linear:
    """A zero-initialized linear head: with one layer alone there is no symmetry to break, so its weights begin with 0."""
    head = nn.Linear(features, classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head
