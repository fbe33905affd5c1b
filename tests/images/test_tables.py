from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from striate.base.config import Data
from striate.base.errors import DataError
from striate.images import tables
from striate.images.examples import Ignored, Part, Quarantined


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1.png", "2.png", "sub/3.png", "4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def read(folder: Path, text: str, **settings: str):
    (folder / "table.csv").write_text(text)
    return tables.read(folder / "table.csv", Data.model_validate(settings))


def test_paths_and_classes(folder: Path):
    found = read(folder, "path,label\nsub/3.png,b\n1.png,a\n2.png,a\n")
    assert found.names == ("1.png", "2.png", "sub/3.png")
    assert [found.classes[label] for label in found.labels_N] == ["a", "a", "b"]
    assert found.root == folder
    assert found.groups_N is None


def test_parquet_is_the_same(folder: Path):
    table = pyarrow.table({"path": ["1.png", "2.png"], "label": ["a", "b"]})
    pyarrow.parquet.write_table(table, folder / "table.parquet")
    assert tables.read(folder / "table.parquet", Data()).names == ("1.png", "2.png")
    (folder / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"bad.parquet is not a Parquet table"):
        tables.read(folder / "bad.parquet", Data())


def test_other_columns_groups_and_parts(folder: Path):
    text = "file,kind,who,part\n1.png,a,x,train\n2.png,b,x,Training\nsub/3.png,a,,valid\n4.png,b,,test\n"
    found = read(folder, text, image_column="file", label_column="kind", group_column="who", split_column="part")
    assert found.parts_N.tolist() == [Part.TRAIN, Part.TRAIN, Part.TEST, Part.VAL]
    assert found.groups_N is not None
    assert found.groups_N[0] == found.groups_N[1]
    assert len(set(found.groups_N.tolist())) == 3, "without a group each stands alone"


def test_missing_files_and_empty_classes_are_quarantined(folder: Path):
    found = read(folder, "path,label\n1.png,a\n2.png,b\nabsent.png,a\n4.png,\n1.png,a\n")
    assert found.quarantined == (Quarantined("absent.png", "no such file"), Quarantined("4.png", "no class in its row"))
    assert found.ignored == (Ignored("1.png", "listed twice"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,kind\n1.png,a\n", r"expected a column 'label'; its columns are path, kind. Name them with --set"),
        ("path,label\n1.png,a\n1.png,b\n", r"'1.png' is listed as 'a' and as 'b'. Remove one of the rows."),
        ("path,label\n1.png\n", r"row 1: expected 2 fields; got 1."),
        ("path,label\n1.png,a\n2.png,a\n", r"expected at least two classes"),
        ("path,label\n", r"expected images by class in .*; found none that can be used"),
    ],
)
def test_what_cannot_be_used_is_refused(folder: Path, text: str, message: str):
    with pytest.raises(DataError, match=message):
        read(folder, text)


def test_another_word_for_a_part_is_refused(folder: Path):
    with pytest.raises(DataError, match=r"row 2: expected train, val or test in the split column; got 'later'"):
        read(folder, "path,label,part\n1.png,a,train\n2.png,b,later\n", split_column="part")


def test_bytes_that_are_no_text_are_refused(folder: Path):
    (folder / "table.csv").write_bytes(b"path,label\n\xff\xfe,a\n")
    with pytest.raises(DataError, match=r"table.csv is not a CSV table in UTF-8"):
        tables.read(folder / "table.csv", Data())
