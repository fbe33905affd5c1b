"""Tables as people hold them: other names of columns, one column a class, files in another folder, Excel's encodings."""

from pathlib import Path

import pytest

from striate.base.config import Data
from striate.base.errors import DataError
from striate.base.option_names import setting
from striate.data import csv_parquet, table_columns
from striate.data.examples import Part


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1.png", "2.png", "sub/3.png", "4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def read(folder: Path, text: str | bytes, name: str = "table.csv", **settings: object):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return csv_parquet.read(folder / name, Data.model_validate(settings))


def labels(examples) -> list[str]:
    return [examples.classes[label] for label in examples.labels_N]


@pytest.mark.parametrize(
    ("header", "image", "label"),
    [
        ("image,species", "image", "species"), ("Filename,Class", "Filename", "Class"), ("image_id,y", "image_id", "y"),
        ("File Path,target", "File Path", "target"), ("id,breed", "id", "breed"), ("path, label", "path", " label"),
        ("图片,类别", "图片", "类别"),
    ],
)  # fmt: skip
def test_columns_are_chosen_by_name_or_by_the_files_in_them_and_that_is_said(folder: Path, header: str, image: str, label: str):
    examples = read(folder, f"{header}\n1.png,a\n2.png,b\n")
    assert (examples.names, labels(examples)) == (("1.png", "2.png"), ["a", "b"])
    label = label.strip() if header == "path, label" else label
    if (image, label) != ("path", "label"):
        assert examples.notes[0].startswith(
            f"Paths are in the column {image!r} and labels in {label!r}; settings={{'data': {{'image_column'"
        )


def test_spaces_after_commas_belong_to_no_cell(folder: Path):
    examples = read(folder, "filename, cat, dog\n1.png, 1, 0\n2.png, 0, 1\n")
    assert (examples.names, labels(examples)) == (("1.png", "2.png"), ["cat", "dog"])


def test_of_several_columns_that_may_be_meant_none_is_guessed(folder: Path):
    with pytest.raises(DataError, match=r"each of the columns species, category may be meant\. Name one with"):
        read(folder, "image,species,category\n1.png,a,x\n2.png,b,y\n")
    assert labels(read(folder, "image,label,category\n1.png,a,x\n2.png,b,y\n")) == ["a", "b"]


def test_of_two_columns_of_files_the_one_called_image_is_taken(folder: Path):
    assert read(folder, "image,mask,label\n1.png,4.png,a\n2.png,4.png,b\n").names == ("1.png", "2.png")


def test_one_column_for_each_class_is_read_and_rows_without_exactly_one_are_quarantined(folder: Path):
    text = "image,cat,dog\n1.png,1,0\n2.png,0,1.0\nsub/3.png,0,0\n4.png,1,1\n"
    with pytest.raises(DataError, match=r"expected one 1 in each row .* cat, dog; 3 of 4 rows"):
        read(folder, text.replace("2.png,0", "2.png,1"))
    examples = read(folder, text)
    assert labels(examples) == ["cat", "dog"]
    assert [(bad.path, bad.reason) for bad in examples.quarantined] == [
        ("sub/3.png", "row 3: none of the classes is 1"), ("4.png", "row 4: 2 of the classes are 1 (cat, dog), not one"),
    ]  # fmt: skip
    assert examples.notes == ("Paths are in the column 'image'; each class has a column of 0 and 1: cat, dog.",)


def test_a_column_is_valid_divides_the_images(folder: Path):
    examples = read(folder, "path,label,is_valid\n1.png,a,False\n2.png,b,False\n4.png,a,True\n")
    assert examples.parts_N.tolist() == [Part.TRAIN, Part.TRAIN, Part.TEST]
    assert "The column 'is_valid' divides the images: 2 train and 1 val." in examples.notes[0]


def test_rows_of_other_words_for_parts_are_listed_at_once(folder: Path):
    with pytest.raises(DataError, match=r"in the column 'fold'; got '3' in row 1, '4' in row 2\."):
        read(folder, "path,label,fold\n1.png,a,3\n2.png,b,4\n", split_column="fold")


def test_the_files_may_lie_in_a_folder_beside_the_table_without_their_ending_in_it(folder: Path):
    for name in ("train_images/a1.jpg", "train_images/a2.jpg", "test_images/a1.jpg", "test_images/a2.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    examples = read(folder, "id,breed\na1,pug\na2,collie\n", name="train.csv")
    assert examples.names == ("train_images/a1.jpg", "train_images/a2.jpg")
    assert "The files of train.csv are taken from train_images/ with .jpg after each name." in examples.notes
    with pytest.raises(DataError, match=r"found none that can be used; 2 quarantined .*Paths are relative to "):
        read(folder, "path,label\na1,pug\na2,collie\n", name="all.csv")


def test_paths_may_be_relative_to_the_folder_above_the_table(folder: Path):
    assert read(folder / "sub", "path,label\n1.png,a\n2.png,b\n").names == ("../1.png", "../2.png")


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("path;label\n1.png;é\n2.png;b\n".encode("cp1252"), f"in cp1252, since it is not UTF-8 "
         f"({setting('data.table_encoding')} names another), with semicolons between its columns."),
        ("path\tlabel\n1.png\té\n2.png\tb\n".encode("utf-16"), "in UTF-16, with tabs between its columns."),
        ("path,label\n1.png,é\n2.png,b\n".encode("utf-16-le"), "in UTF-16."),
        ("path,label\n1.png,é\n2.png,b\n".encode("utf-16-be"), "in UTF-16."),
        ("sep=;\r\npath;label\r\n1.png;é\r\n2.png;b\r\n;\r\n".encode("utf-8-sig"), None),
        ("path,label\r1.png,é\r2.png,b\r".encode(), None),
    ],
    ids=["cp1252", "utf-16", "utf-16-le", "utf-16-be", "sep=", "old Mac"],
)  # fmt: skip
def test_separator_and_encoding_are_found_and_said(folder: Path, content: bytes, note: str | None):
    examples = read(folder, content)
    assert (examples.names, labels(examples)) == (("1.png", "2.png"), ["é", "b"])
    assert examples.notes == (() if note is None else (f"table.csv is read {note}",))


def test_an_encoding_that_is_named_is_used(folder: Path):
    content = "path,label\n1.png,猫\n2.png,狗\n".encode("gb18030")
    assert labels(read(folder, content, table_encoding="gb18030")) == ["猫", "狗"]
    with pytest.raises(
        DataError, match=r"is not a CSV table in utf-8: line 3 holds the bytes b9 b7; in gb18030 it is '2\.png,狗'"
    ):
        read(folder, content, table_encoding="utf-8")
    with pytest.raises(ValueError, match=r"table_encoding must be one that Python knows; got 'klingon'"):
        Data(table_encoding="klingon")


def test_rows_with_too_many_cells_are_quarantined_and_missing_ones_at_the_end_are_empty(folder: Path):
    examples = read(folder, "path,label,note\n1.png,a\n2.png,b,,\n4.png,c, d, e\n")
    assert labels(examples) == ["a", "b"]
    assert [(bad.path, bad.reason) for bad in examples.quarantined] == [("table.csv", "row 3: expected 3 fields; got 4")]


def test_one_file_by_several_names_is_one_image(folder: Path):
    (folder / "link.png").symlink_to("1.png")
    examples = read(folder, f"path,label\n1.png,a\nlink.png,a\n{folder}/1.png,a\nsub/../1.png,a\n2.png,b\n")
    assert examples.names == ("1.png", "2.png")
    assert [left.path for left in examples.ignored] == ["link.png", f"{folder}/1.png", "sub/../1.png"]
    with pytest.raises(
        DataError, match=r"'link.png', the same file as '1.png', is listed as 'a' in row 1 and as 'b' in row 2;"
    ):
        read(folder, "path,label\n1.png,a\nlink.png,b\n2.png,a\n2.png,b\n")


def test_conflicts_are_listed_up_to_ten_and_counted(folder: Path):
    rows = "".join(f"{name},a\n{name},b\n" for name in map("{}.jpg".format, range(12)))
    for k in range(12):
        (folder / f"{k}.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match=r"'9.jpg' is listed as 'a' in row 19 and as 'b' in row 20\. And 2 more\."):
        read(folder, f"path,label\n{rows}")


def test_a_path_of_another_machine_is_answered_with_the_file_that_is_here(folder: Path):
    examples = read(folder, "path,label\n1.png,a\n2.png,b\nC:\\me\\data\\sub\\3.png,a\n")
    assert examples.quarantined[0].reason == "row 3: no such file; as sub/3.png there is one"


def test_a_table_that_names_images_is_known_by_its_first_rows(folder: Path):
    (folder / "yes.csv").write_text("file,class\n1.png,a\n2.png,b\n")
    (folder / "no.csv").write_text("file,class\nx.png,a\n")
    (folder / "other.csv").write_text("epoch,loss\n1,2\n2,1\n")
    (folder / "binary.csv").write_bytes(b"\x89PNG\0\0")
    names = ("yes.csv", "no.csv", "other.csv", "binary.csv", "absent.csv")
    assert [table_columns.names_images(folder / name) for name in names] == [True, False, False, False, False]
