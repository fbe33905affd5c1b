"""Children of `base.child_process` that are forks of this process, which begin at once: what is tested is what they are asked.

That they begin as programs of their own is for the tests of `child_process`, `worker_pool` and `decode`.
"""

import io
import os
import signal
import sys
from typing import IO, Any

import pytest

from striate.base import child_process
from striate.base.child_process import Child


class Fork:
    """What `Child` needs of a process: its pipes, and how it is ended."""

    def __init__(self, child: Child) -> None:
        here, calls_end = os.pipe()
        answers_end, there = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            os.setsid()
            os.dup2(here, 0)
            os.dup2(there, 1)
            os.closerange(3, 4096)  # also what ends the other children when it is closed
            sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0)))
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            try:
                child_process.serve(child.where, child.memory_mb, child.seconds, parent)
            finally:
                os._exit(1)
        os.close(here)
        os.close(there)
        self.stdin: IO[bytes] = os.fdopen(calls_end, "wb", buffering=0)
        self.stdout: IO[bytes] = os.fdopen(answers_end, "rb", buffering=0)
        self.status: int | None = None
        ALIVE.add(self.pid)

    def poll(self) -> int | None:
        return self._ended(os.WNOHANG)

    def wait(self) -> int | None:
        return self._ended(0)

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _ended(self, options: int) -> int | None:
        if self.status is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                ALIVE.discard(self.pid)
        return self.status


class ForkedChild(Child):
    """A child that begins as a fork."""

    def _start(self) -> Any:
        return Fork(self)


ALIVE: set[int] = set()  # those that have not been waited for


def forked_children(patch: pytest.MonkeyPatch) -> None:
    """Let children begin as forks."""
    patch.setattr(Child, "_start", lambda child: Fork(child))
