from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.base.config import Data, data_section
from striate.base.errors import DataError
from striate.base.option_names import setting
from striate.data import sources, table_label_sets
from striate.data.examples import Examples
from striate.data.table_cells import Table
from striate.data.table_columns import Roles
from striate.data.table_labels import NoLabel


def of(cells: list[str], **settings: object) -> tuple[list[object], list[str]]:
    table = Table(Path("t.csv"), {"path": ["x"] * len(cells), "label": cells}, list(range(1, len(cells) + 1)))
    data = Data.model_validate({"multi_label": True, **settings})
    labels, notes = table_label_sets.of_rows(table, Roles("path", "label", (), None, ()), data)
    return [*labels], notes


def examples(folder: Path, rows: list[str], ending: str = ".csv", **settings: object) -> Examples:
    for name in {row.split(",")[0] for row in rows[1:]}:
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / name)
    (folder / f"t{ending}").write_text("\n".join(rows))
    return sources.read(data_section(folder / f"t{ending}", {"multi_label": True, **settings}))


@pytest.mark.parametrize(
    "cells",
    [
        ["cat|dog", "dog", ""], ["dog ; cat", "dog", " "], ["cat, dog", "dog", "[]"], ["['cat', 'dog']", "['dog']", "[]"],
        ['["cat", "dog"]', '["dog"]', ""], ["['cat' 'dog']", "dog", ""], ["[cat, dog]", "[dog]", ""],
        ["cat|dog|cat", "dog|", "|"],
    ],
)  # fmt: skip
def test_the_labels_of_a_cell_are_read_however_they_are_written(cells: list[str]):
    labels, notes = of(cells)
    assert labels == [("cat", "dog"), ("dog",), ()]
    assert notes[-1] == f"1 image without any of the labels; {setting('data.missing_labels')} names what means unknown."


def test_numbers_are_labels_and_a_name_may_hold_a_later_separator():
    assert of(["[1, 12]", "[2]"])[0] == [("1", "12"), ("2",)]
    labels, notes = of(["cat, tame|dog", "dog"])
    assert labels == [("cat, tame", "dog"), ("dog",)]
    assert notes == [
        f"Labels in the column 'label' are divided at '|'; {setting('data.label_separator')} names another. ',', as in "
        "'cat, tame|dog', stays part of the name."
    ]


def test_a_separator_that_is_named_divides_and_no_other():
    assert of(["polar bear ice|snow", "ice|snow"], label_separator=" ")[0] == [("bear", "ice|snow", "polar"), ("ice|snow",)]


def test_words_for_unknown_labels_are_no_labels():
    labels, notes = of(["cat|dog", "nan"])
    assert labels[0] == ("cat", "dog")
    assert isinstance(labels[1], NoLabel)
    assert notes[-1] == "'nan' in the column 'label' means that the labels are not known (1 row)."


def test_a_table_of_one_label_each_says_so_and_one_without_any_is_refused():
    assert of(["cat", "dog"])[1] == [
        "No image has several labels in the column 'label'; a training without --multi-label takes one class for each."
    ]
    with pytest.raises(DataError) as refused:
        of(["", "[]"])
    assert str(refused.value) == (
        "t.csv: expected labels; no image has any. Name their column with settings={'data': {'label_column': ...}}."
    )


def test_columns_of_zeros_and_ones_are_labels(tmp_path: Path):
    read = examples(tmp_path, ["path,cat,dog,eel", "a.png,1,1,0", "b.png,0,true,0", "c.png,0,0,0"])
    assert read.several
    assert read.classes == ("cat", "dog")
    assert read.labels_N.tolist() == [[1, 1], [0, 1], [0, 0]]
    assert read.counts() == {"cat": 1, "dog": 2}
    assert [read.label_of(position) for position in range(3)] == ["cat|dog", "dog", ""]
    assert read.having(0).tolist() == [True, False, False]
    assert "No image has eel, so it is no label." in read.notes


def test_rows_of_one_file_are_joined_and_the_account_balances(tmp_path: Path):
    read = examples(tmp_path, ["path,label", "a.png,cat", "b.png,dog", "a.png,dog"])
    assert read.labels_N.tolist() == [[1, 1], [0, 1]]
    assert [ignored.pattern for ignored in read.ignored] == ["listed twice, in rows 1 and 3"]
    assert "1 file, as a.png, in several rows: it has the labels of all." in read.notes


def test_columns_that_differ_for_one_file_are_refused(tmp_path: Path):
    sentence = r"'a.png' is listed as 'cat' in row 1 and as 'cat\|dog' in row 3\. Remove the other rows\."
    with pytest.raises(DataError, match=sentence):
        examples(tmp_path, ["path,cat,dog", "a.png,1,0", "b.png,0,1", "a.png,1,1"])


def test_lists_in_a_parquet_table_are_labels(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    for name in "ab":
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / f"{name}.png")
    table = pyarrow.table({"path": ["a.png", "b.png"], "label": [["dog", "cat"], ["cat"]]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    read = sources.read(data_section(tmp_path / "t.parquet", {"multi_label": True}))
    assert read.labels_N.tolist() == [[1, 1], [1, 0]]
    with pytest.raises(
        DataError, match=r"it holds list<.*>\. One label per image is needed \(train --multi-label takes several\)"
    ):
        sources.read(data_section(tmp_path / "t.parquet"))


def test_without_the_setting_the_refusal_names_it(tmp_path: Path):
    for name in "abc":
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "t.csv").write_text("path,label\na.png,cat|dog\nb.png,dog\nc.png,cat\n")
    with pytest.raises(
        DataError, match=r"One label per image is needed \(train --multi-label takes several\): keep one, or remove"
    ):
        sources.read(data_section(tmp_path / "t.csv"))


def test_what_is_no_table_is_refused(tmp_path: Path):
    for path in ("digits", tmp_path):
        with pytest.raises(DataError, match=r"data\.multi_label applies to a table, whose rows have several labels each; got"):
            sources.read(data_section(path, {"multi_label": True}))


@pytest.mark.parametrize("stray", ["2", "", "NaN"])
def test_a_column_of_zeros_and_ones_with_a_few_other_cells_is_refused(stray: str):
    columns = {"path": ["x"] * 10, "cat": ["0", "1"] * 5, "dog": ["1", "0"] * 5, "cow": ["0", "1", stray, *["0"] * 7]}
    table, roles = Table(Path("t.csv"), columns, list(range(1, 11))), Roles("path", None, ("cat", "dog"), None, ())
    with pytest.raises(DataError) as refusal:
        table_label_sets.of_rows(table, roles, Data(multi_label=True))
    assert str(refusal.value) == (
        f"t.csv: expected 0 or 1 in each cell of the column 'cow', as in cat, dog; got {stray!r} in row 3 (1 row in all). "
        "Correct or remove these rows, or remove the column if it is no label."
    )


def test_a_column_of_other_numbers_is_no_label():
    columns = {"path": ["x"] * 4, "cat": ["0", "1"] * 2, "dog": ["1", "0", "0", "0"], "age": ["0", "1", "2", "3"]}
    table, roles = Table(Path("t.csv"), columns, [1, 2, 3, 4]), Roles("path", None, ("cat", "dog"), None, ())
    labels, notes = table_label_sets.of_rows(table, roles, Data(multi_label=True))
    assert labels == [("dog",), ("cat",), (), ("cat",)]
    assert notes == ["1 image without any of the labels."]
