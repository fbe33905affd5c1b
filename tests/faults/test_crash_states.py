"""The model of a power cut, by hand: what is synced stays, and of the rest anything may be lost."""

import os
from pathlib import Path
from typing import Any

from faults import crash_states
from faults.disk_calls import recorded


def states(folder: Path, work: Any) -> list[crash_states.Tree]:
    """What may be there after a power cut after all of `work`."""
    before = crash_states.tree_of(folder)
    return [tree for ended, tree in crash_states.states(before, recorded(folder, work), folder) if ended]


def write(path: Path, content: bytes, *synced: Path) -> None:
    path.write_bytes(content)
    for place in synced:
        handle = os.open(place, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def test_a_new_file_that_is_not_synced_may_be_absent_empty_half_or_zeros(tmp_path: Path):
    found = states(tmp_path, lambda: write(tmp_path / "a", b"1234"))
    assert len(found) == 5
    assert all(tree in found for tree in ({}, {"a": b""}, {"a": b"12"}, {"a": bytes(4)}, {"a": b"1234"}))


def test_the_content_alone_or_the_name_alone_may_be_synced(tmp_path: Path):
    assert states(tmp_path, lambda: write(tmp_path / "a", b"12", tmp_path / "a")) == [{"a": b"12"}, {}]
    (tmp_path / "a").unlink()
    found = states(tmp_path, lambda: write(tmp_path / "a", b"12", tmp_path))
    assert found == [{"a": b"12"}, {"a": b""}, {"a": b"1"}, {"a": bytes(2)}]


def test_what_is_synced_with_its_name_is_there(tmp_path: Path):
    assert states(tmp_path, lambda: write(tmp_path / "a", b"12", tmp_path / "a", tmp_path)) == [{"a": b"12"}]


def test_a_rename_is_whole_or_absent(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").write_bytes(b"new")
    assert states(tmp_path, lambda: (tmp_path / "b").rename(tmp_path / "a")) == [{"a": b"new"}, {"a": b"old", "b": b"new"}]


def test_an_appended_line_may_be_lost_but_not_what_was_there(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"1\n")

    def append() -> None:
        with (tmp_path / "a").open("ab") as file:
            file.write(b"2\n")

    assert states(tmp_path, append) == [{"a": b"1\n2\n"}, {"a": b"1\n"}, {"a": b"1\n2"}, {"a": b"1\n\0\0"}]


def test_a_folder_may_be_absent_with_all_that_is_in_it(tmp_path: Path):
    def work() -> None:
        (tmp_path / "f").mkdir()
        write(tmp_path / "f" / "a", b"1", tmp_path / "f" / "a", tmp_path / "f")

    assert states(tmp_path, work) == [{"f": None, "f/a": b"1"}, {}]
