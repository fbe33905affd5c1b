"""Seconds of the processor and the most memory of the stages of a process."""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Row = dict[str, tuple[float, float]]  # stage -> seconds, MB

# A thread of the measured process would leave its own small objects among that process's, whose memory then stays
WATCH = """
import select, sys
def now():
    with open(f"/proc/{sys.argv[1]}/status") as file:
        return next(int(line.split()[1]) / 1000 for line in file if line.startswith("RssAnon:"))
most = now()
print("begun", flush=True)
while not select.select([sys.stdin], [], [], 0.01)[0]:
    most = max(most, now())
print(max(most, now()))
"""


class Meter:
    """Of each stage the seconds of the processor, and the most anonymous memory above that of before the first, in MB."""

    def __init__(self) -> None:
        from striate.base import nameless_files

        gc.collect()
        nameless_files.give_back()
        self.before, self.row = anonymous_mb(), {}  # type: float, Row

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        command = [sys.executable, "-S", "-c", WATCH, str(os.getpid())]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watcher:
            assert watcher.stdout is not None
            watcher.stdout.readline()
            begun = time.process_time()
            yield
            seconds = time.process_time() - begun
            most, _ = watcher.communicate("over")
        self.row[name] = (seconds, float(most) - self.before)


def anonymous_mb() -> float:
    """Memory of this process that is of no file, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("RssAnon:"))
