import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.base.errors import DataError
from striate.base.hash_rng import name_id
from striate.data import folders
from striate.data.examples import Examples, Ignored, Part, Quarantined
from striate.data.unlabeled_files import files_within
from support.touched import touch


def account(examples: Examples) -> int:
    return len(examples) + len(examples.quarantined) + len(examples.ignored)


def test_a_folder_for_each_class(tmp_path: Path):
    examples = folders.read(touch(tmp_path, "dog/2.png", "cat/a.JPG", "cat/deep/er/b", "dog/1.png"))
    assert examples.names == ("cat/a.JPG", "cat/deep/er/b", "dog/1.png", "dog/2.png")
    assert examples.classes == ("cat", "dog")
    assert examples.labels_N.tolist() == [0, 0, 1, 1]
    assert examples.parts_N.tolist() == [Part.FREE] * 4
    assert examples.ids_N.tolist() == [name_id(name) for name in examples.names]


def test_parts_in_any_spelling(tmp_path: Path):
    examples = folders.read(touch(tmp_path, "Training/a/1", "Training/b/2", "valid/a/3", "TEST/b/4", "notes/x"))
    assert examples.parts_N.tolist() == [Part.TEST, Part.TRAIN, Part.TRAIN, Part.VAL]
    assert examples.ignored == (Ignored("notes/x", "neither train, val nor test"),)
    assert examples.notes == ("Not used, since they are neither train, val nor test: the folders notes.",)
    assert examples.classes == ("a", "b")


def test_val_alone_is_the_test_set_and_that_is_said(tmp_path: Path):
    examples = folders.read(touch(tmp_path, "train/a/1", "train/b/2", "val/a/3"))
    assert examples.parts_N.tolist() == [Part.TRAIN, Part.TRAIN, Part.TEST]
    assert examples.notes == ("val/ is the test set, since there is no test/; validation is cut from train/.",)


def test_val_beside_test_stays_val(tmp_path: Path):
    examples = folders.read(touch(tmp_path, "train/a/1", "train/b/2", "val/a/3", "test/b/4"))
    assert examples.parts_N.tolist() == [Part.TEST, Part.TRAIN, Part.TRAIN, Part.VAL]
    assert examples.notes == ()


def test_train_alone_has_its_test_set_cut_and_that_is_said(tmp_path: Path):
    examples = folders.read(touch(tmp_path, "train/a/1", "train/b/2"))
    assert examples.parts_N.tolist() == [Part.TRAIN, Part.TRAIN]
    assert (examples.notes, examples.without_test) == ((), "There is no test part")


def test_files_beside_the_classes_of_a_part_are_ignored(tmp_path: Path):
    examples = folders.read(touch(tmp_path, "train/a/1", "train/b/2", "train/stray.png", "test/a/3", "stray.png"))
    assert set(examples.ignored) == {
        Ignored("stray.png", "outside the class folders"), Ignored("train/stray.png", "outside the class folders"),
    }  # fmt: skip


def test_a_folder_called_test_is_a_class_where_there_is_no_train(tmp_path: Path):
    assert folders.read(touch(tmp_path, "test/1", "other/2")).classes == ("other", "test")


def test_a_folder_called_train_that_holds_images_is_a_class(tmp_path: Path):
    examples = folders.read(touch(tmp_path, "bus/1", "car/2", "train/3", "train/4"))
    assert examples.classes == ("bus", "car", "train")
    assert examples.parts_N.tolist() == [Part.FREE] * 4


def test_folders_of_images_beside_the_parts_are_named_and_counted_by_their_files(tmp_path: Path):
    examples = folders.read(touch(tmp_path, "bus/1", "bus/2", "car/deep/3", "train/steam/4", "train/diesel/5"))
    assert examples.classes == ("diesel", "steam")
    assert [left.path for left in examples.ignored] == ["bus/1", "bus/2", "car/deep/3"]
    assert account(examples) == 5
    assert "Not used, since they are neither train, val nor test: the folders bus, car." in examples.notes


@pytest.mark.parametrize(
    ("names", "parts", "note"),
    [
        (("dev/a/3",), {"dev/a/3": Part.TEST}, "The folder dev is taken for the validation part."),
        (("Eval/a/3",), {"Eval/a/3": Part.TEST}, "The folder Eval is taken for the validation part."),
        (
            ("dev/a/3", "test/a/4"), {"dev/a/3": Part.VAL, "test/a/4": Part.TEST},
            "The folder dev is taken for the validation part.",
        ),
        (("val/a/3", "eval/a/4"), {"val/a/3": Part.VAL, "eval/a/4": Part.TEST}, "The folder eval is taken for the test part."),
        (
            ("val/a/3", "eval/a/4", "test/a/5"), {"val/a/3": Part.VAL, "test/a/5": Part.TEST},
            "Not used, since they are neither train, val nor test: the folders eval.",
        ),
    ],
)  # fmt: skip
def test_dev_and_eval_are_parts_and_that_is_said(tmp_path: Path, names: tuple[str, ...], parts: dict[str, Part], note: str):
    examples = folders.read(touch(tmp_path, "train/a/1", "train/b/2", *names))
    held = {name: part for name, part in zip(examples.names, examples.parts_N.tolist(), strict=True) if part != Part.TRAIN}
    assert held == parts
    assert note in examples.notes
    assert account(examples) == 2 + len(names)


def test_the_same_folders_in_every_folder_are_pointed_out(tmp_path: Path):
    examples = folders.read(touch(tmp_path, "north/cat/1", "north/dog/2", "south/cat/3", "south/dog/4"))
    assert examples.classes == ("north", "south")
    assert examples.notes == (
        "Each of the folders north, south holds the same folders (cat, dog). The former are taken for the classes; if the "
        "latter are: --labels-from parent.",
    )


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
    examples = folders.read(root)
    assert examples.names == ("a/1.png", "b/2.png", "b/hard.png", "b/inside.png", "b/x.jpg/3")
    assert set(examples.ignored) == {
        Ignored("a/.hidden.png", ".*"), Ignored("a/._1.png", ".*"), Ignored("a/Thumbs.db", "thumbs.db"),
        Ignored("a/list.TXT", "*.txt"), Ignored("readme", "outside the class folders"), Ignored("__MACOSX", "__macosx"),
        Ignored(".ipynb_checkpoints", ".*"), Ignored("c/notes.csv", "*.csv"), Ignored("c", "empty folder"),
        Ignored("empty", "empty folder"),
    }  # fmt: skip
    assert set(examples.quarantined) == {
        Quarantined("a/pipe", "not a regular file"), Quarantined("a/out.png", "a link out of the data folder"),
        Quarantined("a/dangling.png", "a link to nothing"), Quarantined("a/loop", "a link to a folder that is in already"),
        Quarantined("a/itself", "a link to nothing"),
    }  # fmt: skip
    leaves = walk_independently(root)
    below = {leaf for leaf in leaves if leaf.startswith(("__MACOSX/", ".ipynb_checkpoints/"))}
    assert len(leaves) == 18
    assert len(below) == 2
    # two folders are ignored whole, and two are told to be empty: 16 + 2 + 2
    assert account(examples) == len(leaves - below) + 2 + 2 == 20


# a leaf of a random tree: how it is made, under a name that collides with no other
KINDS = ("png", "JPG", "none", "hidden", "sidecar", "pipe", "dangling", "outside", "up")
PLACES = ("a", "b", "a/sub", "b/x.jpg", "__MACOSX", "b/.git/objects", "c/notes.csv", "d/e/f", "")
LEAVES = st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(KINDS)), unique=True, max_size=20)


def plant(root: Path, place: str, kind: str) -> None:
    folder = root / place
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / {"hidden": ".leaf", "sidecar": "leaf.XML", "png": "leaf.png", "JPG": "leaf.JPG"}.get(kind, f"leaf-{kind}")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind in ("dangling", "outside", "up"):
        path.symlink_to({"dangling": "nothing", "outside": root.parent / "elsewhere.png", "up": root}[kind])
    else:
        path.write_bytes(b"x")


def walk_independently(root: Path) -> set[str]:
    """Everything below the root that is no real folder, as os.walk sees it without following links."""
    examples = set()
    for top, inner, files in os.walk(root):
        examples |= {os.path.relpath(Path(top) / name, root) for name in files}
        examples |= {os.path.relpath(Path(top) / name, root) for name in inner if (Path(top) / name).is_symlink()}
    return examples


@settings(max_examples=40, deadline=None)
@given(leaves=LEAVES)
def test_whatever_lies_in_the_folder_is_accounted_for_once_by_itself_or_by_a_folder_above(
    tmp_path_factory: pytest.TempPathFactory, leaves: list[tuple[str, str]]
):
    base = tmp_path_factory.mktemp("tree")
    root = touch(base / "data", "a/always", "b/always")
    touch(base, "elsewhere.png")
    for place, kind in leaves:
        plant(root, place, kind)
    examples = folders.read(root)
    entries = [*examples.names, *(bad.path for bad in examples.quarantined), *(left.path for left in examples.ignored)]
    assert len(set(entries)) == len(entries), "nothing is counted twice"
    without_empty = [e for e in entries if Ignored(e, "empty folder") not in examples.ignored]
    for leaf in walk_independently(root):
        over = [entry for entry in without_empty if leaf == entry or leaf.startswith(f"{entry}/")]
        assert len(over) == 1, (leaf, over)
    assert all((root / entry).is_symlink() or (root / entry).exists() for entry in entries), "nothing is made up"


@settings(max_examples=20, deadline=None)
@given(order=st.permutations([f"{kind}/{name}" for kind in ("a", "b", "B") for name in ("1", "2.png", ".x", "é")]))
def test_the_order_of_creation_does_not_matter(tmp_path_factory: pytest.TempPathFactory, order: list[str]):
    examples = folders.read(touch(tmp_path_factory.mktemp("tree"), *order))
    assert examples.names == ("B/1", "B/2.png", "B/é", "a/1", "a/2.png", "a/é", "b/1", "b/2.png", "b/é")
    assert [left.path for left in examples.ignored] == ["B/.x", "a/.x", "b/.x"]


def test_a_class_of_empty_folders_alone_is_told(tmp_path: Path):
    root = touch(tmp_path, "a/1", "b/2")
    (root / "c" / "sub").mkdir(parents=True)
    assert folders.read(root).ignored == (Ignored("c", "empty folder"),)


def test_a_folder_linked_twice_is_taken_once(tmp_path: Path):
    root = touch(tmp_path, "a/1", "b/2")
    (root / "c").symlink_to("a")
    examples = folders.read(root)
    assert examples.names == ("a/1", "b/2")
    assert examples.quarantined == (Quarantined("c", "a link to a folder that is in already"),)


def test_a_root_that_is_a_link_is_read_as_what_it_points_to(tmp_path: Path):
    touch(tmp_path / "real", "a/1", "b/2")
    (tmp_path / "link").symlink_to("real")
    assert folders.read(tmp_path / "link").names == ("a/1", "b/2")


def test_a_link_to_another_folder_is_left_out(tmp_path: Path):
    root = touch(tmp_path / "data", "a/1", "b/2")
    touch(tmp_path / "data-of-others", "3")
    (root / "a" / "more").symlink_to(tmp_path / "data-of-others")
    examples = folders.read(root)
    assert examples.names == ("a/1", "b/2")
    assert examples.quarantined == (Quarantined("a/more", "a link out of the data folder"),)


def test_names_that_are_no_text_work(tmp_path: Path):
    touch(tmp_path, "a/1", "b/new\nline.png")
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/a/\xff\xfe.png"))).write_bytes(b"x")
    examples = folders.read(tmp_path)
    assert sorted(map(os.fsencode, examples.names)) == [b"a/1", b"a/\xff\xfe.png", b"b/new\nline.png"]
    assert len(set(examples.ids_N.tolist())) == 3


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
    examples = folders.read(touch(tmp_path, "Cat/1", "cat/2", "dog/3"))
    assert examples.classes == ("Cat", "cat", "dog")
    assert examples.notes == ("The classes 'Cat' and 'cat' differ in case, spaces or accents' encoding alone; they stay two.",)


def test_what_cannot_be_used_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match=r"class 'b' is in the test or validation part of .* but not in its training part"):
        folders.read(touch(tmp_path / "one", "train/a/1", "train/c/2", "test/b/3"))
    with pytest.raises(DataError, match=r"expected at least two classes in .*; got one, 'a'. Put the images of each class"):
        folders.read(touch(tmp_path / "two", "a/1", "a/2"))
    with pytest.raises(DataError, match=r"found none that can be used; 1 ignored \(1.png: outside the class folders\)"):
        folders.read(touch(tmp_path / "three", "1.png"))
    (tmp_path / "four").mkdir()
    with pytest.raises(DataError, match=r"expected images by class in .*four; found none that can be used\."):
        folders.read(tmp_path / "four")


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_path: Path) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"found none that can be used; 1 quarantined \(.*cannot be read: Permission denied\)"):
        folders.read(tmp_path)


def test_one_folder_that_holds_the_classes_or_the_parts_is_named(tmp_path: Path):
    root = touch(tmp_path / "data", "photos/a/1.png", "photos/b/2.png")
    assert folders.read(root).names == ("a/1.png", "b/2.png"), "as where the inner folder is given"
    assert folders.read(root).notes == (f"{root} holds one folder alone; the images are read from {root / 'photos'}.",)
    root = touch(tmp_path / "parts", "train/images/a/1.png", "train/images/b/2.png", "val/images/a/3.png", "val/images/b/4.png")
    with pytest.raises(
        DataError, match=r"The folder train/images holds the folders a, b: if they are the classes, move them up"
    ):
        folders.read(root)


def test_runs_and_what_a_system_leaves_are_no_classes(tmp_path: Path):
    root = touch(
        tmp_path / "data", "a/1.png", "b/2.png", "@eaDir/3.png", "lost+found/4", "runs/first/run.toml", "runs/first/5.png"
    )
    examples = folders.read(root)
    assert examples.classes == ("a", "b")
    assert Ignored("runs/first", "a run of striate") in examples.ignored
    assert list(files_within(root)) == [root / "a/1.png", root / "b/2.png"]


def test_classes_that_are_the_same_number_are_named(tmp_path: Path):
    root = touch(tmp_path / "data", "1/1.png", "1.0/2.png", "2/3.png", "nan/4.png", "x/5.png")
    assert folders.read(root).notes == ("The classes '1' and '1.0' are the same number; they stay two.",)


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes no such name")
def test_a_class_whose_name_is_no_text_is_refused(tmp_path: Path):
    root = touch(tmp_path / "data", "a/1.png", "b/2.png")
    os.rename(os.fsencode(root / "b"), os.fsencode(root) + b"/caf\xe9")  # noqa: PTH104 - bytes, as another encoding has them
    with pytest.raises(DataError, match=r"expected names of classes in UTF-8 in .*data; got caf\\udce9\. Rename it\."):
        folders.read(root)
