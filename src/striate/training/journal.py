"""`journal.jsonl`: what happened in a run, one JSON object a line, only ever appended to."""

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from striate.base.files import explained

Event = dict[str, Any]


class Journal:
    """Appends events to a file, to none where the path is None; a half line that a crash left behind is closed first."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path is None:
            return
        with explained(path, "write"):
            path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            content = path.read_bytes()
            if content and not content.endswith(b"\n"):
                with explained(path, "write"), path.open("ab") as file:
                    file.write(b"\n")

    def write(self, event: str, *, durable: bool = False, **fields: object) -> None:
        """Append one event; `durable` waits until the disk has it."""
        if self.path is None:
            return
        line = json.dumps({"event": event, "time": round(time.time(), 3), **fields}, allow_nan=False) + "\n"
        with explained(self.path, "write"), self.path.open("ab") as file:
            file.write(line.encode())
            file.flush()
            if durable:
                os.fsync(file.fileno())


def read(path: Path) -> list[Event]:
    """The events of a journal, in order; a half line is left out."""
    events = []
    if path.exists():
        for line in path.read_bytes().splitlines():
            with suppress(ValueError):
                events.append(json.loads(line))
    return [event for event in events if isinstance(event, dict)]
