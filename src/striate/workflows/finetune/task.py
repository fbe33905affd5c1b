"""One set of images to learn from and weights to begin with: what the strategies of fine-tuning share.

The frozen body is asked once for each image, and what it makes of them is kept in the cache for every strategy, every number of
training images, and the next time.

Legend: M training images, K classes.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from striate.base import config, files
from striate.base.signals import Stop
from striate.batches import augment
from striate.batches.loader import Loader
from striate.model import Model
from striate.nets.net import Net
from striate.training.device import Engine
from striate.training.inference import Predictions
from striate.training.transfer import feature_cache as features
from striate.workflows.dataset import Dataset, Watch

GO_ON = "go on with --resume."
_BATCH = 64
_LOGITS = 4096
Json = dict[str, Any]


class Outcome(NamedTuple):
    """What a strategy leaves.

    Attributes:
        model: the classifier.
        val: what it says of the validation images.
        test: what it says of the test images; None where there are none.
        seconds: that it takes by itself, whatever it shares with the others.
        more: facts of its own, for JSON.

    """

    model: Model
    val: Predictions
    test: Predictions | None
    seconds: float
    more: Json


@dataclass(frozen=True)
class Case:
    """Images to learn from and weights to begin with.

    Attributes:
        run: the settings, complete.
        start: the model that is started from.
        body: a copy of its network on the device, which is never trained.
        whole: all images, whose features are kept.
        dataset: the same, or with fewer to learn from.
        folder: where each strategy leaves what it made, in a folder of its name.
        engine: the machine.
        stop: asks for an orderly end.
        watch: called with every event.

    """

    run: config.Run
    start: Model
    body: Net
    whole: Dataset
    dataset: Dataset
    folder: Path
    engine: Engine
    stop: Stop
    watch: Watch

    @property
    def classes(self) -> tuple[str, ...]:
        """K names."""
        return self.dataset.examples.classes

    @cached_property
    def changes(self) -> augment.Augmentation | None:
        """How the images that a head learns from are changed at random; None for not at all."""
        return augment.fit(self.run.augment, self.whole.stored.pixels_NHWC, self.whole.parts.train_M, self.run.seed)

    @cached_property
    def body_sha256(self) -> str:
        """Of the body's weights, which cost a second for half a gigabyte."""
        return features.body_sha256(self.body)

    @property
    def views(self) -> list[int | None]:
        """The numbers of the changed copies that a head learns from; None alone where images stay as they are."""
        return [None] if self.changes is None else list(range(self.run.finetune.views or 1))

    @cached_property
    def positions_M(self) -> NDArray[np.int64]:
        """Where the images to learn from stand among the kept features of all training images, which are in order of ids."""
        return np.flatnonzero(np.isin(self.stream("train").rows_M, self.dataset.parts.train_M))

    @property
    def share(self) -> float:
        """The images to learn from, as a share of all whose features are kept."""
        return len(self.positions_M) / len(self.whole.parts.train_M)

    def stream(self, part: str, changes: augment.Augmentation | None = None) -> Loader:
        """All images of a part in the order of their ids."""
        parts, examples = self.whole.parts, self.whole.examples
        rows_M = {"train": parts.train_M, "val": parts.val_M, "test": parts.test_M}[part]
        return Loader(
            pixels_NHWC=self.whole.stored.pixels_NHWC, labels_N=examples.labels_N, ids_N=examples.ids_N,
            rows_M=rows_M[np.argsort(examples.ids_N[rows_M], kind="stable")], preprocess=self.start.preprocess,
            batch_size=_BATCH, device=self.engine.device, channels_last=self.engine.channels_last, augmentation=changes,
        )  # fmt: skip

    def features(self, part: str, reads: list[str | None], view: int | None = None) -> features.Kept:
        """What the frozen body makes of a part's images, of one changed copy of each where `view` is given."""

        def told(done: int) -> None:
            self.watch({"event": "features", "done": done, "total": len(stream)})
            self.stop.check("computing features", GO_ON)

        stream = self.stream(part, None if view is None else self.changes)
        about, folder = self._about(stream, view), files.cache_folder() / "features"
        return features.kept(folder, self.body, stream, about, reads, view or 0, told)

    def missing(self, part: str, reads: list[str | None], view: int | None = None) -> int:
        """Images whose features have yet to be computed."""
        stream = self.stream(part)
        about = self._about(stream, view)
        return 0 if features.are_kept(files.cache_folder() / "features", self.body, about, reads) else len(stream)

    def _about(self, stream: Loader, view: int | None) -> Json:
        hasher, start = hashlib.sha256(stream.ids_N[stream.rows_M].tobytes()), self.start
        hasher.update(self.whole.stored.pixel_hash_N[stream.rows_M].tobytes())
        for name, tensor in sorted(start.preprocess.tensors().items()):
            hasher.update(name.encode() + tensor.numpy().tobytes())
        changed = None if view is None else {"view": view, "seed": self.run.seed, "augment": config.given(self.run.augment)}
        return {
            "images": hasher.hexdigest(), "input_spec": [*self.whole.input_spec], "preprocess": start.preprocess.as_json(),
            "body": self.body_sha256, "net": start.net_name, "device": stream.device.type, "changed": changed,
            "settings": {name: start.net_settings[name] for name in sorted(start.net_settings)},
            "data": Path(str(self.whole.examples.root)).name,
        }  # fmt: skip

    def predictions(self, head: nn.Module, part: str, read: str | None) -> Predictions | None:
        """What a head says of the kept features of a part, in the order of ids; None where the part is empty."""
        stream = self.stream(part)
        if not len(stream):
            return None
        values, device = self.features(part, [read]).values[0], self.engine.device
        with torch.inference_mode():
            logits = [
                head(torch.from_numpy(np.array(values[at : at + _LOGITS])).to(device)).float().cpu().numpy()
                for at in range(0, len(values), _LOGITS)
            ]
        return Predictions(stream.ids_N[stream.rows_M], stream.labels_N[stream.rows_M], np.concatenate(logits))

    def model(self, net: Net, strategy: str, settings: Json) -> Model:
        """A model with this network, which was built with these settings."""
        training = {"start": self.run.finetune.start, "strategy": strategy, "seed": self.run.seed}
        return replace(
            self.start, net=net.eval(), net_settings=settings, input_spec=self.dataset.input_spec, classes=self.classes,
            training={**training, "flip": bool(self.run.augment.flip)}, threshold=None, aliases={},
        )  # fmt: skip
