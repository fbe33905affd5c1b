"""Bytes of a file at an address: HTTP by range requests of ours, every other protocol by fsspec, with limits and repeats.

What fails for a moment - a server that answers 500, hangs, or sends too little - is tried again, with a longer wait each time.
What stays is raised with the address, and nothing is decided about an image by it.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from striate.base import addresses
from striate.base.errors import DataError
from striate.data import http_ranges
from striate.data.http_ranges import AbsentError, Piece, TransientError

log = logging.getLogger("striate")
_Result = TypeVar("_Result")

# Object stores advise to repeat what fails, and a restarted server is back within seconds: 0.5 + 2 + 8 s between four tries
WAITS = (0.5, 2.0, 8.0)
# For a connection, and for the next bytes: a store under load answers within seconds; after half a minute something is wrong
SECONDS = 30.0
# Fewer bytes a second are no connection to train through: an image a second. A try ends after twice SECONDS and its bytes by it
LEAST_RATE = 2**17
# Requests on their way at once. A store answers each after 10 to 50 ms: one after the other would be 20 to 100 images a second
AT_ONCE = 16


class Task(threading.Event, Generic[_Result]):
    """What another thread does."""

    def __init__(self, work: Callable[[], _Result]) -> None:
        super().__init__()
        self._work, self._results = work, list[_Result]()
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Do it; for the thread."""
        try:
            if self._failure is None:
                self._results.append(self._work())
        except BaseException as error:  # raised to the one who waits
            self._failure = error
        self.set()

    def give_up(self) -> None:
        """Let it not begin, and nobody wait for it."""
        if not self.is_set():
            self._failure = DataError("the reading was ended.")
            self.set()

    def result(self) -> _Result:
        """What came of it, once it is done. Raises what it raised."""
        self.wait()
        if self._failure is not None:
            raise self._failure
        return self._results[0]


class _Workers:
    """Threads of one process that take tasks in turn. They are daemons: one that hangs does not keep the process."""

    def __init__(self) -> None:
        self.process, self.waiting = os.getpid(), SimpleQueue[Task[Any]]()
        for number in range(AT_ONCE):
            threading.Thread(target=self._work, name=f"reader of addresses {number}", daemon=True).start()

    def _work(self) -> None:
        while True:
            self.waiting.get().run()


_workers: _Workers | None = None
_starting = threading.Lock()


def start(works: Iterable[Callable[[], _Result]]) -> list[Task[_Result]]:
    """Begin what is to be done, `AT_ONCE` of it at once, in this order."""
    global _workers
    with _starting:
        if _workers is None or _workers.process != os.getpid():  # threads do not go into a forked process
            _workers = _Workers()
        workers = _workers
    tasks = [Task(work) for work in works]
    for task in tasks:
        workers.waiting.put(task)
    return tasks


def read(address: str, begin: int, length: int) -> Piece:
    """The bytes of a file from `begin` on, fewer where it ends before, and how long it is.

    Raises:
        AbsentError: there is no such file.
        DataError: it is refused, or it is not read in several tries; a package is missing.

    """
    return _repeated(address, 2 * SECONDS + length / LEAST_RATE, lambda: _read(address, begin, length))


def size(address: str) -> int:
    """How long a file is, in bytes. Raises DataError: as `read`."""
    if _is_http(address):
        return read(address, 0, 1).total
    return _repeated(address, 2 * SECONDS, lambda: _size(address))


def _repeated(address: str, seconds: float, work: Callable[[], _Result]) -> _Result:
    for number in range(len(WAITS) + 1):
        try:
            return _within(seconds, work)
        except TransientError as error:
            reason = addresses.redacted(str(error))
        if number < len(WAITS):
            log.info("%s: %s; tried again in %g s.", address, reason, WAITS[number])
            time.sleep(WAITS[number])
    raise DataError(
        f"{address} is not read, in {len(WAITS) + 1} tries: {reason}. The server or the network may be the reason, so nothing "
        "is decided about its images: give the command again once it answers (a training is resumed with --resume)."
    )


def _within(seconds: float, work: Callable[[], _Result]) -> _Result:
    """What a library does that may hang, in a thread that is left alone after so long."""
    task = Task(work)
    threading.Thread(target=task.run, name="request", daemon=True).start()
    if not task.wait(seconds):
        raise TransientError(f"not done within {seconds:.3g} s")
    return task.result()


def _is_http(address: str) -> bool:
    return addresses.protocol(address) in ("http", "https")


def _read(address: str, begin: int, length: int) -> Piece:
    if _is_http(address):
        return http_ranges.read(addresses.complete(address), begin, length, SECONDS)
    system, path = _file_system(address)
    content: bytes = _explained(address, lambda: system.cat_file(path, start=begin, end=begin + length))
    return Piece(content, begin + len(content))


def _size(address: str) -> int:
    system, path = _file_system(address)
    return int(_explained(address, lambda: system.info(path)["size"]))


def _explained(address: str, work: Callable[[], Any]) -> Any:
    """What a file system of fsspec does, with its errors as ours; they differ by protocol, and most are an OSError."""
    try:
        return work()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise AbsentError(f"there is nothing at {address}. Copy it there, or write the shards anew.") from error
    except PermissionError as error:
        raise DataError(f"{address} may not be read: {addresses.redacted(str(error))}. Ask for permission.") from error
    except Exception as error:
        reason = addresses.redacted(" ".join(str(error).split())[:200]) or type(error).__name__
        if "Credential" in type(error).__name__:
            raise DataError(
                f"{address} is not read without credentials: {reason}. Set them as its package takes them."
            ) from error
        raise TransientError(reason) from error


def _file_system(address: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs
    from fsspec.registry import get_filesystem_class, known_implementations

    protocol = addresses.protocol(address)
    try:
        get_filesystem_class(protocol)
        system, path = url_to_fs(addresses.complete(address))
    except ImportError as error:
        known = known_implementations[protocol]
        package = known["class"].partition(".")[0]
        if package == "fsspec":  # which has the class, and says what that needs
            raise DataError(f"{protocol}:// needs a package that is not installed: {known['err']}.") from error
        raise DataError(f"{protocol}:// needs the package {package}, which is not installed: pip install {package}.") from error
    except ValueError as error:
        raise DataError(
            f"expected an address as https://HOST/FOLDER or s3://BUCKET/FOLDER; got {address}: "
            f"{addresses.redacted(str(error))}."
        ) from error
    system.invalidate_cache()  # of listings, which may be of before
    return system, path
