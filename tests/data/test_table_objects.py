import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from striate.base.config import Data
from striate.base.errors import DataError
from striate.data import decode, in_memory, sources, table_objects
from striate.data.examples import Examples, Part

PIXELS = [np.full((3, 4 + n, 3), 20 * n, np.uint8) for n in range(4)]
NAMES = ["b", "a", "b", "a"]
pandas = pytest.importorskip("pandas", reason="its tables are read, and it is no dependency")
polars = pytest.importorskip("polars", reason="its tables are read, and it is no dependency")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def file(pixels: Any, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


FILES = [file(pixels, "BMP") for pixels in PIXELS]


def read(data: Any, **settings: Any) -> Examples:
    return sources.read(Data(path=str(in_memory.stored(data)), **settings))


def words(examples: Examples) -> list[str]:
    return [examples.classes[label] for label in examples.labels_N]


def check(examples: Examples, names: list[str] = NAMES) -> None:
    """The four images with their labels."""
    assert words(examples) == names
    for name, pixels in zip(examples.names, PIXELS, strict=True):
        assert np.array_equal(decode.decode_image(examples.root / name, (0, 0, 0))[..., 0], pixels[..., 0])


def as_column(kind: str) -> list[Any]:
    return {
        "bytes": FILES,
        "dictionaries": [{"bytes": content, "path": f"{n}.bmp"} for n, content in enumerate(FILES)],
        "pillow": [Image.fromarray(pixels) for pixels in PIXELS],
        "arrays": PIXELS,
    }[kind]


@pytest.mark.parametrize("kind", ["bytes", "dictionaries", "pillow", "arrays"])
def test_a_table_of_pandas_with_images(kind: str):
    table = pandas.DataFrame({"path": as_column(kind), "label": NAMES}, index=[9, 8, 7, 6])
    before = table.copy()
    examples = read(table)
    check(examples)
    assert before.equals(table) or kind == "arrays"
    if kind in ("bytes", "dictionaries"):
        assert (examples.root / examples.names[0]).read_bytes() == FILES[0], "as it was"


@pytest.mark.parametrize("kind", ["bytes", "dictionaries"])
@pytest.mark.parametrize("package", ["polars", "pyarrow"])
def test_tables_of_other_packages(kind: str, package: str):
    columns = {"path": as_column(kind), "label": NAMES}
    check(read(polars.DataFrame(columns) if package == "polars" else pyarrow.table(columns)))


@pytest.mark.parametrize("frame", [pandas.DataFrame, polars.DataFrame, pyarrow.table])
def test_a_table_of_paths_is_read_as_its_csv_file_would_be(frame: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for n, content in enumerate(FILES):
        Path(f"{n}.bmp").write_bytes(content)
    columns = {
        "file": [*(f"{n}.bmp" for n in range(4)), "5.bmp"], "kind": [1, 2, 1, None, 2], "part": ["train"] * 2 + ["test"] * 3,
        "patient": ["x", "y", "x", "y", "x"],
    }  # fmt: skip
    settings = {"image_column": "file", "label_column": "kind", "group": "patient", "split_column": "part"}
    examples = read(frame(columns), **settings)
    pandas.DataFrame(columns).astype({"kind": "Int64"}).to_csv("table.csv", index=False)
    by_file = sources.read(Data(path="table.csv", **settings))
    assert (examples.names, words(examples)) == (("0.bmp", "1.bmp", "2.bmp"), ["1", "2", "1"])
    assert examples.ids_N.tolist() == by_file.ids_N.tolist()
    assert [bad.path for bad in examples.quarantined] == [bad.path for bad in by_file.quarantined] == ["3.bmp", "5.bmp"]
    assert examples.parts_N.tolist() == by_file.parts_N.tolist() == [Part.TRAIN, Part.TRAIN, Part.TEST]
    assert examples.groups_N is not None
    assert examples.groups_N.tolist() == [0, 1, 0]
    monkeypatch.chdir("/")
    again = sources.read(Data(path=str(next((tmp_path / "cache").glob("in-memory/*/images.csv"))), **settings))
    assert again.names == examples.names, "wherever striate runs later"


def test_a_row_without_an_image_or_a_label_is_quarantined():
    examples = read(pandas.DataFrame({"path": [*FILES[:3], None, FILES[3]], "label": [*NAMES[:3], "a", None]}))
    assert (words(examples), len(examples.quarantined)) == (["b", "a", "b"], 2)
    assert len(read(pandas.DataFrame({"path": [*FILES[:3], float("nan")], "label": NAMES})).quarantined) == 1


def test_parts_as_tables_have_a_column_split():
    train, test = (pandas.DataFrame({"path": FILES[part], "label": NAMES[part]}) for part in (slice(0, 2), slice(2, 4)))
    examples = read({"train": train, "test": test})
    check(examples)
    assert examples.parts_N.tolist() == [Part.TRAIN] * 2 + [Part.TEST] * 2
    with pytest.raises(DataError, match=r"expected the images of all parts in one column; got 'image' and 'path'. Rename it"):
        read({"train": train, "test": test.rename(columns={"path": "image"})})
    with pytest.raises(DataError, match="expected tables for all parts, or for none; got some"):
        read({"train": train, "test": (FILES, NAMES)})


def test_a_parquet_file_with_images_in_it(tmp_path: Path):
    path = tmp_path / "images.parquet"
    features = {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}, "path": {"_type": "Image"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pyarrow.table({"path": as_column("dictionaries"), "label": [1, 0, 1, 0], "weight": [0.5] * 4})
    pyarrow.parquet.write_table(table.replace_schema_metadata(about), path)
    for _ in range(2):
        examples = sources.read(Data(path=str(path)))
        check(examples, ["dog", "cat", "dog", "cat"])
    assert examples.names[0] == "images/000000.bmp"
    pyarrow.parquet.write_table(pyarrow.table({"path": FILES, "label": NAMES}), path)
    check(sources.read(Data(path=str(path))))
    (tmp_path / "a.bmp").write_bytes(FILES[0])
    (tmp_path / "b.bmp").write_bytes(FILES[1])
    pyarrow.parquet.write_table(pyarrow.table({"path": ["a.bmp", "b.bmp"], "label": ["a", "b"]}), path)
    assert sources.read(Data(path=str(path))).root == tmp_path


def test_what_a_parquet_file_says_of_classes_may_be_anything():
    for content in (b"", b"[]", b"{}", b'{"info": null}', b'{"info": {"features": []}}', b"\xff"):
        schema = pyarrow.schema([("label", pyarrow.int64())], metadata={"huggingface": content})
        assert table_objects._class_names(schema) == {}


def test_cells_as_text():
    cells = [None, float("nan"), pandas.NA, pandas.NaT, 1, 2.0, 0.5, True, np.int64(3), "a", -1, 5]
    assert [table_objects.text(cell) for cell in cells] == ["", "", "", "", "1", "2", "0.5", "True", "3", "a", "-1", "5"]
    assert [table_objects.text(cell, ["cat", "dog"]) for cell in (0, 1, 2, -1, None)] == ["cat", "dog", "", "", ""]
    lists = (["b", "a"], {"b", "a"}, np.array(["b", "a"]), np.array([2, 1]), [])
    assert [table_objects.text(cell) for cell in lists] == ['["b", "a"]', '["a", "b"]', '["b", "a"]', "[2, 1]", "[]"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pandas.DataFrame({"a": FILES, "b": FILES}), "expected one column of images; got 'a' and 'b'. Leave the others out"),
        (pandas.DataFrame([[FILES[0], "a", "b"]], columns=["path", "label", "label"]), "a name of its own for each column"),
        (
            polars.LazyFrame({"path": FILES, "label": NAMES}),
            "expected a table whose rows are at hand; got LazyFrame. Collect it",
        ),
        (pandas.DataFrame({"path": [FILES[0], 7], "label": ["a", "b"]}), "image 1: expected a path, .*; got int"),
    ],
)
def test_tables_that_are_refused(table: Any, message: str):
    with pytest.raises(DataError, match=message):
        in_memory.stored(table)


def test_labels_beside_a_table_are_refused():
    with pytest.raises(DataError, match="expected no labels beside a table, which has them in a column"):
        in_memory.stored(pandas.DataFrame({"path": FILES}), NAMES)


@pytest.mark.filterwarnings("ignore")
def test_a_data_set_of_hugging_face():
    datasets = pytest.importorskip("datasets", reason="of the extra hf")
    features = datasets.Features({"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["b", "a"])})
    data = datasets.Dataset.from_dict({"picture": as_column("dictionaries"), "kind": [0, 1, 0, 1]}, features=features)
    examples = read(data)
    check(examples)
    assert (examples.root / examples.names[0]).read_bytes() == FILES[0], "as it was, not decoded"
    check(read(data, image_column="picture", label_column="kind"))
    assert words(read(data.select([3, 2, 1]))) == ["a", "b", "a"]
    parts = read(datasets.DatasetDict({"train": data, "validation": data.select([0, 1]), "test": data.select([2])}))
    assert parts.parts_N.tolist() == [Part.TRAIN] * 4 + [Part.VAL] * 2 + [Part.TEST]
    with pytest.raises(
        DataError, match=r"expected a table whose rows are at hand; got IterableDataset. Collect it, or load it"
    ):
        in_memory.stored(data.to_iterable_dataset())


def test_columns_that_are_evident_need_no_setting(tmp_path: Path):
    check(read(pandas.DataFrame({"picture": FILES, "label": NAMES})))
    check(read(pandas.DataFrame({"picture": FILES, "label": NAMES}), image_column="picture"))
    check(read(pandas.DataFrame({"Image": FILES, "Class": NAMES, "file": ["x"] * 4})))
    both = pandas.DataFrame({"picture": FILES, "path": ["w", "x", "y", "z"], "label": NAMES})
    check(read(both, image_column="picture"))
    paths = [str(tmp_path / f"{n}.bmp") for n in range(4)]
    for path, content in zip(paths, FILES, strict=True):
        Path(path).write_bytes(content)
    check(read(pandas.DataFrame({"filename": paths, "category": NAMES})))
    with pytest.raises(DataError, match="filename, image_path"):
        read(pandas.DataFrame({"filename": paths, "image_path": paths, "label": NAMES}))


def test_a_table_with_a_column_for_each_class():
    table = pandas.DataFrame({"image": FILES, "a": [0, 1, 0, 1], "b": [1, 0, 1, 0]})
    check(read(table))
