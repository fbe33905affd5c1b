"""Folders of parts as archives have them: names with a word around them, and each part wrapped once more."""

from pathlib import Path

import pytest

from striate.base.config import Data
from striate.data import folders, part_folders
from striate.data.examples import Part


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("seg_pred", "seg_test", "seg_train"), (None, Part.TEST, Part.TRAIN)),
        (("test_set", "training_set"), (Part.TEST, Part.TRAIN)),
        (("train2017", "val2017", "annotations"), (Part.TRAIN, Part.VAL, None)),
        (("train", "seg_test"), (Part.TRAIN, None)),  # a plain name decides
        (("steam_train", "bus"), (None, None)),
        (("red_train", "blue_train"), (None, None)),
        (("train_1", "train_2", "test_1"), (None, None, None)),  # which would leave one out
        (("red_train", "blue_test"), (None, None)),
        (("a_val", "a_test"), (None, None)),
    ],
)
def test_names_that_differ_in_the_word_for_the_part_alone_are_parts(names: tuple[str, ...], parts: tuple[Part | None, ...]):
    assert tuple(part_folders.named(names).values()) == parts


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("a.jpg", None), (".DS_Store", ".*"), ("Thumbs.db", "thumbs.db"), ("__MACOSX", "__macosx"), ("notes.TXT", "*.txt"),
        ("a.txt.jpg", None), ("labels.db", "*.db"), ("$RECYCLE.BIN", "$recycle.bin"), ("recycle.bin", None), ("", None),
        ("a\n.csv", "*.csv"),
    ],
)  # fmt: skip
def test_what_is_ignored_is_told_by_the_first_pattern_that_fits(name: str, pattern: str | None):
    assert part_folders.ignoring_pattern(name) == pattern


def by_part(root: Path, **settings: str) -> list[tuple[str, str, Part]]:
    examples = folders.read(root, Data(**settings))
    return [
        (name, examples.label_of(row), Part(part))
        for row, (name, part) in enumerate(zip(examples.names, examples.parts_N.tolist(), strict=True))
    ]


def test_the_intel_set_is_read_as_it_comes_from_its_archive(tmp_path: Path):
    root = touch(
        tmp_path, "seg_train/seg_train/sea/1.jpg", "seg_train/seg_train/street/2.jpg", "seg_test/seg_test/sea/3.jpg",
        "seg_pred/seg_pred/4.jpg",
    )  # fmt: skip
    read = [
        ("seg_test/seg_test/sea/3.jpg", "sea", Part.TEST), ("seg_train/seg_train/sea/1.jpg", "sea", Part.TRAIN),
        ("seg_train/seg_train/street/2.jpg", "street", Part.TRAIN),
    ]  # fmt: skip
    assert by_part(root) == by_part(root, labels_from="parent") == read
    examples = folders.read(root)
    assert [(left.path, left.pattern) for left in examples.ignored] == [
        ("seg_pred/seg_pred/4.jpg", "neither train, val nor test")
    ]
    assert examples.notes == (
        "The folders seg_test, seg_train are taken for parts; --labels-from top takes them for classes.",
        "Not used, since they are neither train, val nor test: the folders seg_pred.",
        "seg_test holds one folder alone; its images are read from seg_test/seg_test.",
        "seg_train holds one folder alone; its images are read from seg_train/seg_train.",
    )
    assert folders.read(root, Data(labels_from="top")).classes == ("seg_pred", "seg_test", "seg_train")


def test_a_wrapped_test_part_without_class_folders_has_no_labels(tmp_path: Path):
    root = touch(tmp_path, "train/train/cat/1.jpg", "train/train/dog/2.jpg", "test/test/3.jpg", "train/about.jpg")
    assert [part for _, _, part in by_part(root)] == [Part.TRAIN] * 2
    examples = folders.read(root)
    assert "Not used, since they have no labels: the images in test/test, which holds no class folders." in examples.notes
    assert {left.path for left in examples.ignored} == {"test/test/3.jpg", "train/about.jpg"}


def test_a_folder_around_the_parts_is_looked_through(tmp_path: Path):
    root = touch(tmp_path, "DATA/DATA/train/cat/1.jpg", "DATA/DATA/train/dog/2.jpg", "DATA/DATA/test/cat/3.jpg")
    assert by_part(root) == [
        ("test/cat/3.jpg", "cat", Part.TEST), ("train/cat/1.jpg", "cat", Part.TRAIN), ("train/dog/2.jpg", "dog", Part.TRAIN)
    ]  # fmt: skip


def test_one_class_in_a_part_is_a_class(tmp_path: Path):
    root = touch(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "test/cat/3.jpg")
    assert by_part(root)[0] == ("test/cat/3.jpg", "cat", Part.TEST)
