"""Files to predict, in the order of their names, the names of one folder at a time."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import DataError
from striate.data.unlabeled_files import files_within, why_none
from support.touched import touch


def test_all_that_no_pattern_ignores(tmp_path: Path):
    touch(tmp_path, "b/2.png", "1.png", "notes.txt", "b/.x")
    assert list(files_within(tmp_path)) == [tmp_path / "1.png", tmp_path / "b" / "2.png"]


@given(st.sets(st.lists(st.sampled_from(["a", "a-", "a0", "b"]), min_size=1, max_size=3).map(tuple), max_size=12))
def test_the_order_is_that_of_whole_paths(tmp_path_factory: pytest.TempPathFactory, places: set[tuple[str, ...]]):
    """`a-/x` lies before `a/x`, and that before `a0/x`, though the folder `a` has the shorter name."""
    root = touch(tmp_path_factory.mktemp("files"), *(f"{'/'.join(place)}/x.png" for place in places))
    names = [os.fsencode(path.relative_to(root)) for path in files_within(root)]
    assert names == sorted(os.fsencode(f"{'/'.join(place)}/x.png") for place in places)


def test_a_folder_is_opened_when_its_turn_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    opened: list[str] = []
    scandir = os.scandir

    def counted(path: Path) -> object:
        opened.append(Path(path).name)
        return scandir(path)

    touch(tmp_path / "all", "a/1.png", "a/2.png", "b/3.png")
    monkeypatch.setattr(os, "scandir", counted)
    files = files_within(tmp_path / "all")
    assert (next(files).name, opened) == ("1.png", ["all", "a"])
    assert [path.name for path in files] == ["2.png", "3.png"]


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_path: Path) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=rf"{re.escape(str(tmp_path))}: the folder cannot be read: Permission denied\."):
        list(files_within(tmp_path))


def test_where_nothing_is_left_it_says_what_was_left_out(tmp_path: Path):
    assert why_none(tmp_path) == "it holds none"
    outside = touch(tmp_path / "outside", "1.png")
    folder = touch(tmp_path / "all", "notes.txt")
    assert why_none(folder) == "notes.txt is left out (*.txt)"
    (folder / "1.png").symlink_to(outside / "1.png")
    assert why_none(folder) == "1.png is left out (a link out of the data folder), and so is 1 more"
    assert list(files_within(folder)) == []
