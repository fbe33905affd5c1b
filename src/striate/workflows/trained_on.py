"""How many of the images that a model is tested on are images that its run learned from, known by their pixels.

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
from striate.base.phrases import percent, plural
from striate.base.run_images import RunImages, RunPart
from striate.metrics.intervals import Interval, wilson
from striate.model import Model
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


class TrainedOn(NamedTuple):
    """Tested images that a run learned from: in training, or in validation, which chooses the epoch."""

    train: int
    val: int
    seen: Interval | None  # accuracy on them; None where there are none
    unseen: Interval | None  # accuracy on the others

    def as_json(self) -> Json:
        """For --json, accuracies as `summary` has them."""
        return {"train": self.train, "val": self.val, "seen": _score(self.seen), "unseen": _score(self.unseen)}


def _score(interval: Interval | None) -> dict[str, Any] | None:
    return None if interval is None else dict(zip(("accuracy", "low", "high", "n"), interval, strict=True))


def compare(images: RunImages, pixel_hash_M: NDArray[np.uint64], right_M: NDArray[np.bool_]) -> TrainedOn:
    """Which of these images a run learned from, and the accuracy with and without them; `right_M`: correctly predicted."""
    train_M, seen_M = np.isin(pixel_hash_M, images.hashes(RunPart.TRAIN)), seen(images, pixel_hash_M)
    val_M = seen_M & ~train_M
    return TrainedOn(int(train_M.sum()), int(val_M.sum()), _accuracy(right_M[seen_M]), _accuracy(right_M[~seen_M]))


def seen(images: RunImages, pixel_hash_M: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of these images a run learned from, or chose by."""
    return np.isin(pixel_hash_M, np.concatenate([images.hashes(RunPart.TRAIN), images.hashes(RunPart.VAL)]))


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
    counts = {"in training": overlap.train, "in validation": overlap.val}
    seen = sum(counts.values())
    where = " and ".join(f"{count:,} {part}" for part, count in counts.items() if count)
    if overlap.unseen is None:
        which, rest = f"All {plural(seen, 'image')} are ones", f"`striate evaluate {run}` scores its test images."
    else:
        which = f"{plural(seen, 'image')} of {seen + overlap.unseen.n:,} {'is one' if seen == 1 else 'are ones'}"
        value, low, high, n = overlap.unseen
        rest = f"Without them it is {percent(value)} (95 % interval {percent(low)} to {percent(high)}, {plural(n, 'image')})."
    return f"{which} that the run was trained on ({where}), so this accuracy says little of new images. {rest}"
