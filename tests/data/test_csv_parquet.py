import itertools
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from striate.base.config import Data
from striate.base.errors import DataError, DiskError, MissingExtraError
from striate.base.option_names import setting
from striate.data import csv_parquet
from striate.data.examples import Ignored, Part, Quarantined


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1.png", "2.png", "sub/3.png", "4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def read(folder: Path, text: str, **settings: str):
    (folder / "table.csv").write_text(text)
    return csv_parquet.read(folder / "table.csv", Data.model_validate(settings))


def test_paths_and_classes(folder: Path):
    examples = read(folder, "path,label\nsub/3.png,b\n1.png,a\n2.png,a\n")
    assert examples.names == ("1.png", "2.png", "sub/3.png")
    assert [examples.classes[label] for label in examples.labels_N] == ["a", "a", "b"]
    assert examples.root == folder
    assert examples.groups_N is None


def test_a_byte_order_mark_quotes_and_blank_lines_do_no_harm(folder: Path):
    examples = read(folder, '\ufeffpath,label\r\n"1.png","a, or b"\r\n\r\n2.png,c\r\n')
    assert examples.names == ("1.png", "2.png")
    assert examples.classes == ("a, or b", "c")


def test_parquet_s_numbers_are_classes_and_its_nulls_are_no_class(folder: Path):
    table = pyarrow.table({"path": ["1.png", "2.png", "4.png"], "label": pyarrow.array([10, 9, None], pyarrow.int64())})
    pyarrow.parquet.write_table(table, folder / "table.PARQUET")
    examples = csv_parquet.read(folder / "table.PARQUET", Data())
    assert examples.classes == ("10", "9")
    assert examples.labels_N.tolist() == [0, 1]
    assert examples.quarantined == (Quarantined("4.png", "row 3: no label"),)


def test_parquet_without_pyarrow_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"a Parquet table needs pyarrow, .*pip install 'striate\[tables\]'"):
        csv_parquet.read(folder / "table.parquet", Data())


def test_parquet_is_the_same(folder: Path):
    table = pyarrow.table({"path": ["1.png", "2.png"], "label": ["a", "b"]})
    pyarrow.parquet.write_table(table, folder / "table.parquet")
    assert csv_parquet.read(folder / "table.parquet", Data()).names == ("1.png", "2.png")
    (folder / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"bad.parquet is not a Parquet table"):
        csv_parquet.read(folder / "bad.parquet", Data())


def test_other_columns_groups_and_parts(folder: Path):
    text = "file,kind,who,part\n1.png,a,x,train\n2.png,b,x,Training\nsub/3.png,a,,valid\n4.png,b,,test\n"
    examples = read(folder, text, image_column="file", label_column="kind", group="who", split_column="part")
    assert examples.parts_N.tolist() == [Part.TRAIN, Part.TRAIN, Part.TEST, Part.VAL]
    assert examples.groups_N is not None
    assert examples.groups_N[0] == examples.groups_N[1]
    assert len(set(examples.groups_N.tolist())) == 3, "without a group each stands alone"


def test_missing_files_and_empty_classes_are_quarantined(folder: Path):
    examples = read(folder, "path,label\n1.png,a\n2.png,b\nabsent.png,a\n4.png,\n1.png,a\n")
    assert examples.quarantined == (Quarantined("absent.png", "row 3: no such file"), Quarantined("4.png", "row 4: no label"))
    assert examples.ignored == (Ignored("1.png", "listed twice, in rows 1 and 5"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "path\n1.png\n",
            r"expected a column with the labels, as label or class; its columns are path. Name it with set",
        ),
        (
            "path,label\n1.png,a\n1.png,b\n",
            r"'1.png' is listed as 'a' in row 1 and as 'b' in row 2. One label",
        ),
        ("path,label\n1.png\n", r"1 quarantined \(1.png: row 1: no label\)"),
        ("path,label\n1.png,a\n2.png,a\n", r"expected at least two classes"),
        ("path,label,label\n1.png,a,b\n", r"expected one column 'label'; there are several. Rename the others."),
        ("path,label\n1.png,a\n2.png,b,c\n", r"row 2: expected 2 fields; got 3."),
        ('path,label\n1.png,"a\n', r"table.csv is not a CSV table: unexpected end of data"),
        ("", r"expected a header, the names of the columns; the first line is empty."),
        ("\n\npath,label\n", r"the first line is empty."),
        ("path,label\nabsent.png,a\n", r"found none that can be used; 1 quarantined \(absent.png: row 1: no such file\)"),
        ("path,label\n", r"table.csv: expected rows below the header; there are none."),
        (
            "path,label\n1.png,a\n./1.png,b\n",
            r"'./1.png', the same file as '1.png', is listed as 'a'",
        ),
        (
            "path,label,split\n1.png,a,train\nsub/../1.png,a,test\n2.png,b,train\n",
            r"is listed as 'train' in row 1",
        ),
        (",".join(f"{'x' * 50}{k}" for k in range(30)), r"columns are (x{37}\.\.\.(, )?)+"),
    ],
)
def test_what_cannot_be_used_is_refused(folder: Path, text: str, message: str):
    with pytest.raises(DataError, match=message):
        read(folder, text)


@pytest.mark.parametrize("setting", ["image_column", "label_column", "group", "split_column"])
def test_each_column_that_is_named_must_be_there(folder: Path, setting: str):
    with pytest.raises(DataError, match=r"expected a column 'color'; its columns are path, label\. Name them"):
        read(folder, "path,label\n1.png,a\n2.png,b\n", **{setting: "color"})
    with pytest.raises(DataError, match=r"expected a column 'lable'; its columns are path, label\. Did you mean 'label'\?"):
        read(folder, "path,label\n1.png,a\n2.png,b\n", **{setting: "lable"})


def test_a_path_that_no_file_can_have_is_a_missing_file(folder: Path):
    long = "long" * 100
    examples = read(folder, f"path,label\n1.png,a\n2.png,b\n{long},a\nsub,a\n,a\n")
    assert examples.quarantined == (
        Quarantined(long, "row 3: cannot be read: File name too long"), Quarantined("sub", "row 4: a folder, not a file"),
        Quarantined("table.csv", "row 5: no path"),
    )  # fmt: skip


def test_columns_that_nobody_asked_for_may_have_one_name(folder: Path):
    assert read(folder, "path,label,,\n1.png,a,x,y\n2.png,b,,\n").names == ("1.png", "2.png")


def test_a_class_of_spaces_is_no_class(folder: Path):
    examples = read(folder, "path,label\n1.png,a\n2.png,b\n4.png,  \n")
    assert examples.classes == ("a", "b")
    assert examples.quarantined == (Quarantined("4.png", "row 3: no label"),)


def test_rows_are_accounted_for_in_any_order(folder: Path):
    rows = ["1.png,a", "2.png,b", "sub/3.png,a", "4.png,", "absent.png,b", "1.png,a"]
    for order in itertools.permutations(rows):
        examples = read(folder, "path,label\n" + "\n".join(order) + "\n")
        assert examples.names == ("1.png", "2.png", "sub/3.png")
        assert examples.labels_N.tolist() == [0, 1, 0]
        assert (len(examples.quarantined), len(examples.ignored)) == (2, 1)


def test_val_of_a_table_without_test_is_its_test_set(folder: Path):
    examples = read(folder, "path,label,part\n1.png,a,train\n2.png,b,train\n4.png,a,val\n", split_column="part")
    assert examples.parts_N.tolist() == [Part.TRAIN, Part.TRAIN, Part.TEST]
    assert examples.notes == ("val/ is the test set, since there is no test/; validation is cut from train/.",)


def test_a_class_that_only_the_test_rows_have_is_refused(folder: Path):
    text = "path,label,part\n1.png,a,train\n2.png,b,train\n4.png,c,test\n"
    with pytest.raises(DataError, match=r"class 'c' is in the test or validation part of .* but not in its training part"):
        read(folder, text, split_column="part")


def test_a_table_that_the_disk_refuses_is_the_disk_s_fault(folder: Path):
    with pytest.raises(DiskError, match=r"cannot read .*absent.csv"):
        csv_parquet.read(folder / "absent.csv", Data())


def test_another_word_for_a_part_is_refused(folder: Path):
    with pytest.raises(DataError, match=r"expected train, val or test in the column 'part'; got 'later' in row 2\."):
        read(folder, "path,label,part\n1.png,a,train\n2.png,b,later\n", split_column="part")


def test_bytes_that_are_no_text_are_refused(folder: Path):
    (folder / "table.csv").write_bytes(b"path,label\n\x89PNG\0\0,a\n")
    with pytest.raises(DataError, match=r"table.csv is not a CSV table: it holds zero bytes\. Save it as CSV in UTF-8"):
        csv_parquet.read(folder / "table.csv", Data())


def test_semicolons_tabs_and_bars_part_columns_too(folder: Path):
    for delimiter in ";\t|":
        examples = read(folder, f"\ufeffpath{delimiter}label\n1.png{delimiter}a,b\n2.png{delimiter}c\n")
        assert examples.classes == ("a,b", "c")


@pytest.mark.parametrize("name", ["split", "subset"])
def test_a_column_of_parts_is_used_though_nobody_named_it(folder: Path, name: str):
    text = f"path,label,{name}\n1.png,a,train\n2.png,b,train\nsub/3.png,a,val\n4.png,b,test\n"
    examples = read(folder, text)
    assert examples.parts_N.tolist() == [Part.TRAIN, Part.TRAIN, Part.TEST, Part.VAL]
    sentence = (
        f"The column {name!r} divides the images: 2 train, 1 val and 1 test. {setting('data.split_column', '')} ignores it."
    )
    assert examples.notes == (sentence,)
    left = read(folder, text, split_column="")
    assert set(left.parts_N.tolist()) == {Part.FREE}
    assert left.notes == ()


def test_a_column_that_is_nearly_one_of_parts_is_named(folder: Path):
    examples = read(folder, "path,label,split\n1.png,a,train\n2.png,b,holdout\n")
    assert set(examples.parts_N.tolist()) == {Part.FREE}
    assert examples.notes == (
        "The column 'split' is not used, since it holds 'holdout' beside words for parts. Correct it, or rename it.",
    )


def test_columns_that_are_not_used_are_named(folder: Path):
    examples = read(folder, ",path,label,set,patient\n0,1.png,a,3,x\n1,2.png,b,4,x\n")
    assert examples.notes == (
        f"Columns that are not used: set, patient. {setting('data.split_column')} or {setting('data.group')} uses one as "
        "parts, or as groups that stay together.",
    )
    assert read(folder, ",path,label\n0,1.png,a\n1,2.png,b\n").notes == ()


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("sub\\3.png", "with / for each \\"), (" 1.png ", "without the spaces or quotes around it"),
        ("'1.png'", "without the spaces or quotes around it"),
        ("/sub/3.png", "without the / before it"), ("1.PNG", "with .png"), ("sub/3", "with .png"),
        ("ete\u0301.png", "with its accents encoded otherwise"),
    ],
)  # fmt: skip
def test_the_spelling_by_which_there_is_a_file_is_named(folder: Path, name: str, how: str):
    (folder / "et\u00e9.png").write_bytes(b"x")
    examples = read(folder, f"path,label\n2.png,a\n4.png,b\n{name},a\n")
    assert examples.quarantined == (Quarantined(name, f"row 3: no such file; {how} there is one"),)


def test_one_class_left_tells_what_was_left_out(folder: Path):
    with pytest.raises(DataError, match=r"table.csv; got one, 'a'; 1 quarantined \(3.png: row 3: no such file\). Add"):
        read(folder, "path,label\n1.png,a\n2.png,a\n3.png,b\n")
    with pytest.raises(DataError, match=r"expected images by class in .*table.csv; found none"):
        read(folder, "path,label\n9.png,b\n")


def test_a_header_is_refused_before_its_rows(folder: Path):
    with pytest.raises(DataError, match=r"the paths of the images, as path, image or file; its columns are # made by hand\."):
        read(folder, "# made by hand\npath,label\n1.png,a\n")
    with pytest.raises(DataError, match=r"the first line names the file 1\.png\. Write path,label above it\."):
        read(folder, "1.png,a\n2.png,b\n")


def test_the_same_image_in_two_spellings_is_listed_twice(folder: Path):
    examples = read(folder, "path,label\n1.png,a\n./1.png,a\nsub/../1.png,a\n2.png,b\n")
    assert examples.names == ("1.png", "2.png")
    assert [left.pattern for left in examples.ignored] == ["listed twice, in rows 1 and 2", "listed twice, in rows 1 and 3"]


def parquet(folder: Path, paths: list[object], labels: list[object]):
    pyarrow.parquet.write_table(pyarrow.table({"path": paths, "label": labels}), folder / "typed.parquet")
    return csv_parquet.read(folder / "typed.parquet", Data())


def test_nan_is_no_class_and_whole_numbers_lose_their_point(folder: Path):
    examples = parquet(folder, ["1.png", "2.png", "4.png"], [0.0, 1.0, float("nan")])
    assert examples.classes == ("0", "1")
    assert examples.quarantined == (Quarantined("4.png", "row 3: no label"),)


@pytest.mark.parametrize(
    ("paths", "labels", "message"),
    [
        (
            ["1.png", "2.png"],
            [[0], [1]],
            r"in column 'label'; it holds list<.*>\. One label per image is needed \(train --multi-label takes several\)\.",
        ),
        (
            ["1.png", "2.png"],
            [1.0, 0.5],
            r"in column 'label'; row 2 holds a float, 0.5\. One label per image is needed "
            r"\(train --multi-label takes several\)\.",
        ),
        ([b"x" * 9000, b"y"], ["a", "b"], r"in column 'path'; it holds binary\. Write images to files, and"),
        (
            [{"bytes": b"x"}, {"bytes": b"y"}],
            ["a", "b"],
            r"in column 'path'; it holds struct<bytes: binary>\. Write",
        ),
    ],
)
def test_cells_that_are_no_text_are_refused_shortly(folder: Path, paths: list[object], labels: list[object], message: str):
    with pytest.raises(DataError, match=message) as refused:
        parquet(folder, paths, labels)
    assert len(str(refused.value)) < 400
