"""Addresses that fsspec reads, and readers in threads."""

import threading
import time
from pathlib import Path

import fsspec
import pytest

from striate.base import addresses
from striate.base.errors import DataError
from striate.data import http_ranges, remote_files


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remote_files, "WAITS", (0.01, 0.02, 0.03))
    monkeypatch.setattr(addresses, "_secrets", {})


@pytest.mark.parametrize("protocol", ["memory", "file"])
def test_parts_of_a_file_are_read_by_fsspec(tmp_path: Path, protocol: str):
    place = f"memory://{tmp_path.name}/a b.tar" if protocol == "memory" else f"file://{tmp_path}/a b.tar"
    with fsspec.open(place, "wb") as file:
        file.write(bytes(range(100)))
    address = addresses.join(addresses.take(place.rpartition("/")[0]), "a b.tar")
    assert remote_files.size(address) == 100
    assert remote_files.read(address, 10, 5).content == bytes(range(10, 15))
    assert remote_files.read(address, 95, 50).content == bytes(range(95, 100))
    with pytest.raises(http_ranges.AbsentError, match=rf"^there is nothing at {address}/none"):
        remote_files.size(f"{address}/none")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("box://bucket/a", r"^box:// needs the package boxfs, which is not installed: pip install boxfs\.$"),
        ("smb://host/a", r"^smb:// needs a package that is not installed: SMB requires \"smbprotocol\""),
        (
            "nosuch://host/a",
            r"^expected an address as https://HOST/FOLDER or s3://BUCKET/FOLDER; got nosuch://host/a: Protocol",
        ),
        ("http://host:port/a", r"^http://host:port/a is no address: Port could not be cast"),
    ],
)
def test_what_cannot_be_read_says_what_to_install_or_to_write(address: str, message: str):
    with pytest.raises(DataError, match=message):
        remote_files.size(address)


class Failing:
    """A file system whose calls fail, each in its way."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def invalidate_cache(self) -> None:
        """Nothing is kept."""

    def cat_file(self, path: str, start: int, end: int) -> bytes:
        error = self.errors.pop(0)
        if isinstance(error, TimeoutError):
            time.sleep(1)
        raise error


class NoCredentialsError(Exception):
    """As botocore's."""


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ([PermissionError("denied to me:word")], r"^s3://bucket/a may not be read: denied to \*\*\*\. Ask for permission"),
        ([NoCredentialsError("none")], r"^s3://bucket/a is not read without credentials: none"),
        ([OSError("reset"), ValueError(""), OSError("slow"), OSError("me:word 1")], r"in 4 tries: \*\*\* 1\. The server or"),
        ([TimeoutError("late")] * 4, r"in 4 tries: not done within 0.2 s"),
    ],
)
def test_errors_of_a_file_system_are_tried_again_or_named(
    monkeypatch: pytest.MonkeyPatch, errors: list[Exception], message: str
):
    addresses.take("s3://me:word@bucket/a")
    monkeypatch.setattr(remote_files, "SECONDS", 0.1)
    system = Failing(*errors)
    monkeypatch.setattr(remote_files, "_file_system", lambda address: (system, "bucket/a"))
    with pytest.raises(DataError, match=message):
        remote_files.read("s3://bucket/a", 0, 1)
    assert not system.errors


def test_tasks_run_at_once_and_one_that_is_given_up_does_not_begin():
    together = threading.Barrier(remote_files.AT_ONCE)
    tasks = remote_files.start([lambda: together.wait(20)] * remote_files.AT_ONCE)
    assert sorted(task.result() for task in tasks) == list(range(remote_files.AT_ONCE))
    hold, begun = threading.Event(), list[int]()
    waiting = remote_files.start([lambda: hold.wait(20)] * remote_files.AT_ONCE)
    (late,) = remote_files.start([lambda: begun.append(1)])
    late.give_up()
    with pytest.raises(DataError, match="the reading was ended"):
        late.result()
    hold.set()
    assert all(task.result() for task in waiting)
    assert remote_files.start([lambda: 7])[0].result() == 7
    assert not begun
