"""What every source gives: names and labels, and no pixels yet unless the source is an array.

Legend: N images, H x W pixels, C channels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import nameless_files
from striate.data import shard_paths
from striate.data.names import Names


class Part(IntEnum):
    """The part of a data set that a source gives an image to; FREE leaves it to the split."""

    FREE = 0
    TRAIN = 1
    VAL = 2
    TEST = 3


class Quarantined(NamedTuple):
    """A file that was found and cannot be used, with the reason."""

    path: str
    reason: str


class Ignored(NamedTuple):
    """A file or folder that was found and left out by a rule, with the rule."""

    path: str
    pattern: str


class LabelEdits(NamedTuple):
    """What a file of corrections changed."""

    setting: str  # relabel or exclude
    file: str
    sha256: str  # of its content
    entries: tuple[tuple[str, str, str], ...]  # name, label before and after, "" for images that are left out

    def as_json(self) -> dict[str, object]:
        """For --json and `data.json` of a run."""
        return {**self._asdict(), "images": len(self.entries)}


_COLUMNS = ("labels_N", "ids_N", "parts_N", "groups_N", "given_labels_N", "excluded_N")


@dataclass(frozen=True)
class Examples:
    """Labeled images: found = used (N) + quarantined + ignored."""

    root: Path  # the folder that names are relative to
    # N paths relative to `root`, with `/`; or `archive#position` for an image inside an archive; kept as `Names`
    names: Sequence[str]
    # positions in `classes`; of several labels an image, N x K: 1 for the labels that it has, else 0
    labels_N: NDArray[np.int64]
    classes: tuple[str, ...]  # class names, sorted
    # 64-bit hashes of the names; every draw about an image depends on its id and never on its position
    ids_N: NDArray[np.uint64]
    parts_N: NDArray[np.uint8]  # a `Part` for each image
    # a number for each image, equal for images that must stay on one side of the split; None without groups
    groups_N: NDArray[np.int64] | None = None
    # uint8 images of one size with C = 1 or 3, where the source is an array; None where it is files
    pixels_NHWC: NDArray[np.uint8] | None = None
    quarantined: tuple[Quarantined, ...] = ()  # files that cannot be used
    ignored: tuple[Ignored, ...] = ()  # files that were left out by a rule
    notes: tuple[str, ...] = ()  # sentences that the user should read
    given_labels_N: NDArray[np.int64] | None = None  # the labels before corrections; None where there were none
    excluded_N: NDArray[np.bool_] | None = None  # images that corrections leave out, which `ignored` lists; None for none
    edits: tuple[LabelEdits, ...] = ()  # the corrections
    without_test: str = ""  # a clause: that the source has a place for a test part and nothing there; else empty

    def __post_init__(self) -> None:
        if not isinstance(self.names, Names):
            object.__setattr__(self, "names", Names(self.names))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def several(self) -> bool:
        """Whether an image may have several labels, or none."""
        return self.labels_N.ndim == 2

    def having(self, label: int) -> NDArray[np.bool_]:
        """Which images have a label, by its position in `classes`."""
        mine_N: NDArray[np.bool_] = self.labels_N[:, label] == 1 if self.several else self.labels_N == label
        return mine_N

    def count(self, rows_M: NDArray[np.integer[Any] | np.bool_]) -> NDArray[np.int64]:
        """Images of these rows by class, K."""
        labels_M = self.labels_N[rows_M]
        count_K: NDArray[np.int64] = (
            labels_M.sum(axis=0) if self.several else np.bincount(labels_M, minlength=len(self.classes))
        )
        return count_K

    def label_of(self, position: int) -> str:
        """The class of an image; of several labels their names with bars between them."""
        if self.several:
            return "|".join(self.classes[k] for k in np.flatnonzero(self.labels_N[position]))
        return self.classes[int(self.labels_N[position])]

    @property
    def split_labels_N(self) -> NDArray[np.int64]:
        """The labels by which images are divided into parts: those that they came with."""
        return self.labels_N if self.given_labels_N is None else self.given_labels_N

    def used_M(self) -> NDArray[np.int64]:
        """Positions of the images that no correction leaves out."""
        return np.arange(len(self)) if self.excluded_N is None else np.flatnonzero(~self.excluded_N)

    def keep(self, chosen_M: NDArray[np.int64], dropped: tuple[Quarantined, ...] = ()) -> "Examples":
        """The examples at these positions; what was dropped joins the quarantine, so the account still balances."""
        return replace(
            self,
            names=Names(self.names[place] for place in chosen_M.tolist()),
            labels_N=self.labels_N[chosen_M],
            ids_N=self.ids_N[chosen_M],
            parts_N=self.parts_N[chosen_M],
            groups_N=None if self.groups_N is None else self.groups_N[chosen_M],
            pixels_NHWC=None if self.pixels_NHWC is None else self.pixels_NHWC[chosen_M],
            quarantined=self.quarantined + dropped,
            given_labels_N=None if self.given_labels_N is None else self.given_labels_N[chosen_M],
            excluded_N=None if self.excluded_N is None else self.excluded_N[chosen_M],
        )

    def in_files(self) -> "Examples":
        """The same; of many images what is known of each lies in files without a name, which are mapped into memory."""
        columns = {name: getattr(self, name) for name in _COLUMNS}
        mapped: dict[str, Any] = {name: nameless_files.keep(each) for name, each in columns.items() if each is not None}
        names = self.names
        if isinstance(names, Names):
            names = Names.of_buffers(*(nameless_files.keep(np.asarray(part)) for part in (names.text, names.ends)))
        return replace(self, names=names, **mapped)

    def counts(self) -> dict[str, int]:
        """Images by class name, without those left out."""
        tally = self.count(self.used_M())
        return {name: int(count) for name, count in zip(self.classes, tally, strict=True)}

    def stamp(self) -> str:
        """A hash of what lies on the disk - names, sizes, times of change, or the array itself - without reading files."""
        hasher = hashlib.blake2b(digest_size=16)
        if self.pixels_NHWC is not None:
            hasher.update(repr(self.pixels_NHWC.shape).encode())
            hasher.update(np.ascontiguousarray(self.pixels_NHWC).data)
            return hasher.hexdigest()
        if (of_shards := shard_paths.stamp(self.root)) is not None:
            return of_shards
        for name in self.names:
            try:
                status = (self.root / name).stat()
                facts = f"{status.st_size} {status.st_mtime_ns}"
            except OSError as error:
                facts = f"errno {error.errno}"
            hasher.update(f"{name!r} {facts}\n".encode())
        return hasher.hexdigest()
