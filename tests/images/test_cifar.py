from pathlib import Path

import numpy as np
import pytest

from striate.base.errors import DataError
from striate.images import cifar
from striate.images.examples import Part


def record(label: int, red: int, green: int, blue: int) -> bytes:
    return bytes([label]) + bytes([red]) * 1024 + bytes([green]) * 1024 + bytes([blue]) * 1024


def write(folder: Path, test: bool = False) -> None:
    for number in range(1, 6):
        (folder / f"data_batch_{number}.bin").write_bytes(record(number % 3, 10 * number, 2, 3) + record(9, 1, 2, 3))
    if test:
        (folder / "test_batch.bin").write_bytes(record(0, 7, 8, 9))


def test_pixels_labels_and_names(tmp_path: Path):
    write(tmp_path, test=True)
    found = cifar.read(tmp_path)
    assert found.pixels_NHWC is not None
    assert found.pixels_NHWC.shape == (11, 32, 32, 3)
    assert found.pixels_NHWC[4, 5, 6].tolist() == [30, 2, 3]
    assert found.classes == ("airplane", "automobile", "bird", "truck")
    assert found.classes[found.labels_N[1]] == "truck"
    assert found.parts_N.tolist() == [Part.TRAIN] * 10 + [Part.TEST]
    assert found.notes == ()


def test_without_a_test_batch_a_test_set_is_cut_and_that_is_said(tmp_path: Path):
    write(tmp_path)
    found = cifar.read(tmp_path)
    assert set(found.parts_N.tolist()) == {Part.FREE}
    assert found.notes == ("There is no test_batch.bin, so a test set is cut from the training images.",)


def test_missing_and_half_batches_are_refused(tmp_path: Path):
    write(tmp_path)
    (tmp_path / "data_batch_3.bin").write_bytes(record(0, 1, 1, 1)[:-1])
    with pytest.raises(DataError, match=r"data_batch_3.bin: expected records of 3,073 bytes; got 3,072 bytes"):
        cifar.read(tmp_path)
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match=r"expected data_batch_3.bin \(or .gz\) in .*Put all five batches in one folder"):
        cifar.read(tmp_path)


def test_class_names_come_from_the_meta_file(tmp_path: Path):
    write(tmp_path)
    (tmp_path / "batches.meta.txt").write_text("\n".join(f"kind {i}" for i in range(10)) + "\n\n")
    assert cifar.read(tmp_path).classes == ("kind 0", "kind 1", "kind 2", "kind 9")


def test_the_real_cifar(shared_data: Path):
    found = cifar.read(shared_data / "cifar10")
    assert np.bincount(found.labels_N).tolist() == [5000] * 10
    assert found.classes == cifar.NAMES
