import logging
import os
import random
import shutil
import threading
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.base import files, shared_parts
from striate.base.errors import DiskError, Interrupted
from striate.data import cache_cleanup, folders, pixel_cache, pixel_cache_build
from striate.data.decode import InputSpec
from striate.data.examples import Examples
from support.shape_images import make_folder

SPEC = InputSpec(8, 3, "squash")
PARTS = 6


@pytest.fixture(autouse=True)
def five_in_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_cache_build, "_PART_IMAGES", 5)
    monkeypatch.setattr(shared_parts, "_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(pixel_cache, "_WAIT_SECONDS", 0.02)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twenty-seven images, of which two cannot be decoded."""
    folder = make_folder(tmp_path / "photos", each=9)
    (folder / "circle" / "001.png").write_bytes(b"")
    (folder / "square" / "004.png").write_bytes(b"no image")
    return folder


def contents(cache: Path) -> dict[str, bytes]:
    """The files of the one entry, without when and how fast it was made."""
    (folder,) = (path.parent for path in cache.glob("*/*/store.json"))
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ("store.json", files.MANIFEST)}


def at_once(examples: Examples, cache: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, bytes]:
    """What one process writes that knows of no parts."""
    with monkeypatch.context() as patch:
        patch.setattr(pixel_cache_build, "_PART_IMAGES", 1000)
        pixel_cache.build(examples, SPEC, cache, **options)
    return contents(cache)


def test_the_parts_are_a_function_of_the_number_of_images():
    assert pixel_cache_build.parts_of(11) == [range(5), range(5, 10), range(10, 11)]
    assert len(pixel_cache_build.parts_of(1_000_000)) == 1_000
    assert [number for rows in pixel_cache_build.parts_of(5003) for number in rows] == [*range(5003)]


@pytest.mark.parametrize("options", [{}, {"most_bytes": 0}])
def test_what_is_joined_of_parts_has_the_bytes_of_what_is_written_at_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
):
    examples, told = folders.read(photos), list[tuple[int, int]]()
    expected = at_once(examples, tmp_path / "once", monkeypatch, **options)
    stored = pixel_cache.build(examples, SPEC, tmp_path / "parts", lambda *done: told.append(done), **options)
    assert contents(tmp_path / "parts") == expected
    assert [bad.path for bad in stored.examples.quarantined] == ["circle/001.png", "square/004.png"]
    assert told == [(done, 27) for done in range(1, 28)]
    assert not list((tmp_path / "parts").glob("*/.*"))
    monkeypatch.setattr(pixel_cache, "decode_examples", None)  # nothing is decoded again
    assert pixel_cache.build(examples, SPEC, tmp_path / "parts", **options).examples.names == stored.examples.names


def test_an_array_is_brought_to_another_size_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 5, 5, 1), np.uint8)
    examples = folders.read(make_folder(tmp_path / "few", each=4))
    in_memory = type(examples)(**{**vars(examples), "pixels_NHWC": pixels})
    expected = at_once(in_memory, tmp_path / "once", monkeypatch)
    pixel_cache.build(in_memory, SPEC, tmp_path / "parts")
    assert contents(tmp_path / "parts") == expected


def test_an_interrupted_build_goes_on_with_the_parts_that_are_left(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    examples, decoded = folders.read(photos), list[int]()
    expected = at_once(examples, tmp_path / "once", monkeypatch)

    def stop(done: int, _total: int) -> None:
        if done == 17:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        pixel_cache.build(examples, SPEC, tmp_path / "parts", stop)
    decode_examples = pixel_cache.decode_examples
    monkeypatch.setattr(
        pixel_cache, "decode_examples", lambda some, *more: (decoded.append(len(some)), decode_examples(some, *more))[1]
    )
    pixel_cache.build(examples, SPEC, tmp_path / "parts")
    assert decoded == [5, 5, 2]
    assert contents(tmp_path / "parts") == expected


def test_a_damaged_part_alone_is_decoded_anew(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    examples = folders.read(photos)
    expected = at_once(examples, tmp_path / "once", monkeypatch)

    def stop(done: int, _total: int) -> None:
        if done == 26:
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        pixel_cache.build(examples, SPEC, tmp_path / "parts", stop)
    path = next((tmp_path / "parts").glob("pixels/.*.parts/000002/pixels.npy"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "striate"):
        pixel_cache.build(examples, SPEC, tmp_path / "parts")
    assert "A part of the pixel cache is damaged (" in caplog.text
    assert contents(tmp_path / "parts") == expected


def test_a_damaged_entry_is_built_anew_in_parts(photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    examples = folders.read(photos)
    pixel_cache.build(examples, SPEC, tmp_path / "parts")
    expected = contents(tmp_path / "parts")
    next((tmp_path / "parts").glob("pixels/*/pixels.npy")).write_bytes(b"")
    pixel_cache.build(examples, SPEC, tmp_path / "parts")
    assert "is damaged" in caplog.text
    assert contents(tmp_path / "parts") == expected


def test_parts_need_their_space_twice(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(DiskError, match=r"the decoded images need 0.00 GB"):
        pixel_cache.build(folders.read(photos), SPEC, tmp_path / "parts")


# ---- several processes


def build_slowly(photos: Path, cache: Path, log: Path, seconds: float) -> None:
    """Build, with a line in `log` for each image that is decoded: by whom, and which."""
    decode_examples = pixel_cache.decode_examples

    def noted(examples: Examples, *more: Any) -> Any:
        for name, verdict in zip(examples.names, decode_examples(examples, *more), strict=True):
            with log.open("a") as file:
                file.write(f"{os.getpid()} {name}\n")
            time.sleep(seconds)
            yield verdict

    pixel_cache.decode_examples = noted  # of a fork
    pixel_cache.build(folders.read(photos), SPEC, cache)


def started(count: int, *arguments: Any) -> list[Any]:
    processes = [get_context("fork").Process(target=build_slowly, args=arguments) for _ in range(count)]
    for process in processes:
        process.start()
    return processes


def decoded(log: Path) -> list[tuple[int, str]]:
    rows = (line.split(" ", 1) for line in log.read_text().splitlines()) if log.exists() else ()
    return [(int(pid), name) for pid, name in rows]


def test_processes_that_start_together_decode_each_image_once(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    expected = at_once(folders.read(photos), tmp_path / "once", monkeypatch)
    processes = started(3, photos, tmp_path / "cache", tmp_path / "log", 0.02)
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    rows = decoded(tmp_path / "log")
    assert sorted(name for _, name in rows) == sorted(folders.read(photos).names)
    assert len({pid for pid, _ in rows}) == 3, "all of them work"
    assert contents(tmp_path / "cache") == expected
    assert not [path for path in tmp_path.glob("cache/pixels/.*") if any(path.rglob("pixels.npy"))]


def kill_some(photos: Path, cache: Path, log: Path, kills: int, seed: int) -> None:
    """Three builders of which one is killed at any moment and another started, again and again; then they may end."""
    draws, running = random.Random(seed), started(3, photos, cache, log, 0.01)
    for _ in range(kills):
        before = len(decoded(log))
        while any(process.is_alive() for process in running) and len(decoded(log)) < before + draws.randrange(1, 6):
            time.sleep(0.001)
        victim = running.pop(draws.randrange(3))
        victim.kill()
        victim.join()
        running += started(1, photos, cache, log, 0.01)
    for process in running:
        process.join(300)
        assert process.exitcode == 0


def test_builders_that_are_killed_lose_their_part_alone(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    expected = at_once(folders.read(photos), tmp_path / "once", monkeypatch)
    kill_some(photos, tmp_path / "cache", tmp_path / "log", 4, 0)
    assert contents(tmp_path / "cache") == expected
    assert len(decoded(tmp_path / "log")) <= 27 + 4 * 5, "no more than what was killed is decoded again"


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(20))
def test_builders_killed_at_many_moments(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int):
    expected = at_once(folders.read(photos), tmp_path / "once", monkeypatch)
    kill_some(photos, tmp_path / "cache", tmp_path / "log", 8, seed)
    assert contents(tmp_path / "cache") == expected


def test_parts_that_are_being_made_are_not_cleared(photos: Path, tmp_path: Path):
    (process,) = started(1, photos, tmp_path / "cache", tmp_path / "log", 0.05)
    while len(decoded(tmp_path / "log")) < 8:
        time.sleep(0.005)
    (entry,) = (row for row in cache_cleanup.list_cache(tmp_path / "cache").entries if row.path.endswith(".parts"))
    assert entry.state == "being built"
    assert cache_cleanup.clear(tmp_path / "cache").refused == {entry.path: "it is being built"}
    process.kill()
    process.join()
    (left,) = (row for row in cache_cleanup.list_cache(tmp_path / "cache").entries if row.path.endswith(".parts"))
    assert left.state == "half-built"
    assert left.path in {row.path for row in cache_cleanup.clear(tmp_path / "cache").removed}
    assert not any(tmp_path.glob("cache/pixels/.*"))


def test_a_process_that_comes_late_makes_no_part_of_what_is_whole(tmp_path: Path):
    """The parts are gone once they are joined, which another process may not yet have seen."""
    whole, made = threading.Event(), list[int]()

    def write(number: int, new: Path) -> None:
        made.append(number)
        (new / "file").write_text("x")
        whole.set()  # by another process, with a part to go

    shared_parts.make(tmp_path / "parts", 3, write, whole.is_set, lambda: None)
    assert made == [0]
