"""Images to learn from and pretrained weights: what the strategies of fine-tuning share.

The frozen body computes the features of each image once; the cache keeps them for every strategy, every number of training
images, and the next run.

Legend: M training images, K classes.
"""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from striate.base import config, files
from striate.base.events import Json, progress
from striate.batches import augment
from striate.batches.loader import Loader
from striate.metrics.unknown_inputs import UnknownInputs
from striate.model import Model
from striate.nets.feature_layer import within
from striate.nets.images_at_once import images_at_once
from striate.nets.net import Net
from striate.training.inference import Predictions
from striate.training.transfer import feature_cache as features
from striate.training.transfer.feature_cache import CachedFeatures
from striate.workflows.dataset import Dataset
from striate.workflows.inspect.model_on_data import KnownFeatures
from striate.workflows.report.rerun_network import FROZEN
from striate.workflows.run_context import RunContext
from striate.workflows.train import unknown_inputs
from striate.workflows.train.artifacts import decided_by

RESUME = "resume with --resume."
_BATCH = 64
_LOGITS = 4096
_ALL = "all"


class Outcome(NamedTuple):
    """The result of a strategy."""

    model: Model  # the classifier
    val: Predictions  # its predictions for the validation images
    test: Predictions | None  # the same for the test images; None where there are none
    seconds: float  # that it takes alone, shared work included
    more: Json  # values of its own, for JSON


@dataclass(frozen=True)
class TransferTask(RunContext):
    """A run with pretrained weights to start from; `folder` has a folder for each strategy."""

    pretrained: Model  # the model whose weights are used
    body: Net  # a copy of its network on the device, which is never trained
    whole: Dataset  # all images, whose features are cached; `dataset` is the same, or has fewer training images
    stamp: dict[str, str] = field(default_factory=dict)  # of the run, which its models and results carry

    @property
    def classes(self) -> tuple[str, ...]:
        """K names."""
        return self.dataset.examples.classes

    @cached_property
    def augmentation(self) -> augment.Augmentation | None:
        """How the images that a head learns from are changed at random; None for not at all."""
        return augment.fit(self.run.augment, self.whole.stored.pixels_NHWC, self.whole.parts.train_M, self.run.seed)

    @cached_property
    def body_sha256(self) -> str:
        """Of the body's weights, which cost a second for half a gigabyte."""
        return features.body_sha256(self.body)

    @property
    def copies(self) -> list[int | None]:
        """The numbers of the changed copies that a head learns from; None alone where images stay as they are."""
        return [None] if self.augmentation is None else list(range(self.run.finetune.augmented_copies or 1))

    @cached_property
    def positions_M(self) -> NDArray[np.int64]:
        """Positions of the training images among the cached features of all training images, which are in the order of ids."""
        return np.flatnonzero(np.isin(self.loader("train").rows_M, self.dataset.parts.train_M))

    @property
    def share(self) -> float:
        """The images to learn from, as a share of all whose features are kept."""
        return len(self.positions_M) / len(self.whole.parts.train_M)

    def loader(self, part: str, augmentation: augment.Augmentation | None = None) -> Loader:
        """All images of a part, or of all parts together, in the order of their ids."""
        parts = self.whole.parts
        rows = {"train": parts.train_M, "val": parts.val_M, "test": parts.test_M}
        rows_M = np.concatenate([*rows.values()]) if part == _ALL else rows[part]
        size = images_at_once(self.body, self.body.input_chw, min(_BATCH, len(rows_M)))
        return self.whole.loader(
            self.whole.by_id(rows_M), self.pretrained.preprocess, max(1, size), self.engine, augmentation=augmentation
        )

    def features(self, part: str, reads: list[str | None], copy: int | None = None) -> CachedFeatures:
        """The frozen body's features of a part's images, of one augmented copy of each where `copy` is given."""
        if self._shares_features(copy):
            rows_M, (everything, seconds) = self.loader(part).rows_M, self._computed(_ALL, reads, None)
            mine_M = np.flatnonzero(np.isin(self.loader(_ALL).rows_M, rows_M))
            share = len(mine_M) / len(everything[0])
            return CachedFeatures([values_ND[mine_M] for values_ND in everything], share * seconds)
        return self._computed(part, reads, copy)

    def _shares_features(self, copy: int | None) -> bool:
        """Whether the parts of all folds take their features from those of all images; changed copies depend on the fold."""
        return self.run.data.folds is not None and copy is None

    def _computed(self, part: str, reads: list[str | None], copy: int | None) -> CachedFeatures:
        report = progress(self.watch, "features", lambda: self.stop.check("computing features", RESUME))
        loader = self.loader(part, None if copy is None else self.augmentation)
        folder, tick = files.cache_folder() / "features", lambda done: report(done, len(loader))
        return features.load_or_compute(folder, self.body, loader, self._about(loader, copy), reads, copy or 0, tick)

    def head_inputs(self, model: Model, layer: str | None) -> KnownFeatures | None:
        """What the head of a model of this body is given for all images, from the cache; None where the body was trained."""
        if model.training["strategy"] not in FROZEN:
            return None
        read = within(self.pretrained.net, None if layer == self.pretrained.net.head_name else layer)
        parts = [part for part in ("train", "val", "test") if len(self.loader(part))]
        rows_M = np.concatenate([self.loader(part).rows_M for part in parts])
        features_MD = np.concatenate([np.asarray(self.features(part, [read]).values[0]) for part in parts])
        order = np.argsort(rows_M)
        return KnownFeatures(rows_M[order], features_MD[order])

    def missing(self, part: str, reads: list[str | None], copy: int | None = None) -> int:
        """Images whose features have yet to be computed."""
        loader = self.loader(part)
        about = self._about(self.loader(_ALL) if self._shares_features(copy) else loader, copy)
        return 0 if features.are_cached(files.cache_folder() / "features", self.body, about, reads) else len(loader)

    def _about(self, loader: Loader, copy: int | None) -> Json:
        hasher, start = hashlib.sha256(loader.ids_N[loader.rows_M].tobytes()), self.pretrained
        hasher.update(self.whole.stored.pixel_hash_N[loader.rows_M].tobytes())
        for name, tensor in sorted(start.preprocess.tensors().items()):
            hasher.update(name.encode() + tensor.numpy().tobytes())
        changed = None if copy is None else {"view": copy, "seed": self.run.seed, "augment": config.given(self.run.augment)}
        return {
            "images": hasher.hexdigest(), "input_spec": [*self.whole.input_spec], "preprocess": start.preprocess.as_json(),
            "body": self.body_sha256, "net": start.net_name, "device": loader.device.type, "changed": changed,
            "settings": {name: start.net_settings[name] for name in sorted(start.net_settings)},
            "data": Path(str(self.whole.examples.root)).name,
        }  # fmt: skip

    def predictions(self, head: nn.Module, part: str, read: str | None) -> Predictions | None:
        """A head's predictions from the cached features of a part, in the order of ids; None where the part is empty."""
        loader = self.loader(part)
        if not len(loader):
            return None
        values, device = self.features(part, [read]).values[0], self.engine.device
        with torch.inference_mode():
            logits = [
                head(torch.from_numpy(np.array(values[first : first + _LOGITS])).to(device)).float().cpu().numpy()
                for first in range(0, len(values), _LOGITS)
            ]
        return Predictions(loader.ids_N[loader.rows_M], loader.labels_N[loader.rows_M], np.concatenate(logits))

    def unknown_inputs(self, train: NDArray[np.float32], read: str | None) -> UnknownInputs | None:
        """How a model of features of this layer tells unknown images; `train` are those of all training images."""
        rows_M = self.loader("train").rows_M[self.positions_M]
        val_VD, test_ND = (
            np.asarray(self.features(part, [read]).values[0]) if len(self.loader(part)) else None for part in ("val", "test")
        )
        none_VD = train[:0]

        def some(chosen_M: NDArray[np.bool_]) -> NDArray[np.float32]:
            return np.asarray(train[self.positions_M[chosen_M]])

        return unknown_inputs.of_features(self, rows_M, some, none_VD if val_VD is None else val_VD, test_ND)

    def model(
        self, net: Net, strategy: str, settings: Json, val: Predictions, unknown_inputs: UnknownInputs | None
    ) -> Model:  # fmt: skip
        """A model with this network, which was built with these settings and predicts this for the validation images."""
        training = {"weights": self.run.finetune.weights, "strategy": strategy, "seed": self.run.seed, **self.stamp}
        model = replace(
            self.pretrained, net=net.eval(), net_settings=settings, input_spec=self.dataset.input_spec, classes=self.classes,
            training={**training, "flip": bool(self.run.augment.flip)}, aliases={}, unknown_inputs=unknown_inputs,
        )  # fmt: skip
        return decided_by(model, val)
