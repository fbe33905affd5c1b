"""The queue: commands of striate that are run one after the other, each in a child process, kept in a file of the runs folder.

What ran when the server died is interrupted, and resumed by `--resume`. One server has the queue of a runs folder; others see
it, and change nothing.
"""

import json
import os
import secrets
import shlex
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

from striate.base import files
from striate.base.errors import Interrupted, RunError
from striate.base.phrases import without_controls
from striate.lab.workbench import child

FOLDER, FILE = ".lab", "queue.json"  # in the folder of the runs
LIVE = ("queued", "running")
RESUMABLE = ("interrupted", "failed")
TRAININGS = ("train", "finetune")
_ORDERLY = (Interrupted.exit_code, -signal.SIGTERM)  # the second before it listens, when there is nothing to lose yet
_POLL_SECONDS = 0.25
_END_SECONDS = 60.0  # for a checkpoint, when the server ends
_TAIL_BYTES = 4000


class Job(NamedTuple):
    """A command in the queue."""

    id: str
    run: str  # whose it is
    arguments: tuple[str, ...]  # of striate
    state: str = "queued"  # then running; done, failed or interrupted
    sentence: str = ""  # why it failed
    began: float | None = None  # Unix time
    ended: float | None = None

    @property
    def command(self) -> str:
        """As it is typed in a terminal."""
        return shlex.join(("striate", *self.arguments))


class Queue:
    """The commands of a runs folder; what is refused is a RunError."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._folder = out / FOLDER
        self._jobs: list[Job] = []
        self._changed = threading.Condition()
        self._held = ExitStack()
        self._owner = self._closing = False
        self._thread: threading.Thread | None = None
        self._running: Popen[bytes] | None = None
        self._to_stop: set[str] = set()

    def open(self) -> None:
        """Take up the queue that an earlier server left, if there is one."""
        with self._changed:
            if (self._folder / FILE).is_file():
                try:
                    self._own()
                except RunError:
                    return
                self._wake()

    def jobs(self) -> list[Job]:
        """All commands, in the order in which they are run."""
        with self._changed:
            return list(self._jobs) if self._owner else self._read()

    def of_run(self, run: str) -> Job | None:
        """The latest command that trains a run."""
        return next((job for job in reversed(self.jobs()) if job.run == run and job.arguments[0] in TRAININGS), None)

    def add(self, run: str, arguments: Sequence[str]) -> Job:
        """Add a command about a run at the end."""
        with self._changed:
            self._own()
            command = arguments[0]
            if any(job.run == run and job.arguments[0] == command and job.state in LIVE for job in self._jobs):
                raise RunError(f"{command} of {run} is in the queue already; wait for it, or remove it from the queue.")
            job = Job(secrets.token_hex(6), run, tuple(arguments))
            self._jobs.append(job)
            self._wake()
            return job

    def stop(self, id_: str) -> None:
        """End a command in a checkpoint, or set aside one that has not begun."""
        with self._changed:
            self._own()
            job = self._job(id_)
            if job.state == "queued":
                self._replace(job._replace(state="interrupted"))
            elif job.state == "running":
                self._to_stop.add(id_)
                self._terminate()
            else:
                raise RunError(f"expected a command that runs or waits; the one of {job.run} is {job.state}.")

    def resume(self, id_: str) -> Job:
        """Have a command that was interrupted run again, a training from its last checkpoint."""
        with self._changed:
            self._own()
            job = self._job(id_)
            if job.state not in RESUMABLE:
                raise RunError(f"expected a command that was interrupted; the one of {job.run} is {job.state}.")
            self._jobs.remove(job)
            job = job._replace(state="queued", arguments=self._arguments(job), sentence="", began=None, ended=None)
            self._jobs.append(job)
            self._wake()
            return job

    def remove(self, id_: str) -> None:
        """Take a command that does not run out of the queue; its run stays."""
        with self._changed:
            self._own()
            job = self._job(id_)
            if job.state == "running":
                raise RunError(f"the command of {job.run} runs; stop it first.")
            self._jobs.remove(job)
            self._save()
            for ending in ("out", "log"):
                (self._folder / f"{job.id}.{ending}").unlink(missing_ok=True)

    def log(self, id_: str) -> str:
        """The end of what a command printed for people."""
        return _tail(self._folder / f"{id_}.log")

    def printed(self, id_: str) -> str:
        """The end of what a command printed for programs."""
        return _tail(self._folder / f"{id_}.out")

    def close(self) -> None:
        """End what runs in a checkpoint, and leave the queue to the next server."""
        with self._changed:
            self._closing = True
            self._terminate()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_END_SECONDS)
        self._held.close()

    def _own(self) -> None:
        """Hold the queue for this server, which takes up what the file has."""
        if self._owner:
            return
        try:
            self._held.enter_context(files.lock(self._folder))
        except RunError:
            raise RunError(
                f"another lab has the queue of {self.out}: use its page, or start this one with another folder, --out FOLDER."
            ) from None
        self._owner = True
        self._jobs = [job._replace(state="interrupted") if job.state == "running" else job for job in self._read()]

    def _read(self) -> list[Job]:
        path = self._folder / FILE
        if not path.is_file():
            return []
        with files.explained(path, "read"):
            content = path.read_bytes()
        try:
            rows = [Job(**row) for row in json.loads(content)]
        except (ValueError, TypeError) as error:
            raise RunError(f"{path} is no queue of the lab: {error}. Remove it; the runs stay as they are.") from None
        return [job._replace(arguments=tuple(job.arguments)) for job in rows]

    def _job(self, id_: str) -> Job:
        for job in self._jobs:
            if job.id == id_:
                return job
        raise RunError("expected a command of the queue; this one is not in it any more.")

    def _replace(self, job: Job) -> None:
        self._jobs = [job if other.id == job.id else other for other in self._jobs]
        self._save()

    def _save(self) -> None:
        files.write_text(self._folder / FILE, json.dumps([job._asdict() for job in self._jobs], indent=1) + "\n")

    def _arguments(self, job: Job) -> tuple[str, ...]:
        """Those with which a command is run again."""
        begun = job.arguments[0] in TRAININGS and (self.out / job.run / "run.toml").is_file()
        return resumed(job.arguments[0], job.run, self.out) if begun else job.arguments

    def _wake(self) -> None:
        self._save()
        if self._thread is None and any(job.state == "queued" for job in self._jobs):
            self._thread = threading.Thread(target=self._work, name="queue", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _work(self) -> None:
        """Run one command after the other; the thread lives as long as the server, since its children end with it."""
        for job in self._next():
            try:
                with (self._folder / f"{job.id}.out").open("wb") as out, (self._folder / f"{job.id}.log").open("wb") as log:
                    process = child.start(job.arguments, out, log)
            except OSError as error:
                with self._changed:
                    sentence = f"It cannot be started: {error.strerror or error}."
                    self._replace(job._replace(state="failed", ended=time.time(), sentence=sentence))
                continue
            with self._changed:
                self._running = process
                if self._closing or job.id in self._to_stop:
                    self._terminate()
            code = process.wait()
            with self._changed:
                self._running = None
                self._to_stop.discard(job.id)
                self._finish(job.id, code)

    def _terminate(self) -> None:
        if self._running is not None:
            self._running.terminate()

    def _next(self) -> Iterator[Job]:
        """Each command when its turn has come; ends with the server."""
        while True:
            with self._changed:
                job = next((job for job in self._jobs if job.state == "queued" and not in_use(self.out / job.run)), None)
                if self._closing:
                    return
                if job is None:
                    waiting = any(other.state == "queued" for other in self._jobs)  # for a run in use by another process
                    self._changed.wait(_POLL_SECONDS if waiting else None)
                    continue
                job = job._replace(state="running", began=time.time())
                self._replace(job)
            yield job

    def _finish(self, id_: str, code: int) -> None:
        """Enter how a command ended."""
        job = self._job(id_)._replace(ended=time.time())
        if code == 0:
            job = job._replace(state="done")
        elif code == Interrupted.exit_code or code < 0:
            sentence = "" if code in _ORDERLY else f"It was ended by signal {-code}."
            job = job._replace(state="interrupted", sentence=sentence)
        else:
            last = (self.log(id_).strip().splitlines() or [f"It ended with exit code {code}."])[-1]
            job = job._replace(state="failed", sentence=last.removeprefix("striate: "))
        self._replace(job)


def resumed(command: str, run: str, out: Path) -> tuple[str, ...]:
    """The arguments that resume a run."""
    return (command, "--name", run, "--out", os.fspath(out), "--resume", "--json")


def in_use(folder: Path) -> bool:
    """Whether another process writes a run."""
    if not folder.is_dir():
        return False
    try:
        with files.lock(folder):
            return False
    except RunError:
        return True


def _tail(path: Path) -> str:
    if not path.is_file():
        return ""
    with files.explained(path, "read"), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    return "\n".join(without_controls(line) for line in text.splitlines())
