"""`images.npz` of a run: the images that it learns from, chooses by and tests on, each known by its pixels.

Legend: N images, M images of other data.
"""

import io
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import run_record

FILE = "images.npz"


class RunPart(IntEnum):
    """What a run uses an image for."""

    TRAIN = 0
    VAL = 1
    TEST = 2


class RunImages(NamedTuple):
    """The images of a run, in the order of their ids; those that are left out of all parts are not among them."""

    ids_N: NDArray[np.uint64]
    labels_N: NDArray[np.int64]  # positions in the classes of the run
    part_N: NDArray[np.uint8]  # a `RunPart` for each image
    pixel_hash_N: NDArray[np.uint64]  # equal for images whose pixels are equal

    def as_bytes(self) -> bytes:
        """The content of the file, the same for the same images."""
        buffer = io.BytesIO()
        np.savez(buffer, **self._asdict())
        return buffer.getvalue()

    def hashes(self, part: RunPart) -> NDArray[np.uint64]:
        """Hashes of the images of a part."""
        chosen: NDArray[np.uint64] = self.pixel_hash_N[self.part_N == part]
        return chosen


def of_parts(
    ids_N: NDArray[np.uint64], labels_N: NDArray[np.int64], pixel_hash_N: NDArray[np.uint64], *rows: NDArray[np.int64]
) -> RunImages:
    """The images of all parts; `rows` are those of training, validation and test."""
    rows_M, part_M = np.concatenate(rows), np.repeat(np.arange(len(rows), dtype=np.uint8), [len(part) for part in rows])
    order = np.argsort(ids_N[rows_M], kind="stable")
    rows_M = rows_M[order]
    return RunImages(ids_N[rows_M], labels_N[rows_M], part_M[order], pixel_hash_N[rows_M])


def read(folder: Path) -> RunImages | None:
    """The images of a run; None where it has no such file. Raises ArtifactError: it is not what the run wrote."""
    content = run_record.content(folder, FILE)
    if content is None:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as saved:
        return RunImages(*(saved[name] for name in RunImages._fields))
