"""The images of a run: decoded once, and divided.

Legend: M images of a split.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.base import config, files, nameless_files
from striate.base.events import Json, Watch, progress
from striate.base.phrases import printable
from striate.base.run_images import RunImages, of_parts
from striate.base.signals import Stop
from striate.batches.loader import Loader
from striate.batches.preprocess import Preprocess
from striate.data import crop_loss, groups, label_counts, pixel_cache, split
from striate.data.decode import InputSpec
from striate.data.examples import Examples
from striate.data.on_the_fly import DecodedOnTheFly
from striate.training.device import Engine
from striate.workflows import shortcuts
from striate.workflows.finetune import start


@dataclass(frozen=True)
class Dataset:
    """Decoded images and how they are divided."""

    stored: pixel_cache.CachedPixels
    parts: split.Split
    input_spec: InputSpec
    groups: Json | None = None  # how many groups there are, and by what; None where there are none
    squash_is_best: bool = False  # whether squashing was measured to be best, so that what it bends is not worth saying
    mirroring: Json | None = None  # the result of the test whether classes depend on left and right, where it was made

    @property
    def examples(self) -> Examples:
        """The images that could be decoded."""
        return self.stored.examples

    def by_id(self, rows_M: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows in the order of their ids, which does not depend on the order of the source."""
        return rows_M[np.argsort(self.examples.ids_N[rows_M], kind="stable")]

    def loader(
        self, rows_M: NDArray[np.int64], preprocess: Preprocess, batch_size: int, engine: Engine | None = None, **options: Any
    ) -> Loader:
        """These rows as batches on the device of `engine`, else on the CPU; `options` are those of `Loader`."""
        if engine is not None:
            options = {"device": engine.device, "channels_last": bool(engine.channels_last), **options}
        pixels_NHWC, labels_N, ids_N = self.stored.pixels_NHWC, self.examples.labels_N, self.examples.ids_N
        return Loader(pixels_NHWC, labels_N, ids_N, rows_M, preprocess, batch_size, **options)

    def hidden(self) -> tuple[str, ...]:
        """A sentence on what making the images square hides or bends, where that is worth saying."""
        return () if self.squash_is_best else crop_loss.describe(self.stored.sizes_N2, self.input_spec)

    @property
    def train_labels_M(self) -> NDArray[np.int64]:
        """The labels of the images that are trained on."""
        labels_M: NDArray[np.int64] = self.examples.labels_N[self.parts.train_M]
        return labels_M

    def close(self) -> None:
        """End the processes that still decode images, as an error or an interruption leaves them."""
        if isinstance(self.stored.pixels_NHWC, DecodedOnTheFly):
            self.stored.pixels_NHWC.close()

    def fingerprint(self) -> str:
        """SHA-256 of what the images are: ids, labels and hashes of pixels, in the order of ids."""
        order = np.argsort(self.examples.ids_N)
        hasher = hashlib.sha256("\x1f".join(self.examples.classes).encode())
        for column in (self.examples.ids_N, self.examples.labels_N, self.stored.pixel_hash_N):
            hasher.update(np.ascontiguousarray(column[order]).tobytes())
        if self.examples.excluded_N is not None:
            hasher.update(np.sort(self.examples.ids_N[self.examples.excluded_N]).tobytes())
        return hasher.hexdigest()

    def run_images(self) -> RunImages:
        """What `images.npz` of a run says of these images."""
        examples, parts = self.examples, self.parts
        rows = (parts.train_M, parts.val_M, parts.test_M)
        return of_parts(examples.ids_N, examples.labels_N, self.stored.pixel_hash_N, *rows)

    def account(self) -> dict[str, Any]:
        """What became of every file that was found, by part and class, for JSON; paths that are no text are escaped."""
        examples, parts, stored = self.examples, self.parts, self.stored
        rows, classes = {"train": parts.train_M, "val": parts.val_M, "test": parts.test_M}, examples.classes
        counts = {part: examples.count(rows_M) for part, rows_M in rows.items()}
        sides = {"height": stored.sizes_N2[:, 0], "width": stored.sizes_N2[:, 1]}
        account: dict[str, Any] = {
            "found": len(examples.used_M()) + len(examples.quarantined) + len(examples.ignored), "used": len(examples.used_M()),
            "quarantined": [bad._asdict() for bad in examples.quarantined],
            "ignored": [left._asdict() for left in examples.ignored],
            "classes": {name: {part: int(count_K[k]) for part, count_K in counts.items()} for k, name in enumerate(classes)},
            "split": {part: len(rows_M) for part, rows_M in rows.items()},
            "duplicates": [list(pair) for pair in parts.duplicates],
            "near_duplicates": [list(pair) for pair in parts.near_duplicates], "leaks": [bad._asdict() for bad in parts.leaked],
            "sizes": {name: [int(v) for v in (side.min(), np.median(side), side.max())] for name, side in sides.items()},
            "gray": float(stored.gray_N.mean()), "input_spec": self.input_spec._asdict(),
            "notes": [*examples.notes, *parts.notes, *self.hidden()],
        }  # fmt: skip
        if not examples.several and (predictive := shortcuts.of_stored(stored)):
            account["shortcuts"] = predictive
        if self.groups is not None:
            account["groups"] = self.groups
        if examples.several:
            account["multi_label"] = label_counts.facts(examples)
        if self.mirroring is not None:
            account["mirroring"] = self.mirroring
        if examples.edits:
            account["edits"] = [edit.as_json() for edit in examples.edits]
        escaped: dict[str, Any] = printable(account)
        return escaped


def input_spec_of(run: config.Run) -> InputSpec:
    """How images are brought to the size of the settings, which must be complete."""
    preprocess = run.preprocess
    assert preprocess.size_px is not None
    assert preprocess.channels is not None
    assert preprocess.resize_mode is not None
    return InputSpec(
        preprocess.size_px, preprocess.channels, preprocess.resize_mode, run.data.background, preprocess.crop_share or 1.0,
        run.data.white_level, preprocess.interpolation or "bilinear",
    )  # fmt: skip


def gather(
    examples: Examples, run: config.Run, stop: Stop, watch: Watch, workers: int = 1, input_spec: InputSpec | None = None
) -> Dataset:
    """Decode the images once, by so many processes, and divide them; pixels beyond the budget are not kept.

    `input_spec` is that of a trained model; without it the complete settings say how images are brought to one size.
    """
    input_spec, cache = input_spec or input_spec_of(run), files.cache_folder()
    check = partial(stop.check, "decoding the images")
    most_bytes = pixel_cache.pixel_budget(run.preprocess.pixel_cache_gb, cache)
    stored = pixel_cache.build(
        examples, input_spec, cache, progress(watch, "decode", check), most_bytes=most_bytes, workers=workers,
        hashing=progress(watch, "hash", check),
    )  # fmt: skip
    stored = replace(stored, examples=groups.with_bursts(stored.examples, vars(stored), run.data))
    parts = split.divide(stored.examples, stored.pixel_hash_N, run.data, stored.near if run.data.near_duplicates else None)
    if not run.data.score_test:
        parts = replace(parts, test_M=parts.test_M[:0])
    offer = groups.offer(stored.examples, vars(stored), run.data, (parts.train_M, parts.val_M, parts.test_M))
    parts, own_groups = replace(parts, notes=(*parts.notes, *offer)), groups.account(stored.examples, run.data)
    nameless_files.give_back()  # what dividing them took
    return Dataset(stored, parts, input_spec, own_groups, start.squash_is_best(run))
