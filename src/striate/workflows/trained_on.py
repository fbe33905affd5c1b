"""How many of the images that a model is tested on are images that its run learned from, known by their pixels,
or nearly equal to one.

Legend: M tested images.
"""

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import run_folder, run_record
from striate.base.errors import ArtifactError
from striate.base.events import Json
from striate.base.hash_rng import name_id
from striate.base.phrases import join_names, percent, plural
from striate.base.run_images import RunImages, RunPart
from striate.data.small_copies import SmallCopies
from striate.metrics.intervals import Interval, wilson
from striate.model import Model
from striate.workflows import stored_copies
from striate.workflows.checks import is_external

log = logging.getLogger("striate")


def home(run: str | Path, model: Model) -> Path | None:
    """The folder of the run that a model is of; None where it is not there, as for external weights."""
    if is_external(run):
        return None
    folder = run_folder.find(run).absolute()
    run_id = model.training.get("run_id")
    for place in (folder, *folder.parents[:3]):  # RUN/strategies/NAME/model
        with suppress(ArtifactError):
            if run_record.read(place).identity.run_id == run_id:
                return place
    return None


class Seen(NamedTuple):
    """Which of the tested images a run learned from: in training, or in validation, which chooses the epoch."""

    train_M: NDArray[np.bool_]
    val_M: NDArray[np.bool_]
    near_M: NDArray[np.bool_] | None  # nearly equal to one of them; None where that is not known

    @property
    def any_M(self) -> NDArray[np.bool_]:
        """Those that say little of new images."""
        equal_M = self.train_M | self.val_M
        return equal_M if self.near_M is None else equal_M | self.near_M


class TrainedOn(NamedTuple):
    """How many images of each kind of `Seen`, and the accuracy with and without them."""

    train: int
    val: int
    near: int | None
    seen: Interval | None  # accuracy on them; None where there are none
    unseen: Interval | None  # accuracy on the others

    def as_json(self) -> Json:
        """For --json, accuracies as `summary` has them."""
        return {**self._asdict(), "seen": _score(self.seen), "unseen": _score(self.unseen)}


def _score(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else dict(zip(("accuracy", "low", "high", "n"), interval, strict=True))


def find(home: Path, images: RunImages, pixel_hash_M: NDArray[np.uint64], copies: SmallCopies | None) -> Seen:
    """Which of these images the run at `home` learned from; `copies` of them, where they are not its own test images."""
    train_M, val_M = (np.isin(pixel_hash_M, images.hashes(part)) for part in (RunPart.TRAIN, RunPart.VAL))
    equal = Seen(train_M, val_M & ~train_M, None)
    if copies is None:
        return equal._replace(near_M=_near_by_record(home, images, pixel_hash_M) & ~equal.any_M)
    if (learned := stored_copies.read(home)) is None:
        return equal
    others = np.flatnonzero(~equal.any_M)
    near_M = np.zeros(len(pixel_hash_M), bool)
    near_M[others] = stored_copies.near_to(learned, copies.of(others))
    return equal._replace(near_M=near_M)


def _near_by_record(home: Path, images: RunImages, pixel_hash_M: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of its own test images a run knows to be nearly equal to one it learns from, as in a split that is given."""
    pairs = (run_folder.read_json(home / "data.json") or {}).get("near_duplicates", [])
    learned = {int(key) for key in images.ids_N[images.part_N != RunPart.TEST]}
    ids = [[name_id(name) for name in pair] for pair in pairs]
    near_ids = [own for pair in ids for own, other in (pair, pair[::-1]) if other in learned and own not in learned]
    near_hashes = images.pixel_hash_N[np.isin(images.ids_N, np.array(near_ids, np.uint64))]
    return np.isin(pixel_hash_M, near_hashes)


def compare(seen: Seen, right_M: NDArray[np.bool_]) -> TrainedOn:
    """The accuracy with and without images that a run learned from; `right_M`: correctly predicted."""
    counts = (None if mask_M is None else int(mask_M.sum()) for mask_M in seen)
    train, val, near = counts
    return TrainedOn(train or 0, val or 0, near, _accuracy(right_M[seen.any_M]), _accuracy(right_M[~seen.any_M]))


def _accuracy(right_M: NDArray[np.bool_]) -> Interval | None:
    return wilson(int(right_M.sum()), len(right_M)) if len(right_M) else None


def warn(overlap: TrainedOn | None, run: str | Path) -> None:
    """Log what a score on images that a model learned from is worth, or that it is not known whether there are any."""
    if overlap is None:
        log.info("Whether %s was trained on some of these images cannot be told: only a run keeps a list of its images.", run)
    elif overlap.seen is not None:
        log.warning("%s", describe(overlap, run))


def describe(overlap: TrainedOn, run: str | Path) -> str:
    """What a score on images that a run learned from is worth."""
    near = overlap.near or 0
    counts = {"in training": overlap.train, "in validation": overlap.val, "nearly equal to one of these": near}
    seen = sum(counts.values())
    if near == seen:
        how = "nearly equal to ones that the run was trained on"
    else:
        where = join_names([f"{count:,} {part}" for part, count in counts.items() if count])
        trained = f"that the run was trained on{', or nearly equal to one' if near else ''}"
        how = f"{'one' if seen == 1 else 'ones'} {trained} ({where})"
    if overlap.unseen is None:
        which, rest = f"All {plural(seen, 'image')} are", f"`striate evaluate {run}` scores its test images."
    else:
        which = f"{plural(seen, 'image')} of {seen + overlap.unseen.n:,} {'is' if seen == 1 else 'are'}"
        value, low, high, n = overlap.unseen
        rest = f"Without them it is {percent(value)} (95 % interval {percent(low)} to {percent(high)}, {plural(n, 'image')})."
    return f"{which} {how}, so this accuracy says little of new images. {rest}"
