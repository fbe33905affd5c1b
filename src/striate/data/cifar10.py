"""CIFAR-10's binary files: `data_batch_1.bin` ... `data_batch_5.bin`, `test_batch.bin`, plain or gzipped, `batches.meta.txt`.

Format: for each image one label byte, then 1,024 red, 1,024 green and 1,024 blue bytes. Source: Krizhevsky 2009.
"""

from pathlib import Path

import numpy as np

from striate.base.errors import DataError
from striate.data.examples import Examples, Part
from striate.data.examples_from_source import from_arrays
from striate.data.mnist_idx import file_at, read_bytes

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_BATCH = "test_batch.bin"
_RECORD = 1 + 3 * 32 * 32


def holds_cifar(folder: Path) -> bool:
    """Whether a folder holds a batch of CIFAR-10's training images."""
    return any(file_at(folder, name) for name in BATCHES)


def read(folder: Path) -> Examples:
    """The images of a folder of CIFAR-10's binary files; `test_batch.bin` is the test part, where it is there."""
    batch_files = {name: file_at(folder, name) for name in (*BATCHES, TEST_BATCH)}
    missing = [name for name in BATCHES if batch_files[name] is None]
    if missing:
        raise DataError(f"expected {', '.join(missing)} (or .gz) in {folder}; not there. Put all five batches in one folder.")
    has_test = batch_files[TEST_BATCH] is not None
    records, names, parts = [], [], []
    for name, path in batch_files.items():
        if path is None:
            continue
        content = np.frombuffer(read_bytes(path), np.uint8)
        if len(content) == 0 or len(content) % _RECORD:
            raise DataError(f"{path}: expected records of {_RECORD:,} bytes; got {len(content):,} bytes. Get it again.")
        records.append(content.reshape(-1, _RECORD))
        part = Part.TEST if name == TEST_BATCH else Part.TRAIN if has_test else Part.FREE
        names += [f"{path.name}#{i}" for i in range(len(records[-1]))]
        parts.append(np.full(len(records[-1]), part, np.uint8))
    joined = np.concatenate(records)
    pixels_NHWC = np.ascontiguousarray(joined[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    absent = "" if has_test else "There is no test_batch.bin"
    return from_arrays(folder, pixels_NHWC, joined[:, 0], names, np.concatenate(parts), _class_names(folder), absent)


def _class_names(folder: Path) -> tuple[str, ...]:
    meta = folder / "batches.meta.txt"
    if not meta.is_file():
        return NAMES
    lines = [line.strip() for line in meta.read_text("utf-8", errors="replace").splitlines()]
    return tuple(line for line in lines if line)
