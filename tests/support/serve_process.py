"""A `striate serve` process of its own, as its operator sees it: address, signals, log, children."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from support.http_load import Address, address_of

_SOURCE = Path(__file__).parents[2] / "src"
_ROLES = {b"striate.workflows.serve.worker:infer": "inference", b"striate.data.decoder_pool:upload_in_child": "decoder"}
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
        """The process of inference that answers: the older one, for the spare was started after it."""
        started = {}
        for number, role in self.processes().items():
            with suppress(OSError):
                if role == "inference":
                    started[number] = int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19])
        return min(started, key=lambda number: started[number], default=None)

    def processes(self) -> dict[int, str]:
        """What each process is: server, inference or decoder."""
        roles = {self.process.pid: "server"}
        for name in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = name.read_bytes().split(b"\0")
                parent = int((name.parent / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == self.process.pid:
                roles[int(name.parent.name)] = next((role for word, role in _ROLES.items() if word in words), "starting")
        return roles

    def rss_mb(self, peak: bool = False) -> dict[str, float]:
        """Memory of the largest process of each kind now, or at its peak."""
        memory: dict[str, float] = {}
        for number, role in self.processes().items():
            try:
                status = Path(f"/proc/{number}/status").read_text()
            except OSError:
                continue
            (kib,) = re.findall(r"^VmHWM:\s+(\d+) kB" if peak else r"^VmRSS:\s+(\d+) kB", status, re.M) or ["0"]
            memory[role] = max(memory.get(role, 0.0), int(kib) / 1024)
        return memory

    def open_files(self) -> int:
        """Descriptors of the serving process."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def threads(self) -> int:
        """Threads of the serving process."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))


@contextmanager
def serving(
    folder: Path, model: str | Path, *options: str, python: str | Path | None = None, cores: Collection[int] = ()
) -> Iterator[ServeProcess]:
    """A server for the block, which is killed at its end; by another Python where it has striate itself; on these cores."""
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
    if cores:  # before it has started its children, which inherit them
        os.sched_setaffinity(process.pid, cores)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        yield ServeProcess(process, json.loads(line), folder)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
