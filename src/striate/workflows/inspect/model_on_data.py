"""A model and the images of its run: what it makes of rows of them, and a sample of its training images to compare with.

Legend: N images, M rows, B training images that are compared with, D features.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base.events import Json, Watch, progress
from striate.base.hash_rng import words
from striate.base.signals import Stop
from striate.batches.loader import Batch, Loader
from striate.interpret import nearest_images
from striate.interpret.nearest_images import Nearest, Outputs
from striate.model import Model
from striate.nets.eval_mode import evaluating
from striate.nets.images_at_once import images_at_once
from striate.nets.net import Net
from striate.nets.summary import layer_table
from striate.training.device import Engine
from striate.workflows.dataset import Dataset

BUDGET = 2e11  # multiply-adds for each pass over many images: some ten seconds on a laptop
_BATCH = 128
_FEWEST, _MOST = 100, 5000
_MACS = WeakKeyDictionary[Net, int]()


class KnownFeatures(NamedTuple):
    """What the head is given for some images, where it has been computed already: their rows, ascending, and the features."""

    rows_M: NDArray[np.int64]
    features_MD: NDArray[np.float32]


class ModelOnDataset(NamedTuple):
    """A model and the images that it is shown."""

    model: Model
    dataset: Dataset
    engine: Engine
    stop: Stop
    watch: Watch
    known: KnownFeatures | None = None

    def head_inputs(self, rows_M: NDArray[np.int64], what: str) -> NDArray[np.float32]:
        """What the head is given for the images of these rows, in their order."""
        features_MD = self._known(rows_M)
        return nearest_images.penultimate(self.model.net, self.batches(rows_M, what)) if features_MD is None else features_MD

    def outputs(self, rows_M: NDArray[np.int64], what: str) -> Outputs:
        """The same, and what the network says of these images."""
        features_MD, net = self._known(rows_M), self.model.net
        if features_MD is None:
            return nearest_images.outputs(net, self.batches(rows_M, what))
        with torch.inference_mode(), evaluating(net):
            logits_MK = net.get_submodule(net.head_name)(torch.from_numpy(features_MD).to(self.engine.device))
        return Outputs(features_MD, logits_MK.float().cpu().numpy())

    def _known(self, rows_M: NDArray[np.int64]) -> NDArray[np.float32] | None:
        if self.known is None or not np.isin(rows_M, self.known.rows_M).all():
            return None
        return self.known.features_MD[np.searchsorted(self.known.rows_M, rows_M)]

    def batches(self, rows_M: NDArray[np.int64], what: str) -> Iterator[Batch]:
        """The images of these rows, in their order, as the network takes them, as many at once as memory allows."""
        net = self.model.net
        size = images_at_once(net, net.input_chw, min(_BATCH, len(rows_M)))  # at once, before its caller watches the layers
        return self._reported(self.dataset.loader(rows_M, self.model.preprocess, max(1, size), self.engine), what)

    def _reported(self, loader: Loader, what: str) -> Iterator[Batch]:
        done, report = 0, progress(self.watch, "inspect", lambda: self.stop.check(what))
        for batch in loader.epoch(0):
            yield batch
            done += len(batch.ids_N)
            report(done, len(loader))

    def rows_of(self, ids_M: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Where images with these ids are now; -1 for what is there no more."""
        ids_N = self.dataset.examples.ids_N
        order = np.argsort(ids_N)
        rows_M = order[np.minimum(np.searchsorted(ids_N, ids_M, sorter=order), len(ids_N) - 1)]
        return np.where(ids_N[rows_M] == ids_M, rows_M, -1)


def macs(net: Net) -> int:
    """Multiply-adds of one image; counted once for each network, since that takes a second of a large one."""
    if net not in _MACS:
        own = getattr(net, "macs", None)  # of networks without the layers that a table knows
        _MACS[net] = sum(row.macs for row in layer_table(net)) if own is None else int(own)
    return _MACS[net]


def affordable(net: Net) -> int:
    """How many images may be looked at, so that a report takes seconds: 100 to 5,000."""
    return int(np.clip(BUDGET / max(macs(net), 1), _FEWEST, _MOST))


def sample(dataset: Dataset, rows_M: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Up to `most` of these rows, the same ones each time."""
    if len(rows_M) <= most:
        return rows_M
    drawn_M = words(dataset.examples.ids_N[rows_M], "report")
    return rows_M[np.argsort(drawn_M, kind="stable")[:most]]


class Bank(NamedTuple):
    """Training images to compare with: their rows, and the features of each."""

    rows_B: NDArray[np.int64]
    features_BD: NDArray[np.float32]


def bank(model_on_data: ModelOnDataset) -> Bank:
    """As many training images as are affordable, by what the head is given for each."""
    rows_B = _bank_rows(model_on_data)
    return Bank(rows_B, model_on_data.head_inputs(rows_B, "looking at training images"))


def bank_and_logits(model_on_data: ModelOnDataset) -> tuple[Bank, NDArray[np.float32]]:
    """The same, and the logits of these images, which take no second pass."""
    rows_B = _bank_rows(model_on_data)
    seen = model_on_data.outputs(rows_B, "looking at training images")
    return Bank(rows_B, seen.features_ND), seen.logits_NK


def _bank_rows(model_on_data: ModelOnDataset) -> NDArray[np.int64]:
    dataset = model_on_data.dataset
    return sample(dataset, dataset.parts.train_M, affordable(model_on_data.model.net))


def nearest(bank: Bank, features_MD: NDArray[np.float32], rows_M: NDArray[np.int64], k: int) -> Nearest:
    """The k training images that look most like each of M images, rows -1 elsewhere; an image is not its own neighbor."""
    positions = {int(row): position for position, row in enumerate(bank.rows_B)}
    own_M = np.array([positions.get(int(row), -1) for row in rows_M], np.int64)
    return nearest_images.nearest(features_MD, bank.features_BD, k, own_M if (own_M >= 0).any() else None)


@dataclass(frozen=True)
class Neighbor:
    """A training image that looks like another one to the network."""

    path: str
    label: str  # of several labels an image `cat|dog`, of none nothing
    cosine_similarity: float  # of the features of both

    def as_json(self) -> Json:
        """The label under `class`."""
        return {"path": self.path, "class": self.label, "cosine_similarity": self.cosine_similarity}


def neighbors(dataset: Dataset, rows_k: NDArray[np.int64], cosine_k: NDArray[np.float32]) -> tuple[Neighbor, ...]:
    """The training images of these rows."""
    examples, pairs = dataset.examples, zip(rows_k.tolist(), cosine_k.tolist(), strict=True)
    return tuple(Neighbor(examples.names[row], examples.label_of(row), cosine) for row, cosine in pairs)
