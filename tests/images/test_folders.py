import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from striate.base.draws import name_id
from striate.base.errors import DataError
from striate.images import folders
from striate.images.examples import Examples, Ignored, Part, Quarantined


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def account(found: Examples) -> int:
    return len(found) + len(found.quarantined) + len(found.ignored)


def test_a_folder_for_each_class(tmp_path: Path):
    found = folders.read(touch(tmp_path, "dog/2.png", "cat/a.JPG", "cat/deep/er/b", "dog/1.png"))
    assert found.names == ("cat/a.JPG", "cat/deep/er/b", "dog/1.png", "dog/2.png")
    assert found.classes == ("cat", "dog")
    assert found.labels_N.tolist() == [0, 0, 1, 1]
    assert found.parts_N.tolist() == [Part.FREE] * 4
    assert found.ids_N.tolist() == [name_id(name) for name in found.names]


def test_parts_in_any_spelling(tmp_path: Path):
    found = folders.read(touch(tmp_path, "Training/a/1", "Training/b/2", "valid/a/3", "TEST/b/4", "notes/x"))
    assert found.parts_N.tolist() == [Part.TEST, Part.TRAIN, Part.TRAIN, Part.VAL]
    assert found.ignored == (Ignored("notes", "neither train, val nor test"),)
    assert found.classes == ("a", "b")


def test_val_alone_is_the_test_set_and_that_is_said(tmp_path: Path):
    found = folders.read(touch(tmp_path, "train/a/1", "train/b/2", "val/a/3"))
    assert found.parts_N.tolist() == [Part.TRAIN, Part.TRAIN, Part.TEST]
    assert found.notes == ("val/ is the test set, since there is no test/; validation is cut from train/.",)


def test_a_folder_called_test_is_a_class_where_there_is_no_train(tmp_path: Path):
    assert folders.read(touch(tmp_path, "test/1", "other/2")).classes == ("other", "test")


def test_every_entry_is_accounted_for(tmp_path: Path):
    root = touch(
        tmp_path / "data", "a/1.png", "a/.hidden.png", "a/._1.png", "a/Thumbs.db", "a/list.TXT", "b/2.png", "b/x.jpg/3",
        "readme", "__MACOSX/a/1.png", ".ipynb_checkpoints/1.png", "c/notes.csv",
    )  # fmt: skip
    (root / "empty").mkdir()
    os.mkfifo(root / "a" / "pipe")
    touch(tmp_path, "elsewhere.png")
    (root / "a" / "out.png").symlink_to(tmp_path / "elsewhere.png")
    (root / "a" / "dangling.png").symlink_to(root / "nothing")
    (root / "a" / "loop").symlink_to("..")
    (root / "a" / "itself").symlink_to("itself")
    (root / "b" / "inside.png").symlink_to(root / "a" / "1.png")
    os.link(root / "a" / "1.png", root / "b" / "hard.png")
    found = folders.read(root)
    assert found.names == ("a/1.png", "b/2.png", "b/hard.png", "b/inside.png", "b/x.jpg/3")
    assert set(found.ignored) == {
        Ignored("a/.hidden.png", ".*"), Ignored("a/._1.png", ".*"), Ignored("a/Thumbs.db", "thumbs.db"),
        Ignored("a/list.TXT", "*.txt"), Ignored("readme", "outside the class folders"), Ignored("__MACOSX", "__macosx"),
        Ignored(".ipynb_checkpoints", ".*"), Ignored("c/notes.csv", "*.csv"), Ignored("c", "empty folder"),
        Ignored("empty", "empty folder"),
    }  # fmt: skip
    assert set(found.quarantined) == {
        Quarantined("a/pipe", "not a regular file"), Quarantined("a/out.png", "a link out of the data folder"),
        Quarantined("a/dangling.png", "a link to nothing"), Quarantined("a/loop", "a link to a folder that is in already"),
        Quarantined("a/itself", "a link to nothing"),
    }  # fmt: skip
    entered = [
        (Path(top) / name).relative_to(root).as_posix()
        for top, _, files in os.walk(root)
        for name in files + [d.name for d in Path(top).iterdir() if d.is_symlink() and d.is_dir()]
    ]
    inside_ignored = [name for name in entered if name.startswith(("__MACOSX/", ".ipynb_checkpoints/"))]
    assert account(found) == len(entered) - len(inside_ignored) + 2 + 2  # two ignored folders, two empty ones


def test_names_that_are_no_text_work(tmp_path: Path):
    touch(tmp_path, "a/1", "b/new\nline.png")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/a/\xff\xfe.png"))).write_bytes(b"x")
    found = folders.read(tmp_path)
    assert sorted(map(os.fsencode, found.names)) == [b"a/1", b"a/\xff\xfe.png", b"b/new\nline.png"]
    assert len(set(found.ids_N.tolist())) == 3


def test_an_unreadable_folder_is_quarantined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    touch(tmp_path, "a/1", "b/2", "a/locked/3")
    scan = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert folders.read(tmp_path).quarantined == (Quarantined("a/locked", "the folder cannot be read: Permission denied"),)


def test_nothing_depends_on_the_order_of_creation(tmp_path: Path):
    names = [f"{kind}/{i}" for kind in "ab" for i in range(9)]
    one, other = touch(tmp_path / "one", *names), touch(tmp_path / "other", *reversed(names))
    assert folders.read(one).names == folders.read(other).names
    assert np.array_equal(folders.read(one).ids_N, folders.read(other).ids_N)


def test_the_folder_is_left_as_it_is(tmp_path: Path):
    root = touch(tmp_path, "a/1", "b/2", "notes.txt")

    def state() -> list[tuple[str, int, str]]:
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return [(str(p), p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]

    before = state()
    folders.read(root)
    assert state() == before


def test_classes_that_look_alike_stay_two_and_that_is_said(tmp_path: Path):
    found = folders.read(touch(tmp_path, "Cat/1", "cat/2", "dog/3"))
    assert found.classes == ("Cat", "cat", "dog")
    assert found.notes == ("The classes 'Cat' and 'cat' differ in case, spaces or accents' encoding alone; they stay two.",)


def test_what_cannot_be_used_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"class 'b' is in the test or validation part of .* but not in its training part"):
        folders.read(touch(tmp_path / "one", "train/a/1", "train/c/2", "test/b/3"))
    with pytest.raises(DataError, match=r"expected at least two classes in .*; got one, 'a'. Put the images of each class"):
        folders.read(touch(tmp_path / "two", "a/1", "a/2"))
    with pytest.raises(DataError, match=r"found none that can be used; 1 ignored \(1.png: outside the class folders\)"):
        folders.read(touch(tmp_path / "three", "1.png"))


def test_files_to_predict_are_all_that_no_pattern_ignores(tmp_path: Path):
    touch(tmp_path, "b/2.png", "1.png", "notes.txt", "b/.x")
    assert folders.files_within(tmp_path) == [tmp_path / "1.png", tmp_path / "b" / "2.png"]
