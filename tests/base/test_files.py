import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from striate.base import files as disk
from striate.base.errors import DiskError, RunError, SettingError
from striate.base.files import MANIFEST, lock, new_folder, recover, verify, write_bytes

FULL = "the disk is full; free some space, then resume with --resume"
READ_ONLY = "the folder is not writable; give another with --out (or STRIATE_CACHE), or change its permissions"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def fill(path: Path, **files: bytes) -> Path:
    with new_folder(path) as new:
        for name, content in files.items():
            (new / name).write_bytes(content)
    return path


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def break_disk(monkeypatch: pytest.MonkeyPatch, step: str, number: int) -> None:
    """Let one step of writing fail, a write after half of its bytes."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    if step == "fsync":
        monkeypatch.setattr(os, "fsync", failing(number))
    elif step == "rename":
        monkeypatch.setattr(Path, "replace", failing(number))
        monkeypatch.setattr(Path, "rename", failing(number))
    else:
        real = Path.open

        def opened(self: Path, mode: str = "r", **more: object) -> object:
            if "w" in mode:
                with real(self, mode) as file:
                    file.write(b"ne")
                failing(number)()
            return real(self, mode, **more)

        monkeypatch.setattr(Path, "open", opened)


def test_bytes_and_text_are_written_whole_into_folders_that_are_made(tmp_path: Path):
    write_bytes(tmp_path / "a" / "b" / "x.bin", b"\x00\xff")
    disk.write_text(tmp_path / "a" / "b" / "x.txt", "na\u00efve\n")
    assert (tmp_path / "a" / "b" / "x.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "a" / "b" / "x.txt").read_bytes() == b"na\xc3\xafve\n"
    assert names(tmp_path / "a" / "b") == {"x.bin", "x.txt"}


def test_a_name_of_255_letters_can_be_written(tmp_path: Path):
    write_bytes(tmp_path / ("x" * 255), b"1")
    assert names(tmp_path) == {"x" * 255}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_a_step_that_fails_leaves_the_old_file_and_nothing_else(
    step: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_bytes(tmp_path / "x", b"old")
    with monkeypatch.context() as broken:
        break_disk(broken, step, number)
        with pytest.raises(DiskError):
            write_bytes(tmp_path / "x", b"newer")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert names(tmp_path) == {"x"}


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX's")
def test_a_write_that_breaks_off_half_way_leaves_the_old_file(tmp_path: Path):
    import resource

    write_bytes(tmp_path / "x", b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))  # Python ignores SIGXFSZ, so the write gives EFBIG
    try:
        with pytest.raises(DiskError, match=rf"^cannot write .*x: File too large \(errno {errno.EFBIG}\)\.$"):
            write_bytes(tmp_path / "x", bytes(2**21))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "x").read_bytes() == b"old"
    assert names(tmp_path) == {"x"}


def test_a_disk_that_recovers_is_tried_three_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real, waits, failures = os.fsync, [], [errno.ENOSPC, errno.EIO]

    def moody(handle: int) -> None:
        if failures:
            failing(failures.pop())()
        real(handle)

    monkeypatch.setattr(os, "fsync", moody)
    monkeypatch.setattr(time, "sleep", waits.append)
    write_bytes(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"
    assert waits == [0.1, 0.2]


@pytest.mark.parametrize(("number", "tries"), [(errno.ENOSPC, 3), (errno.EIO, 3), (errno.EROFS, 1), (errno.EACCES, 1)])
def test_only_what_may_pass_is_tried_again(number: int, tries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tried = []

    def fail(handle: int) -> None:
        tried.append(handle)
        failing(number)()

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(DiskError):
        write_bytes(tmp_path / "x", b"new")
    assert len(tried) == tries


@pytest.mark.parametrize(
    ("number", "doing", "reason"),
    [
        (errno.EROFS, "write", READ_ONLY),
        (errno.EACCES, "write", READ_ONLY),
        (errno.EPERM, "write in", READ_ONLY),
        (errno.ENOSPC, "write", FULL),
        (errno.EDQUOT, "write", FULL),
        (errno.EIO, "write", f"{os.strerror(errno.EIO)} (errno {errno.EIO})"),
        (errno.EACCES, "read", "its permissions forbid it; change them"),
    ],
)
def test_what_the_disk_refused_is_said_with_what_to_do(number: int, doing: str, reason: str):
    with pytest.raises(DiskError) as refused, disk.explained(Path("runs/first"), doing):
        failing(number)()
    assert str(refused.value) == f"cannot {doing} {Path('runs/first')}: {reason}."
    assert refused.value.exit_code == 74
    assert isinstance(refused.value.__cause__, OSError)


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(DiskError, match=rf"^cannot write .*x{os.sep}y: .* \(errno \d+\)\.$"):
        write_bytes(tmp_path / "x" / "y", b"1")


def test_a_folder_is_not_there_before_it_is_whole(tmp_path: Path):
    with new_folder(tmp_path / "model") as new:
        (new / "a").write_bytes(b"1")
        assert not (tmp_path / "model").exists()
    assert names(tmp_path / "model") == {"a", MANIFEST}


@pytest.mark.parametrize("old", [True, False])
def test_a_block_that_fails_leaves_what_was_there(old: bool, tmp_path: Path):
    if old:
        fill(tmp_path / "model", a=b"old")

    def work() -> None:
        with new_folder(tmp_path / "model") as new:
            (new / "a").write_bytes(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert names(tmp_path) == ({"model"} if old else set())
    if old:
        verify(tmp_path / "model")
        assert (tmp_path / "model" / "a").read_bytes() == b"old"


@pytest.mark.parametrize("renames", [0, 1])
def test_a_rename_that_fails_leaves_the_old_folder_in_its_place(renames: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fill(tmp_path / "model", a=b"old")
    real, done = Path.rename, []

    def rename(self: Path, target: Path) -> Path:
        done.append(target)
        if len(done) == renames + 1:
            failing(errno.EIO)()
        return real(self, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", rename)
        with pytest.raises(DiskError, match=f"cannot write .*model: {os.strerror(errno.EIO)}"):
            fill(tmp_path / "model", a=b"new")
    assert names(tmp_path) == {"model"}
    verify(tmp_path / "model")
    assert (tmp_path / "model" / "a").read_bytes() == b"old"


STEPS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir"}


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Run `work` in a fork that dies, with no time for any clean-up, before its step-th change of the disk."""
    child = os.fork()
    if child == 0:
        seen = 0

        def count(event: str, _: object) -> None:
            nonlocal seen
            if event in STEPS:
                seen += 1
                if seen == step:
                    os._exit(9)

        try:
            sys.addaudithook(count)
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_killed_at_any_instant_leaves_the_old_folder_or_the_new_one(tmp_path: Path):
    found, step = [], 1
    while True:
        path = fill(tmp_path / str(step) / "model", a=b"old", b=b"old")
        died = killed_at(step, lambda path=path: fill(path, a=b"new", b=b"new"))
        verify(path)
        found.append((path / "a").read_bytes() + (path / "b").read_bytes())
        if not died:
            break
        step += 1
    assert step > 10
    assert found == sorted(found, reverse=True)  # "oldold" up to one instant, "newnew" from there
    assert set(found) == {b"oldold", b"newnew"}


def test_a_folder_that_was_set_aside_is_put_back(tmp_path: Path):
    fill(tmp_path / "model", a=b"old")
    (tmp_path / "model").rename(tmp_path / ".model.old")
    recover(tmp_path / "model")
    assert names(tmp_path) == {"model"}
    verify(tmp_path / "model")


def test_a_folder_that_was_set_aside_does_not_replace_its_successor(tmp_path: Path):
    fill(tmp_path / ".model.old", a=b"old")
    fill(tmp_path / "model", a=b"new")
    (tmp_path / ".other.old").mkdir()
    recover(tmp_path / "model")
    assert (tmp_path / "model" / "a").read_bytes() == b"new"


HOLD = """
import sys
from pathlib import Path
from striate.base.files import lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_refused_with_its_owner_and_taken_over_after_its_death(tmp_path: Path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "held\n"
            with pytest.raises(RunError) as refused, lock(tmp_path, "run"):
                pass
            assert str(refused.value) == (
                f"{tmp_path} is in use by another process (pid {owner.pid}); wait for it, or give this run another --name."
            )
        finally:
            owner.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    with lock(tmp_path):
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_a_lock_is_given_back_also_by_a_block_that_fails(tmp_path: Path):
    folder = tmp_path / "new" / "run"
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), lock(folder):
            raise ZeroDivisionError


def test_a_folder_in_use_is_refused_also_within_one_process(tmp_path: Path):
    with (
        lock(tmp_path),
        pytest.raises(RunError, match=rf"\(pid {os.getpid()}\).*give this model another"),
        lock(tmp_path, "model"),
    ):
        pass


def test_a_lock_in_a_folder_that_cannot_be_made_is_the_disks_refusal(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DiskError, match=r"^cannot write in "), lock(tmp_path / "file" / "run"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="the places are those of POSIX")
def test_the_cache_is_where_the_user_says_or_else_where_caches_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STRIATE_CACHE", "/fast/cache")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("HOME", "/home/ada")
    assert disk.cache_folder() == Path("/fast/cache")
    monkeypatch.delenv("STRIATE_CACHE")
    assert disk.cache_folder() == Path("/xdg/striate")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert disk.cache_folder() == Path("/home/ada/.cache/striate")


def test_what_killed_writers_left_is_swept(tmp_path: Path):
    (tmp_path / ".model.17.tmp").mkdir()
    (tmp_path / ".model.17.tmp" / "weights").write_bytes(b"half")
    (tmp_path / ".run.toml.17.tmp").write_bytes(b"half")
    (tmp_path / "run.toml").write_bytes(b"whole")
    disk.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.toml"]
    disk.sweep(tmp_path / "absent")


def test_a_place_where_nothing_can_be_written_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "notes.txt").write_text("")
    disk.check_new_file(tmp_path / "new" / "deeper" / "table.csv")  # folders that are missing are made later
    disk.check_new_folder(tmp_path / "new" / "deeper")
    assert list(tmp_path.iterdir()) == [tmp_path / "notes.txt"]
    with pytest.raises(SettingError, match=r"expected a file to write; .* is a folder. Name a file in it."):
        disk.check_new_file(tmp_path)
    for check, path in ((disk.check_new_file, "notes.txt/a.csv"), (disk.check_new_folder, "notes.txt/a/b")):
        with pytest.raises(SettingError, match=r"expected a folder to write into at .*notes.txt; it is a file."):
            check(tmp_path / path)
    monkeypatch.setattr(disk.os, "access", lambda place, _mode: place != tmp_path)
    with pytest.raises(DiskError, match=r"cannot write in .*new: the folder is not writable; give another with --out"):
        disk.check_new_file(tmp_path / "new" / "table.csv")
    with pytest.raises(DiskError, match="cannot write in"):
        disk.check_new_folder(tmp_path / ("a" * 300))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no such file system")
def test_a_folder_that_only_looks_writable_is_refused_at_once():
    with pytest.raises(DiskError, match=r"cannot write in /proc/x: the folder is not writable; give another with --out"):
        disk.check_new_folder(Path("/proc/x"))
