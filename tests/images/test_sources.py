from pathlib import Path

import numpy as np
import pytest
from test_idx import write

from striate.base.config import Data
from striate.base.errors import DataError
from striate.images import sources


def read(path: object):
    return sources.read(Data(path=str(path)))


def test_each_kind_is_recognised(tmp_path: Path):
    assert len(read("digits")) == 1797
    write(tmp_path, "train")
    assert len(read(tmp_path)) == 3
    (tmp_path / "table.csv").write_text("path,label\ntable.csv,a\ntrain-images-idx3-ubyte,b\n")
    assert read(tmp_path / "table.csv").classes == ("a", "b")


def test_what_is_not_there_offers_the_nearest_name():
    with pytest.raises(DataError, match=r"there is nothing at 'minst'. By name, did you mean mnist"):
        read("minst")
    with pytest.raises(DataError, match=r"there is nothing at 'my/photos'. By name, there are: cifar10, digits"):
        read("my/photos")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path):
    (tmp_path / "photo.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"expected a folder, or a table that ends in .csv or .parquet; got the file"):
        read(tmp_path / "photo.png")


def test_the_stamp_follows_the_files(tmp_path: Path):
    for name in ("a/1", "b/2"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    before = read(tmp_path).stamp()
    assert read(tmp_path).stamp() == before
    (tmp_path / "a/1").write_bytes(b"longer")
    assert read(tmp_path).stamp() != before


def test_keeping_some_keeps_the_account():
    whole = read("digits")
    some = whole.keep(np.array([5, 3]))
    assert some.names == ("digits#5", "digits#3")
    assert some.pixels_NHWC is not None
    assert np.array_equal(some.pixels_NHWC[1], whole.pixels_NHWC[3])
    assert sum(some.counts().values()) == 2
