"""A `striate serve` process of its own, as its operator sees it: address, signals, log, children."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.http_load import Address, address_of

_SOURCE = Path(__file__).parents[2] / "src"
# Imported by every Python process at its start: notes each connection that the process opens
_NOTES = """
import os, sys
def _note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        with open(os.environ["STRIATE_TEST_NOTES"], "a") as notes:
            notes.write(f"{event} {arguments[-1] if event == 'socket.connect' else arguments[0]}\\n")
sys.addaudithook(_note)
"""


class ServeProcess:
    """A server that runs."""

    def __init__(self, process: subprocess.Popen[str], facts: dict[str, Any], folder: Path) -> None:
        self.process, self.url, self._folder = process, str(facts["url"]), folder
        self.address: Address = address_of(self.url)

    def stop(self) -> int:
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def log(self) -> list[dict[str, Any]]:
        """The lines of requests so far."""
        lines = (self._folder / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"time"')]

    def statuses(self, path: str) -> Counter[int]:
        """How often each status was logged for a path; 499 for a client that went away."""
        return Counter(entry["status"] for entry in self.log() if entry["path"] == path)

    def notes(self) -> list[str]:
        """Connections that it and its children opened, and names that they looked up."""
        path = self._folder / "notes"
        return path.read_text().splitlines() if path.exists() else []

    def worker(self) -> int | None:
        """The process of inference."""
        for name in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = name.read_bytes().split(b"\0")
                parent = int((name.parent / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == self.process.pid and b"striate.workflows.serve.worker:infer" in words:
                return int(name.parent.name)
        return None

    def rss_mb(self) -> float:
        """Memory of the serving process."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 2**20

    def open_files(self) -> int:
        """Descriptors of the serving process."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def threads(self) -> int:
        """Threads of the serving process."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))


@contextmanager
def serving(folder: Path, model: str | Path, *options: str, python: str | Path | None = None) -> Iterator[ServeProcess]:
    """A server for the block, which is killed at its end; by another Python where it has striate itself."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_NOTES)
    (folder / "temporary").mkdir(exist_ok=True)
    source = "" if python is not None else os.pathsep + str(_SOURCE)
    environment = {
        **os.environ, "PYTHONPATH": f"{folder}{source}", "STRIATE_TEST_NOTES": str(folder / "notes"),
        "TMPDIR": str(folder / "temporary"),
    }  # fmt: skip
    command = [str(python or sys.executable), "-m", "striate", "serve", str(model), "--port", "0", "--json", *options]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        yield ServeProcess(process, json.loads(line), folder)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
