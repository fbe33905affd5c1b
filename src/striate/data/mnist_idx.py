"""MNIST's IDX files: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-...`, plain or gzipped.

Format: two zero bytes, the type (8 for unsigned bytes), the number of dimensions, each dimension as a big-endian 32-bit
number, the data. Source: LeCun, Cortes & Burges, the MNIST database.
"""

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import DataError
from striate.data.examples import Examples, Part
from striate.data.examples_from_source import from_arrays

STEMS = (("train", Part.TRAIN), ("t10k", Part.TEST))


def file_at(folder: Path, stem: str) -> Path | None:
    """`stem` or `stem.gz` in a folder; None where there is neither."""
    for name in (f"{stem}.gz", stem):
        if (folder / name).is_file():
            return folder / name
    return None


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked where its name ends in .gz. Raises DataError: the file cannot be read or unpacked."""
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Get it again.") from error


def read_array(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes."""
    content = read_bytes(path)
    expected = bytes((0, 0, 8, dimensions))
    if content[:4] != expected:
        raise DataError(f"{path}: expected an IDX file that begins with {expected.hex()}; got {content[:4].hex()}.")
    start = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(content[offset : offset + 4], "big") for offset in range(4, start, 4))
    count = math.prod(shape)
    if len(content) != start + count:
        raise DataError(f"{path}: its header promises {shape}, {count:,} bytes; got {len(content) - start:,}. Get it again.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def holds_idx(folder: Path) -> bool:
    """Whether a folder holds MNIST's training images."""
    return file_at(folder, "train-images-idx3-ubyte") is not None


def read(folder: Path, class_names: Sequence[str] | None = None) -> Examples:
    """The images of a folder of IDX files, t10k the test part; labels are named by `class_names`, else by their numbers."""
    images, labels, names, parts = [], [], [], []
    for stem, part in STEMS:
        pixels_path, labels_path = (file_at(folder, f"{stem}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
        if pixels_path is None and labels_path is None and part == Part.TEST:
            continue
        if pixels_path is None or labels_path is None:
            missing = "labels-idx1" if labels_path is None else "images-idx3"
            raise DataError(f"expected {stem}-{missing}-ubyte.gz in {folder}; it is not there. Put it beside the other.")
        pixels_NHW, labels_N = read_array(pixels_path, 3), read_array(labels_path, 1)
        if len(pixels_NHW) != len(labels_N):
            raise DataError(f"{folder}: {len(pixels_NHW):,} {stem} images have {len(labels_N):,} labels. Get both again.")
        images.append(pixels_NHW[..., None])
        labels.append(labels_N)
        names += [f"{pixels_path.name}#{i}" for i in range(len(labels_N))]
        parts.append(np.full(len(labels_N), part, np.uint8))
    if len(images) == 1:
        parts_N, missing = np.full(len(names), Part.FREE, np.uint8), "There is no t10k-images-idx3-ubyte"
        return from_arrays(folder, images[0], labels[0], names, parts_N, class_names, missing)
    if images[0].shape[1:] != images[1].shape[1:]:
        train, test = (f"{pixels.shape[1]} x {pixels.shape[2]}" for pixels in images)
        raise DataError(f"{folder}: the train images are {train} pixels and the t10k images {test}. Get both again.")
    return from_arrays(folder, np.concatenate(images), np.concatenate(labels), names, np.concatenate(parts), class_names)
