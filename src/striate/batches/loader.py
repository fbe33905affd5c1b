"""Batches from the pixel cache or from memory, in an order that is a function of (seed, epoch).

Legend: N images of a batch, M images of the loader, C channels, H x W pixels.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.hash_rng import places
from striate.batches.augment import Augmentation
from striate.batches.mixup import mix
from striate.batches.preprocess import Preprocess
from striate.batches.sampler import Balanced, Picked
from striate.data.on_the_fly import PixelRows, read

_CPU = torch.device("cpu")
_BLOCK = 4096
_BATCHES_AHEAD = 2  # of images that are decoded as they are needed


class Batch(NamedTuple):
    """One batch, or this process's share of it."""

    images_NCHW: Tensor  # float32, preprocessed, on the device
    labels_N: Tensor  # int64 positions in the class names, on the device
    ids_N: NDArray[np.uint64]  # the examples' ids, so that every message can name the file
    whole: int  # images in the batch over all processes; N where there is one process
    others_N: Tensor | None = None  # where images are mixed: labels of what was mixed in; else None
    shares_N: Tensor | None = None  # where images are mixed: share of each image's own label, 0..1; else None


class _Share(NamedTuple):
    """What this process has of a batch, and what follows each; `whole` as in `Batch`."""

    own: Picked
    others: Picked
    whole: int


@dataclass(frozen=True)
class Loader:
    """M labeled images as batches.

    An epoch has ceil(M / batch_size) batches whose sizes differ by at most one image: no small last batch, none left out. With
    several processes each batch is dealt out image by image, so each image is seen exactly once an epoch. Where classes are
    balanced, an epoch has the places of `sampling` in place of M.
    """

    # uint8, in memory, memory-mapped or decoded as they are needed: two batches ahead, in other processes
    pixels_NHWC: PixelRows
    labels_N: NDArray[np.int64]  # a label for each row of `pixels_NHWC`
    ids_N: NDArray[np.uint64]  # an id for each row
    rows_M: NDArray[np.int64]  # the rows that this loader gives
    preprocess: Preprocess  # applied to each batch, on the device
    batch_size: int  # most images in a batch, over all processes
    shuffle_seed: int | None = None  # of the order of each epoch; None keeps the order of `rows_M`
    device: torch.device = _CPU  # where batches go
    channels_last: bool = False  # memory order of the images
    rank: int = 0  # this process
    world: int = 1  # processes
    augmentation: Augmentation | None = None  # random changes before that; None for none
    sampling: Balanced | None = None  # what an epoch shows of `rows_M`, where that is not each image once

    def __len__(self) -> int:
        return len(self.rows_M)

    @property
    def places(self) -> int:
        """Images that an epoch shows."""
        return len(self.rows_M) if self.sampling is None else self.sampling.places

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-self.places // self.batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from position `start` on; those before cost nothing."""
        preprocess, ahead = self.preprocess.to(self.device), _BATCHES_AHEAD * self.batch_size
        with closing(read(self.pixels_NHWC, self._shares(epoch, start), self._rows_to_read, ahead)) as decoded:
            for share, pixels in decoded:
                yield self._batch(share, pixels, preprocess, epoch)

    def _shares(self, epoch: int, start: int) -> Iterator[_Share]:
        count, steps = self.places, self.steps
        block, begins = np.empty(0, np.int64), 0
        for step in range(start, steps):
            first, end = step * count // steps, (step + 1) * count // steps
            if end >= begins + len(block):
                # In blocks, since a call costs more than its places; beyond the last, since each image's partner is the next
                block = places(first, max(end + 1, first + _BLOCK), count, self.shuffle_seed, epoch)
                begins = first
            offset = first - begins + self.rank
            own, following = block[offset : end - begins : self.world], block[offset + 1 : end - begins + 1 : self.world]
            yield _Share(self._pick(own, epoch), self._pick(following, epoch), end - first)

    def _partners_to_read(self, share: _Share) -> Picked:
        """The partners that are not in the batch already: in one process all but the last are."""
        others = share.others
        if self.augmentation is None or not self.augmentation.mixes:
            first = len(others.rows_N)
        else:
            first = len(share.own.rows_N) - 1 if self.world == 1 else 0
        return Picked(others.rows_N[first:], others.draws_N[first:])

    def _rows_to_read(self, share: _Share) -> NDArray[np.int64]:
        return np.concatenate([share.own.rows_N, self._partners_to_read(share).rows_N])

    def _pick(self, places_N: NDArray[np.int64], epoch: int) -> Picked:
        if self.sampling is not None:
            return self.sampling.pick(places_N, self.ids_N, epoch)
        rows_N = self.rows_M[places_N]
        return Picked(rows_N, self.ids_N[rows_N])

    def _batch(self, share: _Share, pixels: NDArray[np.uint8], preprocess: Preprocess, epoch: int) -> Batch:
        (rows_N, draws_N), shares_N, changes = share.own, None, self.augmentation
        if changes is None:
            images_NCHW = preprocess.images(torch.from_numpy(pixels).to(self.device))
        else:
            levels_NCHW = changes.images(pixels[: len(rows_N)], draws_N, epoch, self.device)
            if changes.mixes:  # an image is changed alike wherever
                fresh_NCHW = changes.images(pixels[len(rows_N) :], self._partners_to_read(share).draws_N, epoch, self.device)
                others_NCHW = torch.cat([levels_NCHW[1:], fresh_NCHW]) if self.world == 1 else fresh_NCHW
                levels_NCHW, shares_N = mix(levels_NCHW, others_NCHW, changes.settings, draws_N, changes.seed, epoch)
            images_NCHW = preprocess.levels(levels_NCHW)
        if self.channels_last:
            images_NCHW = images_NCHW.contiguous(memory_format=torch.channels_last)
        labels_N = torch.from_numpy(self.labels_N[rows_N]).to(self.device)
        mixed_N = None if shares_N is None else torch.from_numpy(self.labels_N[share.others.rows_N]).to(self.device)
        return Batch(images_NCHW, labels_N, self.ids_N[rows_N], share.whole, mixed_N, shares_N)
