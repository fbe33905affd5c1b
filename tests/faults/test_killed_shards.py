"""`striate data --shards` killed by `kill -9` at any instant: the next one ends with the bytes of one that never was."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faults import disk_calls
from striate.base.settings import Data
from striate.data import sources, write_shards
from support import forked_command

if not Path("/proc/self/fd").is_dir():
    pytest.skip("needs fork and /proc", allow_module_level=True)

MOST = 7_680  # bytes of a shard


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen images of two classes and a file that is none, for several shards."""
    folder, rng = tmp_path_factory.mktemp("killed-shards") / "photos", np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for n in range(8):
            Image.fromarray(rng.integers(0, 256, (8 + n, 9, 3), np.uint8)).save(folder / name / f"{n}.png")
    (folder / "cat" / "bad.png").write_bytes(b"no image")
    return folder


def write(photos: Path, out: Path) -> write_shards.Written:
    data = Data(path=str(photos))
    return write_shards.write(sources.read_as_given(data), data, out, MOST, lambda *_: None)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(photos: Path) -> dict[str, bytes]:
    """What a writing leaves that nobody killed."""
    written = write(photos, photos.parent / "whole")
    assert written.shards > 4
    return contents(photos.parent / "whole")


def kill_at_each(when: str, every: int, photos: Path, whole: dict[str, bytes], folder: Path) -> None:
    calls = len(disk_calls.recorded(folder / "counted", lambda: write(photos, folder / "counted")))
    assert calls > 50
    for call in range(1, calls + 1, every):
        out = folder / str(call)
        assert disk_calls.killed(out, call, when, lambda out=out: write(photos, out))
        write(photos, out)
        assert contents(out) == whole, call


def test_a_writing_killed_at_every_fourth_of_its_calls_ends_with_the_same_bytes(
    photos: Path, whole: dict[str, bytes], tmp_path: Path
):
    kill_at_each("half", 4, photos, whole, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("when", ["before", "half", "after"])
def test_a_writing_killed_at_each_of_its_calls_ends_with_the_same_bytes(
    when: str, photos: Path, whole: dict[str, bytes], tmp_path: Path
):
    kill_at_each(when, 1, photos, whole, tmp_path)


def test_what_a_killed_writing_left_of_the_names_and_of_the_index_is_removed(
    photos: Path, whole: dict[str, bytes], tmp_path: Path
):
    calls = disk_calls.recorded(tmp_path / "counted", lambda: write(photos, tmp_path / "counted"))
    for name in ("classes.json", "striate.index"):
        call = next(n for n, call in enumerate(calls, 1) if call.kind == "rename" and call.target.endswith(name))
        assert disk_calls.killed(tmp_path / name, call, "before", lambda name=name: write(photos, tmp_path / name))
        assert [*(tmp_path / name).glob(f".{name}.*.tmp")]
        write(photos, tmp_path / name)
        assert contents(tmp_path / name) == whole


def test_a_writing_that_is_killed_again_and_again_ends_with_the_same_bytes(
    photos: Path, whole: dict[str, bytes], tmp_path: Path
):
    kills = 0
    while disk_calls.killed(tmp_path / "out", 23, "half", lambda: write(photos, tmp_path / "out")):
        kills += 1
        assert kills < 50, "each goes on where the one before ended"
    assert kills > 3
    assert contents(tmp_path / "out") == whole


def command_killed(photos: Path, out: Path, shards: int, seconds: float) -> int | None:
    """Start the command, kill it so many seconds after it has left so many shards; its exit code."""
    words = ("data", str(photos), "--shards", str(out), "--shard-mb", "0.01")
    process = forked_command.begin(words, out.with_suffix(".out"), out.with_suffix(".err"))
    assert process.pid is not None
    while process.is_alive() and len([*out.glob("*.tar")]) < shards:
        time.sleep(0.001)
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Twenty-four images, large enough that writing them takes longer than a look at the folder."""
    folder, rng = tmp_path / "many", np.random.default_rng(1)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for n in range(12):
            Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(folder / name / f"{n}.png")
    return folder


def kill_command(many: Path, tmp_path: Path, moments: list[tuple[int, float]]) -> None:
    expected = tmp_path / "expected"
    write_shards.write(sources.read(Data(path=str(many))), Data(path=str(many)), expected, 10_000, lambda *_: None)
    died = 0
    for number, (shards, seconds) in enumerate(moments):
        out = tmp_path / f"out-{number}"
        died += command_killed(many, out, shards, seconds) == -signal.SIGKILL
        last = forked_command.begin(
            ("data", str(many), "--shards", str(out), "--shard-mb", "0.01"), tmp_path / "out.txt", tmp_path / "err.txt"
        )
        last.join()
        assert last.exitcode == 0, (tmp_path / "err.txt").read_text()
        assert contents(out) == contents(expected), (shards, seconds)
    assert died > len(moments) // 2


@pytest.mark.children
def test_the_command_killed_while_it_writes_ends_with_the_same_bytes(many: Path, tmp_path: Path):
    kill_command(many, tmp_path, [(0, 0.0), (2, 0.002)])


@pytest.mark.soak
@pytest.mark.children
def test_the_command_killed_at_a_hundred_moments(many: Path, tmp_path: Path):
    rng = np.random.default_rng(2)
    moments = zip(rng.integers(0, 8, 100).tolist(), rng.uniform(0, 0.02, 100).tolist(), strict=True)
    kill_command(many, tmp_path, [*moments])
