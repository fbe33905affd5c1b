"""How long a command has taken so far, the loading of libraries included."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from striate.base.events import Json

_begun: ContextVar[float | None] = ContextVar("begun", default=None)


@contextmanager
def counting(*, anew: bool = False) -> Iterator[None]:
    """Count the seconds from here on for the block; a block within another counts from where the outer one began.

    `anew` is for a command within another, as a trial of a search, whose time is its own.
    """
    begun = None if anew else _begun.get()
    token = _begun.set(time.monotonic() if begun is None else begun)
    try:
        yield
    finally:
        _begun.reset(token)


def elapsed() -> float:
    """Seconds since the outermost block of `counting` began; 0 outside of any."""
    begun = _begun.get()
    return 0.0 if begun is None else time.monotonic() - begun


def measured(images: int | None) -> Json:
    """The seconds so far and the images of each of them, as keys of a result; None for no images."""
    seconds = elapsed()
    rate = round(images / seconds, 1) if images and seconds > 0 else None
    return {"wall_seconds": round(seconds, 2), "images_per_second": rate}
