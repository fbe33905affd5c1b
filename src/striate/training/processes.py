"""Several processes that train together: who they are, how they are joined, and what happens when one of them fails.

Which one this is, `base.launcher` reads from the environment; where they find each other, `meeting`. Sums between them are
PyTorch's. Beside these each reports every two seconds that it runs, in a store that the first one holds, from before it reads
images: one that never comes, fails, is killed or stands still ends the others within a minute with one sentence that names it,
in place of a wait of half an hour.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import torch

from striate.base.errors import Interrupted, RunError
from striate.base.launcher import Place, place
from striate.training.meeting import Meeting, join_seconds, not_there

EXIT_FAILED = 1  # of a process that ends because another has failed
_BEAT_SECONDS, _SILENT_SECONDS = 2.0, 30.0
_GRACE_SECONDS = 3.0  # for a process that fails by itself to say so
_STORE_SECONDS = 20.0
_LOOK_SECONDS = 0.3  # between two looks at whether all are there


@contextmanager
def met() -> Iterator[None]:
    """Meet the other processes for the block, and be watched by them; nothing happens where there is one process.

    It comes before images are read: a process that fails, ends or hangs from then on ends the others, named. `joined`, within
    the block, is what sums and gradients need.

    Raises RunError: a process has not come for 40 s (STRIATE_JOIN_SECONDS), or has failed; it is named.
    """
    own = place()
    if own.world == 1 or _meetings:
        yield
        return
    watch = _Watch(own, Meeting.find(own))
    _meetings.append(watch)
    try:
        watch.wait_for_all()
        yield
    except Exception as error:
        if not watch.ended.is_set() and (cause := watch.blame(error)) is not None:
            raise RunError(cause) from error
        raise
    finally:
        _meetings.clear()
        watch.end()


_meetings: list["_Watch"] = []  # the one that this process is in


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Join the other processes for the block; nothing happens where there is one process.

    Raises RunError: another process has failed before this one could go on; it is named.
    """
    if place().world == 1:
        yield
        return
    with met():
        watch = _meetings[0]
        torch.distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo", store=watch.meeting.for_sums(), rank=watch.own.rank,
            world_size=watch.own.world,
        )  # fmt: skip
        try:
            yield
            torch.distributed.barrier()  # none leaves while another still waits for it
        except Exception as error:
            if (cause := watch.blame(error)) is not None:
                raise RunError(cause) from error
            raise
        finally:
            watch.end()
            with suppress(RuntimeError):  # of a connection that another process has left
                torch.distributed.destroy_process_group()


class _Beat(NamedTuple):
    number: str
    since: float  # when it came
    host: str


class _Watch:
    """Beats of this process, and what became of the others."""

    def __init__(self, own: Place, meeting: Meeting) -> None:
        self.own, self.meeting, self.store, self.ended = own, meeting, meeting.store, threading.Event()
        self.seen: dict[int, _Beat] = {}
        self.answered = time.monotonic()  # when the store last did
        self.cause: str | None = None  # why this process is about to end, once another has failed
        self.lock = threading.Lock()
        self.threads: list[threading.Thread] = []

    def wait_for_all(self) -> None:
        """Tell the others that this process is there, and wait until all are."""
        try:
            self._beat(0)
            came, since = self._came(1), time.monotonic()
            while came < self.own.world:
                if self._check("failed"):
                    raise RunError(self._get("failed"))
                if (now := self._came(0)) > came:
                    came, since = now, time.monotonic()
                elif time.monotonic() - since > (seconds := join_seconds()):
                    absent = [rank for rank in range(self.own.world) if not self._check(f"beat {rank}")]
                    raise RunError(not_there(absent, self.own.world, seconds))
                else:
                    time.sleep(_LOOK_SECONDS)
        except RuntimeError:
            raise RunError(self._gone(0)) from None
        self.answered = time.monotonic()
        for each in (self._follow, self._guard):
            self.threads.append(threading.Thread(target=each, daemon=True))
            self.threads[-1].start()

    def end(self) -> None:
        """Stop following; the processes end together, so that none takes another's end for a failure."""
        self.ended.set()
        for thread in self.threads[:1]:  # the other may wait for the store without end
            thread.join(_STORE_SECONDS)

    def blame(self, error: Exception) -> str | None:
        """Tell the others that this process fails; the sentence of the one that failed first, where that is another."""
        if isinstance(error, Interrupted):  # all were asked to stop
            return None
        lost = type(error).__module__.startswith("torch") or isinstance(error, RuntimeError)
        with suppress(RuntimeError):
            if not lost:
                text = f"process {self.own.rank} of {self.own.world} ({socket.gethostname()}) failed first: {error}"
                first = self._first(text)
                if first == text and self.own.rank == 0:  # the store ends with it, and the others have yet to read the sentence
                    time.sleep(2 * _BEAT_SECONDS + 1)
                return None if first.endswith(f"failed first: {error}") else first  # all may have made the same mistake
        deadline = time.monotonic() + _SILENT_SECONDS + _GRACE_SECONDS
        while time.monotonic() < deadline:  # a sum has failed because another process has; it is about to be known
            if self.cause is not None:
                return self.cause
            try:
                if self._check("failed"):
                    return self._get("failed")
            except RuntimeError:
                return self._gone(0)
            if (cause := self.silent()) is not None:
                return cause
            time.sleep(_BEAT_SECONDS)
        return None

    def _first(self, text: str) -> str:
        with self.lock:
            return bytes(self.store.compare_set("failed", "", text)).decode()

    def _came(self, more: int) -> int:
        """How many are there, with so many more."""
        with self.lock:
            return int(self.store.add("came", more))

    def _check(self, key: str) -> bool:
        with self.lock:
            return bool(self.store.check([key]))

    def _get(self, key: str) -> str:
        with self.lock:
            return bytes(self.store.get(key)).decode()

    def _beat(self, number: int) -> None:
        with self.lock:
            self.store.set(f"beat {self.own.rank}", f"{number} {socket.gethostname()}")

    def _gone(self, rank: int, host: str = "") -> str:
        where = f" ({host})" if host else ""
        return (
            f"process {rank} of {self.own.world}{where} has ended, stands still or cannot be reached; the others end with it."
        )

    def silent(self) -> str | None:
        """The sentence of a process whose beats have not come for half a minute."""
        now = time.monotonic()
        silent = next((rank for rank, beat in self.seen.items() if now - beat.since > _SILENT_SECONDS), None)
        return None if silent is None else self._gone(silent, self.seen[silent].host)

    def _look(self) -> None:
        others = [rank for rank in range(self.own.world) if rank != self.own.rank]
        with self.lock:  # all in one question, or hundreds of processes would ask a hundred thousand times at every beat
            beats = self.store.multi_get([f"beat {rank}" for rank in others])
        for rank, beat in zip(others, beats, strict=True):
            number, _, host = bytes(beat).decode().partition(" ")
            if rank not in self.seen or self.seen[rank].number != number:
                self.seen[rank] = _Beat(number, time.monotonic(), host)

    def _follow(self) -> None:
        number = 0
        while self._wait():
            number += 1
            try:
                self._beat(number)
                self._look()
                cause = self._get("failed") if self._check("failed") else self.silent()
            except RuntimeError:
                cause = self._gone(0)
            self.answered = time.monotonic()
            if cause is not None:
                self._leave(cause)

    def _guard(self) -> None:
        """End this process where the store answers no more: with a network that is down a question to it waits without end."""
        while self._wait():
            if time.monotonic() - self.answered > _SILENT_SECONDS:
                self._leave(self._gone(0))

    def _wait(self) -> bool:
        """Wait for the next beat; False once the processes end together."""
        before = time.monotonic()
        ended = self.ended.wait(_BEAT_SECONDS)
        if (now := time.monotonic()) - before > _BEAT_SECONDS + _GRACE_SECONDS:  # this process itself stood still
            self.seen, self.answered = {}, now
        return not ended

    def _leave(self, cause: str) -> None:
        """End this process, which may wait in a sum for one that is no more; one process of each machine says why."""
        if self.ended.is_set():
            return
        self.cause = cause
        if not self.ended.wait(_GRACE_SECONDS):
            if self.own.local == 0 or cause.startswith(f"process {self.own.rank - self.own.local} of"):
                print(f"striate: {cause}", file=sys.stderr, flush=True)
            os._exit(EXIT_FAILED)
