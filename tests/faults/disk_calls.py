"""The calls by which Python changes a folder, one after the other: counted, recorded, made to fail, or the last of a process.

`intercepted` replaces the functions of `os` and `open` with ones that ask a handler first, for paths below one folder. It sees
what goes through them: not memory maps, not numpy's `tofile`. Nothing is synced in truth, since no power is cut here.
"""

import builtins
import errno
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ERRORS = ("ENOSPC", "EIO", "EDQUOT", "EINTR", "EACCES", "EMFILE", "ENOMEM", "EROFS")


class Call(NamedTuple):
    """One call: `open` (to read, or a folder), `create`, `write`, `fsync`, `rename`, `unlink`, `mkdir`, `rmdir`, `link`."""

    kind: str
    path: str
    target: str = ""  # of rename and link; of create the mode
    data: bytes = b""  # of write
    handle: int = -1  # of write and fsync


Handler = Callable[[Call, Callable[[], Any]], Any]


class _Raw(io.FileIO):
    """A file whose writes go through the handler."""

    def __init__(self, path: str, mode: str, handler: Handler) -> None:
        super().__init__(path, mode)
        self.place, self.handler = path, handler

    def write(self, data: Any) -> Any:
        content = bytes(data)
        return self.handler(Call("write", self.place, "", content, self.fileno()), lambda: super(_Raw, self).write(content))


@contextmanager
def intercepted(folder: Path, handler: Handler) -> Iterator[None]:
    """Within the block every such call below `folder` goes through `handler(call, do)`, which answers for it."""
    root, real_open, handles = str(folder), io.open, dict[int, str]()

    def inside(path: Any, dir_fd: int | None) -> str | None:
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if dir_fd is not None and dir_fd in handles:
            text = f"{handles[dir_fd]}/{text}"
        return text if text == root or text.startswith(f"{root}/") else None

    def of_path(kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *more: Any, dir_fd: int | None = None, **named: Any) -> Any:
            named = named if dir_fd is None else {**named, "dir_fd": dir_fd}
            if (own := inside(path, dir_fd)) is None:
                return real(path, *more, **named)
            return handler(Call(kind, own), lambda: real(path, *more, **named))

        return call

    def of_two(kind: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, target: Any, **named: Any) -> Any:
            if inside(target, None) is None:
                return real(path, target, **named)
            return handler(Call(kind, os.fspath(path), os.fspath(target)), lambda: real(path, target, **named))

        return call

    def open_handle(path: Any, flags: int, *more: Any, dir_fd: int | None = None, **named: Any) -> Any:
        named = named if dir_fd is None else {**named, "dir_fd": dir_fd}
        if (own := inside(path, dir_fd)) is None:
            return real_handle(path, flags, *more, **named)
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        call = Call("create", own, "w" if flags & os.O_TRUNC else "a") if writes else Call("open", own)
        handle: int = handler(call, lambda: real_handle(path, flags, *more, **named))
        handles[handle] = own
        return handle

    def fsync(handle: int) -> Any:
        try:
            own = inside(Path(f"/proc/self/fd/{handle}").readlink(), None)
        except OSError:
            own = None
        return handler(Call("fsync", own, handle=handle), lambda: None) if own else None

    def open_file(path: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, *more: Any, **named: Any) -> Any:
        own = inside(path, None)
        if own is None:
            return real_open(path, mode, buffering, encoding, *more, **named)
        if not set(mode) & set("wax+"):
            return handler(Call("open", own), lambda: real_open(path, mode, buffering, encoding, *more, **named))
        plain = mode.replace("b", "").replace("t", "")
        raw = handler(Call("create", own, "w" if set(plain) & set("wx") else "a"), lambda: _Raw(own, plain, handler))
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, *more, **named)

    real_handle = os.open
    with pytest.MonkeyPatch.context() as patch:
        for kind, names in (("unlink", ("unlink", "remove")), ("mkdir", ("mkdir",)), ("rmdir", ("rmdir",))):
            for name in names:
                patch.setattr(os, name, of_path(kind, getattr(os, name)))
        for kind, name in (("rename", "rename"), ("rename", "replace"), ("link", "link")):
            patch.setattr(os, name, of_two(kind, getattr(os, name)))
        patch.setattr(os, "open", open_handle)
        patch.setattr(os, "fsync", fsync)
        patch.setattr(io, "open", open_file)
        patch.setattr(builtins, "open", open_file)
        patch.setattr(time, "sleep", lambda _seconds: None)  # between two tries
        yield


def recorded(folder: Path, work: Callable[[], object]) -> list[Call]:
    """The calls of `work`, which succeed."""
    calls: list[Call] = []

    def note(call: Call, do: Callable[[], Any]) -> Any:
        calls.append(call)
        return do()

    with intercepted(folder, note):
        work()
    return calls


def fail(number: int, error: str, times: int = 1) -> Handler:
    """From its `number`-th, from 1, so many calls end with this error; the calls after those succeed."""
    code = getattr(errno, error)
    count = 0

    def handler(call: Call, do: Callable[[], Any]) -> Any:
        nonlocal count
        count += 1
        if number <= count < number + times:
            raise OSError(code, os.strerror(code), call.path)
        return do()

    return handler


def short_writes(call: Call, do: Callable[[], Any]) -> Any:
    """Every write takes one byte in two, as a call may."""
    if call.kind == "write" and len(call.data) > 1:
        return os.write(call.handle, call.data[: (len(call.data) + 1) // 2])
    return do()


def half_write(number: int, error: str) -> Handler:
    """The `number`-th call, where it is a write, puts half of its bytes on the disk; then the disk is full for good."""
    code, count = getattr(errno, error), 0

    def handler(call: Call, do: Callable[[], Any]) -> Any:
        nonlocal count
        count += 1
        if call.kind in ("write", "create", "mkdir") and count >= number:
            if count == number and call.kind == "write":
                return os.write(call.handle, call.data[: max(1, len(call.data) // 2)])
            raise OSError(code, os.strerror(code), call.path)
        return do()

    return handler


def killed(folder: Path, number: int, when: str, work: Callable[[], object]) -> bool:
    """Run `work` in a fork that dies, with no time for any clean-up, `before`, `half` way through or `after` its call.

    Whether it came to that.
    """
    child = os.fork()
    if child == 0:
        count = 0

        def handler(call: Call, do: Callable[[], Any]) -> Any:
            nonlocal count
            count += 1
            if count == number and when == "half" and call.kind == "write":
                os.write(call.handle, call.data[: len(call.data) // 2])
            elif count == number and when == "after":
                with suppress(OSError):  # as of what is not there
                    do()
            if count == number:
                os._exit(9)
            return do()

        try:
            with intercepted(folder, handler):
                work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
