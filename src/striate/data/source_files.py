"""Whether files are still those that were decoded, where size and time of change are the same, as `cp -p` and rsync keep them.

The kernel's time of status change and the inode cannot be set by a program: where they are as they were, so is the file. Where
they are not - the data were copied, or something in a file has changed - its content is compared, which costs a read and no
decoding. Windows keeps no time of status change: there, a file that is overwritten in place, with the same size and time of
change, is missed.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DecodeError
from striate.data import decode, image_facts, shard_paths
from striate.data.examples import Examples

MARKS = "marks.bin"  # in an entry of the pixel cache; not in its manifest, since it follows copies of the data


def marks(examples: Examples) -> NDArray[np.int64]:
    """Time of status change in nanoseconds and inode of each file, or its shard, -1 of one that is not there: A x 2."""
    if (of_shards := shard_paths.marks(examples.root, examples.names)) is not None:
        return of_shards
    rows = np.full((len(examples), 2), -1, np.int64)
    for row, name in zip(rows, examples.names, strict=True):
        try:
            status = (examples.root / name).stat()
        except OSError:
            continue
        row[:] = status.st_ctime_ns, status.st_ino & (2**63 - 1)
    return rows


def hash_file(path: Path) -> int:
    """A 64-bit hash of a file's bytes; 0 of one that cannot be read. At an address it is the one in the index."""
    try:
        if known := shard_paths.content_of(path):
            return known
        return image_facts.hash_content(decode.read_file(path))
    except DecodeError:
        return 0


def write_marks(folder: Path, marks_A2: NDArray[np.int64]) -> None:
    """Keep the marks in a folder, in place: a reader that meets half of them compares contents once more."""
    (folder / MARKS).write_bytes(marks_A2.tobytes())


def first_changed(
    examples: Examples, folder: Path, contents_A: NDArray[np.uint64], report: Callable[[int, int], None]
) -> str | None:
    """The first file whose content is not what it was, with the marks in `folder` brought up to date where there is none."""
    now_A2 = marks(examples)
    before = (folder / MARKS).read_bytes()
    if before == now_A2.tobytes():
        return None
    before_A2 = np.frombuffer(before, np.int64).reshape(-1, 2) if len(before) == now_A2.nbytes else np.full_like(now_A2, -2)
    moved = np.flatnonzero((before_A2 != now_A2).any(axis=1))
    for number, position in enumerate(moved.tolist()):
        report(number, len(moved))
        if hash_file(examples.root / examples.names[position]) != int(contents_A[position]):
            return examples.names[position]
    if os.access(folder, os.W_OK):
        write_marks(folder, now_A2)
    return None
