"""Addresses that show a file once, within a minute: a new tab cannot bring the token, and a report needs its own policy."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from striate.workflows.serve.refusals import Refusal

FOLDER = "/once"
_SECONDS = 60.0
_MOST = 20  # links that wait to be opened


class Shown(NamedTuple):
    """What an address shows."""

    read: Callable[[], bytes]
    media_type: str
    headers: Mapping[str, str]


class OneTimeLinks:
    """The addresses that have not been opened yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._links: OrderedDict[str, tuple[float, Shown]] = OrderedDict()

    def add(self, shown: Shown) -> str:
        """A new address, which nobody can guess."""
        key = secrets.token_urlsafe(32)
        with self._lock:
            self._links[key] = (time.monotonic() + _SECONDS, shown)
            while len(self._links) > _MOST:
                self._links.popitem(last=False)
        return f"{FOLDER}/{key}"

    def take(self, key: str) -> Shown:
        """What an address shows. Raises Refusal: of 404 where it has been opened, or too long ago."""
        with self._lock:
            until, shown = self._links.pop(key, (0.0, None))
        if shown is None or time.monotonic() > until:
            raise Refusal(404, "this address works once, within a minute. Open the file from the page of its run again.")
        return shown
