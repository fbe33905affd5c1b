"""Classes from names of files and from folders at any depth; folders as they are downloaded."""

import os
from pathlib import Path

import pytest

from striate.base.config import Data, data_section
from striate.base.errors import DataError, SettingError
from striate.base.option_names import setting
from striate.data import file_labels, folders, sources
from striate.data.examples import Ignored, Part, Quarantined
from support.touched import touch


def labeled(examples) -> dict[str, str]:
    return {name: examples.classes[label] for name, label in zip(examples.names, examples.labels_N, strict=True)}


def test_classes_from_names_of_files(tmp_path: Path):
    root = touch(tmp_path, "cat.1.jpg", "dog.2.jpg", "deep/big.cat.3.jpg", "readme.jpg", "notes.txt")
    examples = folders.read(root, Data(labels_from=r"name:(.+)\.\d+"))
    assert labeled(examples) == {"cat.1.jpg": "cat", "deep/big.cat.3.jpg": "big.cat", "dog.2.jpg": "dog"}
    assert examples.quarantined == (Quarantined("readme.jpg", r"no label by name:(.+)\.\d+"),)
    assert examples.ignored == (Ignored("notes.txt", "*.txt"),)


def test_parts_stay_parts_where_classes_come_from_names(tmp_path: Path):
    root = touch(tmp_path, "train/cat.1.jpg", "train/dog.2.jpg", "test/cat.3.jpg", "other/cat.4.jpg")
    examples = folders.read(root, Data(labels_from=r"name:(.+)\.\d+"))
    assert examples.parts_N.tolist() == [Part.TEST, Part.TRAIN, Part.TRAIN]
    assert examples.ignored == (Ignored("other/cat.4.jpg", "neither train, val nor test"),)


def test_years_above_the_classes_are_refused_and_read_by_parent_or_top(tmp_path: Path):
    root = touch(tmp_path, "2023/cat/1.jpg", "2023/dog/2.jpg", "2024/cat/3.jpg", "2024/dog/4.jpg", "2024/owl/5.jpg")
    with pytest.raises(DataError, match=r"2023, 2024 are years or dates, and each holds folders cat, dog\. --labels"):
        folders.read(root)
    assert folders.read(root, Data(labels_from="parent")).classes == ("cat", "dog", "owl")
    assert folders.read(root, Data(labels_from="top")).classes == ("2023", "2024")


def test_the_folder_of_a_file_is_its_class_also_within_parts(tmp_path: Path):
    root = touch(tmp_path, "train/x/cat/1", "train/dog/2", "val/cat/3", "train/4", "5")
    examples = folders.read(root, Data(labels_from="parent"))
    assert labeled(examples) == {"train/dog/2": "dog", "train/x/cat/1": "cat", "val/cat/3": "cat"}


def test_an_expression_that_takes_years_is_stopped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(file_labels, "_SECONDS", 0.3)
    with pytest.raises(DataError, match=r"takes longer than 0 s for 500 names .* without a repetition inside of another"):
        file_labels.of_paths(["a" * 200], "name:((a+)+)b")


@pytest.mark.parametrize("text", ["name:(", "name:a", "name:(a)(b)", "class", "name:(" + "a" * 200 + ")"])
def test_what_is_no_way_to_labels_is_refused(text: str):
    with pytest.raises(SettingError, match=r"labels_from (must be parent, top, or name:|is no regular expression)"):
        data_section("photos", {"labels_from": text})


def test_settings_of_folders_are_refused_for_others():
    with pytest.raises(DataError, match=r"data\.labels_from applies to a folder of images; got digits\. Leave it out\."):
        sources.read(Data(path="digits", labels_from="parent"))
    with pytest.raises(DataError, match=r"data\.follow_links applies to a folder"):
        sources.read(Data(path="digits", follow_links=True))


def test_links_are_followed_where_that_is_set_each_file_once_and_without_loops(tmp_path: Path):
    away = touch(tmp_path / "away", "1.png", "2.png", "more/3.png")
    root = touch(tmp_path / "data", "a/0.png", "b/0.png")
    (root / "a" / "out.png").symlink_to(away / "1.png")
    (root / "a" / "out").symlink_to(away)
    (root / "b" / "same.png").symlink_to(away / "2.png")
    (away / "more" / "loop").symlink_to(away)
    (root / "b" / "up").symlink_to(tmp_path)
    left = folders.read(root)
    assert left.names == ("a/0.png", "b/0.png")
    assert left.notes == (
        f"3 links lead out of the data folder and are left out; {setting('data.follow_links', True)} follows them.",
    )
    one = touch(tmp_path / "one", "a/0.png", "b/0.png")
    (one / "a" / "out.png").symlink_to(away / "1.png")
    assert folders.read(one).notes[0].startswith("1 link leads out of the data folder and is left out; ")
    examples = folders.read(root, Data(follow_links=True))
    assert examples.notes == ()
    assert examples.names == ("a/0.png", "a/out.png", "a/out/2.png", "a/out/more/3.png", "b/0.png")
    assert set(examples.quarantined) == {
        Quarantined("a/out/1.png", "the same file as a/out.png"), Quarantined("b/same.png", "the same file as a/out/2.png"),
        Quarantined("a/out/more/loop", "a link to a folder that is in already"),
        Quarantined("b/up", "a link to a folder that holds the data folder"),
    }  # fmt: skip


def test_folders_around_the_classes_are_looked_through(tmp_path: Path):
    root = touch(tmp_path / "photos", "photos/data/cat/1.jpg", "photos/data/dog/2.jpg", "photos/notes.txt", "license")
    examples = folders.read(root)
    assert (examples.names, examples.root) == (("cat/1.jpg", "dog/2.jpg"), root / "photos" / "data")
    assert set(examples.ignored) == {Ignored("../notes.txt", "*.txt"), Ignored("../../license", "outside the class folders")}
    root = touch(tmp_path / "parts", "data/train/cat/1.jpg", "data/train/dog/2.jpg")
    assert folders.read(root).parts_N.tolist() == [Part.TRAIN, Part.TRAIN]
    with pytest.raises(DataError, match=r"expected at least two classes in .*; got one, 'cat'"):
        folders.read(touch(tmp_path / "one", "cat/1.jpg"))


def test_train_and_test_of_images_alone_are_refused(tmp_path: Path):
    root = touch(tmp_path, "train/1.jpg", "test/2.jpg")
    with pytest.raises(DataError, match=r"the folders test, train hold images and no class folders, so these have no labels"):
        folders.read(root)
    assert folders.read(root, Data(labels_from="top")).classes == ("test", "train")
    (root / "train.csv").write_text("id,breed\n1,pug\n2,collie\n")
    with pytest.raises(DataError, match=rf"The table train\.csv names images: striate train {root}{os.sep}train\.csv\. Put"):
        folders.read(root)


def test_a_class_called_test_and_images_of_a_part_without_labels_are_pointed_out(tmp_path: Path):
    examples = folders.read(touch(tmp_path / "one", "test/1", "other/2"))
    assert examples.notes == ("The folder test is taken for a class.",)
    examples = folders.read(touch(tmp_path / "two", "train/a/1", "train/b/2", "test/3"))
    assert "Not used, since they have no labels: the images in test, which holds no class folders." in examples.notes


def test_a_table_in_the_folder_is_named(tmp_path: Path):
    root = touch(tmp_path / "flat", "1.jpg", "2.jpg")
    (root / "labels.csv").write_text("file;class\n1.jpg;a\n2.jpg;b\n")
    with pytest.raises(DataError, match=rf"The table labels\.csv names images: striate train {root}{os.sep}labels\.csv\."):
        folders.read(root)
    root = touch(tmp_path / "both", "a/1.jpg", "b/2.jpg")
    (root / "labels.csv").write_text("file,class\na/1.jpg,x\nb/2.jpg,y\n")
    sentence = f"Classes are the folders; labels are in labels.csv too, which striate train {root / 'labels.csv'} uses."
    assert folders.read(root).notes == (sentence,)


def test_folders_that_look_like_parts_are_no_classes_in_silence(tmp_path: Path):
    root = touch(tmp_path, "set1_train/cats/1.jpg", "set1_train/dogs/2.jpg", "set2_test/cats/3.jpg", "pred/4.jpg")
    with pytest.raises(DataError, match=r"the folders set1_train, set2_test look like parts of a data set\. Rename them"):
        folders.read(root)
    assert folders.read(root, Data(labels_from="top")).classes == ("pred", "set1_train", "set2_test")
    assert folders.read(touch(tmp_path / "rail", "steam_train/1", "bus/2")).classes == ("bus", "steam_train")
