"""A function run in a child process with limits of memory and processor time, so that a crash of a C library is a verdict.

The child is this file run as a program. It speaks frames over its pipes - a JSON header, then raw bytes - and nothing is
unpickled in the parent: a child taken over by a hostile image can send wrong pixels, not code. Memory is limited with
RLIMIT_AS on Linux, processor time with a timer of the kernel everywhere but on Windows. Both belong to the call, however busy
the machine is; the clock on the wall only ends a child that hangs.
"""

import json
import os
import selectors
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, NamedTuple

from striate.base.errors import StriateError

_HEADER = struct.Struct("<QQ")  # bytes of JSON, bytes of payload
_AHEAD = 8  # calls written before the first answer is read; small enough for a pipe's buffer
_START_SECONDS = 600.0
_MOST_AHEAD = 32_768  # bytes of calls on their way; a pipe holds 65,536
_PROCESSOR_TIME = getattr(signal, "SIGPROF", 0)  # what the kernel ends a child with whose processor time is over
_KILLED = getattr(signal, "SIGKILL", 0)  # by the kernel, where memory is short, or by someone


class Answer(NamedTuple):
    """What came back for one call: `value` and `payload`, or the reason why nothing did."""

    value: object
    payload: bytes
    error: str | None
    # the machine may be the reason, and not the call: nothing came for long, or the process was killed from outside
    outage: bool = False


class Call(NamedTuple):
    """A call whose argument has bytes beside it."""

    argument: object
    payload: bytes  # empty for none


class Child:
    """A child process that runs `where` ("package.module:name") again and again, one call after the other.

    The function takes one JSON value, and the payload of the call where it has one; it returns (JSON value, bytes). What it
    raises comes back as `Answer.error`. A child that dies, takes too long or needs too much memory costs the call that it was
    working on, and is replaced; that call is tried again alone, `tries` times in all, before the error counts.
    It may take `memory_mb` beyond what it starts with, and `seconds` of processor time for one call; 0 for no limit.
    """

    def __init__(self, where: str, memory_mb: int = 1024, seconds: float = 10.0, tries: int = 2) -> None:
        self.where, self.memory_mb, self.seconds, self.tries = where, memory_mb, seconds, tries
        self.hang_seconds = 60 + 20 * seconds  # on the wall
        self._process: subprocess.Popen[bytes] | None = None
        self._over = False

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process_id(self) -> int | None:
        """Of the child, while there is one."""
        return None if self._process is None else self._process.pid

    @property
    def died(self) -> bool:
        """Whether it was started and has ended between calls."""
        return self._process is not None and self._process.poll() is not None

    def call(self, argument: object, payload: bytes = b"") -> Answer:
        """Run one call, with bytes beside the JSON value where the function takes them."""
        return next(self._answers(iter([_frame(argument, payload)])))

    def map(self, arguments: Iterable[object]) -> Iterator[Answer]:
        """Run a call for each argument, or `Call`; the answers come in order, one for each."""
        yield from self._answers(_frame(*(each if isinstance(each, Call) else (each, b""))) for each in arguments)

    def _answers(self, frames: Iterator[bytes]) -> Iterator[Answer]:
        waiting: list[bytes] = []
        try:
            coming = next(frames, None)
            while coming is not None or waiting:
                # What is on its way fits into the pipe, unless it is alone: else both sides could wait for the other to read
                while coming is not None and (not waiting or _fit([*waiting, coming])):
                    self._send(coming)
                    waiting.append(coming)
                    coming = next(frames, None)
                answer, frame = self._receive(), waiting.pop(0)
                if self._process is None:  # it died over the first call; the others go to its successor
                    for _ in range(1, self.tries):
                        if self._process is None:
                            self._send(frame)
                            answer = self._receive()
                    for frame in waiting:
                        self._send(frame)
                yield answer
        finally:
            if waiting:  # given up half-way: what is still to come would be taken for answers to the next calls
                self.close()

    def close(self) -> None:
        """End the child."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream:
                    with suppress(OSError):
                        stream.close()
            self._process = None

    def give_up(self) -> None:
        """End the child from another thread; `map` there ends soon, with an error, and starts no other process."""
        self._over = True  # before the process is looked at: `_send` looks in the other order, so one sees the other
        if (process := self._process) is not None:
            process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        # Threads of torch that have nothing to do sleep: else they take the processor from the processes beside this one
        environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "STRIATE_CHILD": "1"}
        root = str(Path(__file__).parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(p for p in (root, environment.get("PYTHONPATH")) if p)
        limits = [str(self.memory_mb), str(self.seconds)]
        command = [sys.executable, "-m", "striate.base.child_process", self.where, *limits, str(os.getpid())]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
            bufsize=0, start_new_session=True,
        )  # fmt: skip

    def _send(self, frame: bytes) -> None:
        if self._process is None:
            if not self._over:
                self._process = self._start()
            if self._over:
                self.close()
                raise StriateError(f"the process that runs {self.where} was given up.")
            self._await_start()
        assert self._process is not None
        assert self._process.stdin is not None
        rest = memoryview(frame)
        with suppress(BrokenPipeError):  # a dead child is noticed, and blamed, by the read that follows
            while rest:  # a signal may cut a write short
                rest = rest[self._process.stdin.write(rest) :]

    def _await_start(self) -> None:
        """Wait until the imports are done, which do not count against the first call."""
        assert self._process is not None
        try:
            self._read_exactly(1, time.monotonic() + _START_SECONDS)
        except (EOFError, TimeoutError) as error:
            cause = _cause(self._process.wait()) if isinstance(error, EOFError) else f"nothing in {_START_SECONDS:g} s"
            self.close()
            module = self.where.partition(":")[0]
            raise StriateError(
                f"the process that runs {self.where} does not start ({cause}): `python -c 'import {module}'` may say why."
            ) from error

    def _receive(self) -> Answer:
        deadline = time.monotonic() + self.hang_seconds
        try:
            json_bytes, payload_bytes = _HEADER.unpack(self._read_exactly(_HEADER.size, deadline))
            header = json.loads(self._read_exactly(json_bytes, deadline))
            payload = self._read_exactly(payload_bytes, deadline)
        except TimeoutError:
            self.close()
            return Answer(None, b"", f"no answer within {self.hang_seconds:g} s", outage=True)
        except EOFError:
            assert self._process is not None
            status = self._process.wait()
            self.close()
            if status == -_PROCESSOR_TIME:
                return Answer(None, b"", f"took more than {self.seconds:g} s of processor time")
            return Answer(None, b"", f"the decoder process died ({_cause(status)})", outage=status == -_KILLED)
        return Answer(header["value"], payload, header["error"])

    def _read_exactly(self, count: int, deadline: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        stream, parts, missing = self._process.stdout, [], count
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while missing:
                # What lies ready is read, however late: this process may have been stopped itself
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                part = os.read(stream.fileno(), min(missing, 1 << 20))
                if not part:
                    raise EOFError
                parts.append(part)
                missing -= len(part)
        return b"".join(parts)


def _fit(frames: list[bytes]) -> bool:
    return len(frames) <= _AHEAD and sum(map(len, frames)) <= _MOST_AHEAD


def _cause(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit {status}"


def _frame(value: object, payload: bytes, error: str | None = None) -> bytes:
    header = json.dumps({"value": value, "error": error}).encode()
    return _HEADER.pack(len(header), len(payload)) + header + payload


def _limit_memory(extra_mb: int) -> None:
    import resource

    held_pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = held_pages * resource.getpagesize() + extra_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_processor_time(seconds: float) -> None:
    """End this process after so much processor time of its own, whatever a C library does then; 0 for no limit."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _die_with_parent(parent: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def _answer(function: Callable[..., tuple[object, bytes]], argument: object, content: bytes = b"") -> bytes:
    try:
        value, payload = function(argument, content) if content else function(argument)
    except MemoryError:
        return _frame(None, b"", "needs more memory than the decoder may take")
    except Exception as error:  # whatever a decoder raises is its verdict; Pillow raises far more than OSError
        text = str(error).strip() or type(error).__name__
        return _frame(None, b"", text if type(error).__name__ == "DecodeError" else f"{type(error).__name__}: {text}")
    return _frame(value, payload)


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise SystemExit(0)  # the parent is gone, or done
    return data


def serve(where: str, memory_mb: int, seconds: float, parent: int) -> None:
    """The child's side: read calls from stdin, write answers to stdout, until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # a library that prints must not break the frames
    linux = sys.platform.startswith("linux")
    if linux:
        _die_with_parent(parent)
    module, _, name = where.partition(":")
    function = getattr(import_module(module), name)
    if linux and memory_mb:
        _limit_memory(memory_mb)
    calls = sys.stdin.buffer
    answers.write(b"\n")
    while True:
        json_bytes, payload_bytes = _HEADER.unpack(_read(calls, _HEADER.size))
        header = json.loads(_read(calls, json_bytes))
        content = _read(calls, payload_bytes)
        _limit_processor_time(seconds)
        frame = memoryview(_answer(function, header["value"], content))
        _limit_processor_time(0)
        while frame:
            frame = frame[answers.write(frame) :]


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
