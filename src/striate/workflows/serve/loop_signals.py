"""Signals that are handled in the event loop of a server, where nothing is half-done."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Generator, Mapping


@contextlib.contextmanager
def handled_in_loop(handlers: Mapping[str, Callable[[], object]]) -> Generator[None, None, None]:
    """For the block, the handler of each signal by its name, where the system has it; nothing outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {}
    for name, handler in handlers.items():
        if (number := getattr(signal, name, None)) is not None:
            before[number] = signal.signal(number, lambda *_, handler=handler: loop.call_soon_threadsafe(handler))
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
