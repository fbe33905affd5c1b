"""Processes that a test starts, whoever starts them for it: they are found by a mark in their environment."""

import os
import signal
import time
from pathlib import Path

MARK = "STRIATE_TRIAL"
WAIT_SECONDS = 120  # for what takes milliseconds on a quiet machine


def processes(trial: str) -> set[int]:
    """Every living process that was started, by whomever, with this mark in its environment."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and f"{MARK}={trial}".encode() in (path / "environ").read_bytes():
                found.add(int(path.name))
        except OSError:
            continue
    return found


def none_lives(trial: str, seconds: float = WAIT_SECONDS) -> bool:
    """Whether all of them end within so many seconds; those that do not are killed."""
    deadline = time.monotonic() + seconds
    while (left := processes(trial)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return not left
