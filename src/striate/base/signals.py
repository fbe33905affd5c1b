"""Signals that ask for an orderly end: SIGINT, SIGTERM and, where it exists, SIGUSR1."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from striate.base.errors import Interrupted

_NAMES = ("SIGINT", "SIGTERM", "SIGUSR1")


class Stop:
    """True once a signal has asked for an orderly end; `signal` is its name."""

    def __init__(self) -> None:
        self.signal: str | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def check(self, doing: str, then: str = "nothing is lost: run the same command again.") -> None:
        """Raise if a signal has come. Raises Interrupted: naming the signal, what was being done, and what to do then."""
        if self.signal is not None:
            raise Interrupted(f"{self.signal} while {doing}; {then}")


@contextmanager
def catch_signals() -> Iterator[Stop]:
    """Note signals in the block's `Stop` instead of dying by them, in the main thread; a second SIGINT ends it at once."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, _frame: FrameType | None) -> None:
        if stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.signal = signal.Signals(number).name

    before = {getattr(signal, name): signal.signal(getattr(signal, name), note) for name in _NAMES if hasattr(signal, name)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
