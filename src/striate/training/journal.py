"""`journal.jsonl`: what happened in a run, one JSON object a line with its CRC-32, only ever appended to."""

import json
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from striate.base import files
from striate.base.files import explained

Event = dict[str, Any]

_CHECK = b', "crc32": "%08x"}'  # ends each line, in place of the closing brace


class Journal:
    """Appends events to a file, to none where the path is None; a half line that a crash left behind is closed first."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.follow: Callable[[Event], None] | None = None  # called with each event once it is written
        if path is None:
            return
        if not path.exists():
            files.write_bytes(path, b"")  # its name is on the disk before a line is acknowledged
        with explained(path, "read"):
            content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            with explained(path, "write"), path.open("ab") as file:
                file.write(b"\n")

    def write(self, event: str, *, durable: bool = False, **fields: object) -> None:
        """Append one event; `durable` waits until the disk has it."""
        if self.path is None:
            return
        entry = {"event": event, "time": round(time.time(), 3), **fields}
        line = json.dumps(entry, allow_nan=False).encode()
        with explained(self.path, "write"), self.path.open("ab") as file:
            file.write(line[:-1] + _CHECK % zlib.crc32(line) + b"\n")
            file.flush()
            if durable:
                os.fsync(file.fileno())
        if self.follow is not None:
            self.follow(entry)


def read(path: Path) -> list[Event]:
    """The events of a journal, in order; lines that are not as written, as half a line after a crash, are left out."""
    return [event for event in _events(path) if event is not None]


def damaged_lines(path: Path) -> int:
    """How many lines of a journal are not as written."""
    return sum(event is None for event in _events(path))


def _events(path: Path) -> list[Event | None]:
    with explained(path, "read"):
        return [_event(line) for line in path.read_bytes().split(b"\n") if line] if path.exists() else []


def _event(line: bytes) -> Event | None:
    """The event of a line without its checksum; None where they do not agree."""
    text, comma, check = line.rpartition(b', "crc32"')
    body = text + b"}"
    if comma + check != _CHECK % zlib.crc32(body):
        return None
    event: Event = json.loads(body)
    return event
