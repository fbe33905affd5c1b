import os
from pathlib import Path

import numpy as np
import pytest

from striate.base import nameless_files


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(nameless_files, "LEAST_BYTES", 1000)
    return tmp_path / "cache"


def test_a_large_array_lies_in_a_file_that_has_no_name(cache: Path):
    array = np.arange(200, dtype=np.uint64).reshape(-1, 2)
    kept = nameless_files.keep(array)
    assert kept.dtype == array.dtype
    assert (kept == array).all()
    assert nameless_files.is_mapped(kept[5:])
    assert list(cache.iterdir()) == []
    assert nameless_files.keep(kept) is kept
    before = len([*Path("/proc/self/fd").iterdir()]) if Path("/proc/self/fd").is_dir() else 0
    del kept
    assert before == 0 or len([*Path("/proc/self/fd").iterdir()]) == before - 1


def test_a_small_array_stays_where_it_is(cache: Path):
    array = np.arange(100, dtype=np.uint8)
    assert nameless_files.keep(array) is array
    assert not nameless_files.is_mapped(array)
    assert not cache.exists()


@pytest.mark.parametrize("reason", ["full", "closed"])
def test_where_no_file_can_be_written_it_stays_in_memory(cache: Path, monkeypatch: pytest.MonkeyPatch, reason: str):
    if reason == "full":

        def no_space(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "posix_fallocate", no_space, raising=False)
    else:
        cache.write_bytes(b"a file where the folder would be")
    array = np.arange(200.0)
    kept = nameless_files.keep(array)
    assert not nameless_files.is_mapped(kept)
    assert (kept == array).all()


def test_the_disk_is_taken_at_once_where_the_system_reserves_no_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    monkeypatch.setattr(nameless_files, "_AT_ONCE", 4096)
    with (tmp_path / "file").open("w+b") as file:
        nameless_files._reserve(file, 10_000)
        status = (tmp_path / "file").stat()
        assert status.st_size == 10_000
        assert status.st_blocks * 512 >= 10_000


def test_there_is_room_without_a_folder_and_freed_memory_is_given_back():
    room = nameless_files.room((3, 1000), np.float32, None, 1)
    assert (room.shape, room.dtype) == ((3, 1000), np.float32)
    nameless_files.give_back()


def test_an_array_grows_row_by_row_and_moves_into_a_file_when_it_is_large(cache: Path):
    whole, growing = np.arange(300, dtype=np.float32).reshape(100, 3), nameless_files.GrowingArray()
    assert growing.whole() is None
    for start, end in ((0, 0), (0, 1), (1, 1), (1, 40), (40, 41), (41, 100)):
        growing.add(whole[start:end])
        assert np.array_equal(growing.whole(), whole[:end])
        assert growing.whole().dtype == np.float32
        assert nameless_files.is_mapped(growing.whole()) == (end > 41)  # room for 80 of 12 bytes at most before
    assert list(cache.iterdir()) == []
