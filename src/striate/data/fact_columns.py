"""What is known of each image, as columns: in memory, or as files of a cache entry that are mapped into memory.

A million images have 1.3 GB of facts, nearly all of it small copies, which few commands read. Mapped from their files they take
no memory that the system cannot have back.

Legend: N images that can be decoded, A images that were to be.
"""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.data import image_facts
from striate.data.decode import Decoded

Progress = Callable[[int, int], None]
Columns = dict[str, NDArray[Any]]

ROW = np.dtype(
    [
        ("sizes_N2", "i4", 2),
        ("gray_N", "?"),
        ("pixel_hash_N", "u8"),
        ("means_N3", "f8", 3),
        ("squares_N3", "f8", 3),
        ("borders_N3", "f8", 3),
        ("format_N", "U4"),
        ("camera_N", "u8"),
        ("taken_N", "f8"),
        ("thumbs_NSS", "u1", (image_facts.THUMB_PX, image_facts.THUMB_PX)),
        ("chroma_NQQ2", "u1", (image_facts.CELLS, image_facts.CELLS, 2)),
    ]
)  # of one image; the names are those of the columns
NAMES = tuple(ROW.names or ())
FILES = {name: f"{name}.npy" for name in NAMES}
_AT_ONCE = 1024  # rows that are gathered before they go to their columns


class Collected(NamedTuple):
    """What is known of A images that were to be decoded."""

    columns: Columns  # of those that can be, by the names of `ROW`
    reasons: dict[int, str]  # why the others cannot, by position
    contents_A: NDArray[np.uint64]  # hashes of the files' bytes, 0 where the decoder gave none


def room(count: int, folder: Path | None = None) -> Columns:
    """Columns for so many images: in memory, or as new files of `folder`, all of whose bytes the disk has."""
    shapes = {name: (ROW[name].base, (count, *ROW[name].shape)) for name in NAMES}
    if folder is None:
        return {name: np.zeros(shape, dtype) for name, (dtype, shape) in shapes.items()}
    return {name: new_file(folder / FILES[name], shape, dtype) for name, (dtype, shape) in shapes.items()}


def new_file(path: Path, shape: tuple[int, ...], dtype: Any = np.uint8) -> np.memmap[Any, Any]:
    """An array in a new `.npy` file, mapped into memory, with all of its bytes on the disk."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):  # a disk that fills while a sparse file is written through memory is SIGBUS
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def close(columns: Columns) -> None:
    """Write what is still in memory of columns that are files, and let go of them."""
    for array in columns.values():
        if isinstance(array, np.memmap):
            array.flush()
    columns.clear()


def mapped(folder: Path, count: int) -> Columns:
    """The first `count` rows of the columns that `room` made in `folder`, whose bytes have been compared with their sums."""
    columns = {}
    for name in NAMES:
        array = np.load(folder / FILES[name], mmap_mode="r", allow_pickle=False)
        if array.dtype != ROW[name].base or array.shape[1:] != ROW[name].shape or len(array) < count:
            raise ValueError(f"{FILES[name]} holds {array.dtype} {array.shape}")
        columns[name] = array[:count].view(np.ndarray)
    return columns


def collect(
    answers: Generator[Decoded], count: int, report: Progress, take: Callable[[int, NDArray[np.uint8]], None] | None = None,
    columns: Mapping[str, NDArray[Any]] | None = None,
) -> Collected:  # fmt: skip
    """What is known of so many images, written into `columns`, else into memory.

    `take` is given the pixels of each image and its place among those that can be decoded.
    """
    own = room(count) if columns is None else columns
    rows, contents_A, reasons, good = np.zeros(min(count, _AT_ONCE), ROW), np.zeros(count, np.uint64), {}, 0
    with closing(answers):
        for position, verdict in enumerate(answers):
            contents_A[position] = verdict.content_hash
            if (facts := verdict.facts) is None:
                reasons[position] = verdict.reason or ""
            else:
                if take is not None and verdict.pixels_HWC is not None:
                    take(good, verdict.pixels_HWC)
                size, moments = (facts.height, facts.width), (facts.mean, facts.mean_square, facts.border)
                thumb_SS = np.frombuffer(facts.thumb, np.uint8).reshape(image_facts.THUMB_PX, -1)
                chroma_QQ2 = np.frombuffer(facts.chroma, np.uint8).reshape(image_facts.CELLS, -1, 2)
                rows[good % _AT_ONCE] = (size, facts.gray, facts.pixel_hash, *moments, *facts.file, thumb_SS, chroma_QQ2)
                good += 1
                if good % _AT_ONCE == 0:
                    _put(own, good - _AT_ONCE, rows)
            report(position + 1, count)
    _put(own, good - good % _AT_ONCE, rows[: good % _AT_ONCE])
    return Collected({name: own[name][:good] for name in NAMES}, reasons, contents_A)


def _put(columns: Mapping[str, NDArray[Any]], first: int, rows_M: NDArray[Any]) -> None:
    for name in NAMES:
        columns[name][first : first + len(rows_M)] = rows_M[name]
