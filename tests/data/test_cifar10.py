import gzip
from pathlib import Path

import numpy as np
import pytest

from striate.base.errors import DataError
from striate.data import cifar10
from striate.data.examples import Part
from support.dataset_files import record, write_cifar


def test_pixels_labels_and_names(tmp_path: Path):
    write_cifar(tmp_path, test=True)
    examples = cifar10.read(tmp_path)
    assert examples.pixels_NHWC is not None
    assert examples.pixels_NHWC.shape == (11, 32, 32, 3)
    assert examples.pixels_NHWC[4, 5, 6].tolist() == [30, 2, 3]
    assert examples.classes == ("airplane", "automobile", "bird", "truck")
    assert examples.classes[examples.labels_N[1]] == "truck"
    assert examples.parts_N.tolist() == [Part.TRAIN] * 10 + [Part.TEST]
    assert examples.notes == ()


def test_without_a_test_batch_a_test_set_is_cut_and_that_is_said(tmp_path: Path):
    write_cifar(tmp_path)
    examples = cifar10.read(tmp_path)
    assert set(examples.parts_N.tolist()) == {Part.FREE}
    assert examples.without_test == "There is no test_batch.bin"


def test_missing_and_half_batches_are_refused(tmp_path: Path):
    write_cifar(tmp_path)
    (tmp_path / "data_batch_3.bin").write_bytes(record(0, 1, 1, 1)[:-1])
    with pytest.raises(DataError, match=r"data_batch_3.bin: expected records of 3,073 bytes; got 3,072 bytes"):
        cifar10.read(tmp_path)
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(DataError, match=r"expected data_batch_3.bin \(or .gz\) in .*Put all five batches in one folder"):
        cifar10.read(tmp_path)


def test_class_names_come_from_the_meta_file(tmp_path: Path):
    write_cifar(tmp_path)
    (tmp_path / "batches.meta.txt").write_text("\n".join(f"kind {i}" for i in range(10)) + "\n\n")
    assert cifar10.read(tmp_path).classes == ("kind 0", "kind 1", "kind 2", "kind 9")


def test_zipped_batches_are_the_same(tmp_path: Path):
    write_cifar(tmp_path, test=True)
    plain = cifar10.read(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    zipped = cifar10.read(tmp_path)
    assert plain.pixels_NHWC is not None
    assert np.array_equal(zipped.pixels_NHWC, plain.pixels_NHWC)
    assert zipped.labels_N.tolist() == plain.labels_N.tolist()
    assert zipped.names[2] == "data_batch_2.bin.gz#0"


def test_rows_and_columns_are_not_exchanged(tmp_path: Path):
    write_cifar(tmp_path)
    red = bytes(y * 8 + x // 4 for y in range(32) for x in range(32))
    (tmp_path / "data_batch_1.bin").write_bytes(b"\x01" + red + bytes(2048))
    examples = cifar10.read(tmp_path)
    assert examples.pixels_NHWC is not None
    assert examples.pixels_NHWC[0, 20, 9].tolist() == [162, 0, 0]
    assert examples.pixels_NHWC[0, 9, 20].tolist() == [77, 0, 0]


def test_an_empty_batch_is_refused(tmp_path: Path):
    write_cifar(tmp_path, test=True)
    (tmp_path / "test_batch.bin").write_bytes(b"")
    with pytest.raises(DataError, match=r"test_batch.bin: expected records of 3,073 bytes; got 0 bytes. Get it again."):
        cifar10.read(tmp_path)


def test_a_label_above_nine_is_refused(tmp_path: Path):
    write_cifar(tmp_path)
    (tmp_path / "data_batch_5.bin").write_bytes(record(10, 1, 2, 3))
    with pytest.raises(DataError, match=r"expected labels from 0 to 9, as there are 10 names; got 10."):
        cifar10.read(tmp_path)


def test_any_one_batch_makes_it_cifar(tmp_path: Path):
    assert not cifar10.holds_cifar(tmp_path)
    (tmp_path / "test_batch.bin").write_bytes(record(0, 1, 2, 3))
    assert not cifar10.holds_cifar(tmp_path)
    (tmp_path / "data_batch_4.bin.gz").write_bytes(b"")
    assert cifar10.holds_cifar(tmp_path)


def test_the_real_cifar(shared_data: Path):
    examples = cifar10.read(shared_data / "cifar10")
    assert np.bincount(examples.labels_N).tolist() == [5000] * 10
    assert examples.classes == cifar10.NAMES
