"""How commands speak: results on stdout, everything else on stderr, progress on a terminal only."""

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

Event = dict[str, Any]


class _Out(Console):
    """A console that leaves it to `main` what happens where the reader of a pipe has seen enough."""

    def on_broken_pipe(self) -> None:
        """Say so, where rich would end the process with 1."""
        raise BrokenPipeError


def stdout() -> Console:
    """Where results go for people; as wide as the terminal, or 140 columns in a pipe."""
    return _Out(width=None if sys.stdout.isatty() else 140, highlight=False, soft_wrap=not sys.stdout.isatty())


def say(lines: Iterable[str]) -> None:
    """Lines of results for people, as they are."""
    out = stdout()
    for line in lines:
        out.print(line, markup=False)


def print_json(value: object) -> None:
    """One JSON object on one line of stdout: the last thing that a command with --json prints."""
    print(json.dumps(value, allow_nan=False), flush=True)


def split(given: Iterable[str]) -> list[str]:
    """Words that were given one by one or with commas."""
    return [part.strip() for text in given for part in text.split(",") if part.strip()]


def scores(result: Event) -> list[str]:
    """What a run's result says of its validation and test images, and of files that were not used, as lines."""
    lines = [
        f"{what} accuracy {score['accuracy']:.4f}  (95 % interval {score['low']:.4f} to {score['high']:.4f}, "
        f"{score['n']:,} images)"
        for part, what in (("val", "validation"), ("test", "test"))
        if (score := result[part])
    ]
    if result["quarantined"]:
        lines.append(f"{result['quarantined']} bad files were not used; `striate data` lists them")
    return lines


def reported(result: Event) -> list[str]:
    """Where the report of a run is, as a line; none where it was not written."""
    return [f"report: {result['report']}"] if result["report"] else []


class _Plain(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record as its text alone."""
        style = "yellow" if record.levelno >= logging.WARNING else None
        self.console.print(record.getMessage(), style=style, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def speaking() -> Iterator[Callable[[Event], None]]:
    """Send striate's log to stderr for the block; gives what to watch events with, which draws progress on a terminal."""
    console = Console(stderr=True)
    log, handler = logging.getLogger("striate"), _Plain(console)
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    try:
        with progress:
            yield _watcher(progress, console)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


_WORDS = {
    "features": "computing features",
    "inspect": "running the network",
    "step": "training",
    "decode": "decoding",
    "predict": "predicting",
}


def _watcher(progress: Progress, console: Console) -> Callable[[Event], None]:
    tasks: dict[str, TaskID] = {}

    def watch(event: Event) -> None:
        kind = event["event"]
        if kind == "epoch":
            console.print(
                f"epoch {event['epoch']}: training loss {event['train_loss']:.4f}, validation loss {event['loss']:.4f}, "
                f"accuracy {event['accuracy']:.4f}",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
            return
        if kind == "report":
            console.print(f"rewritten after epoch {event['epochs']}: {event['report']}", highlight=False, soft_wrap=True)
            return
        if progress.disable:
            return
        done, total = (event["step"], event["steps"]) if kind == "step" else (event["done"], event["total"])
        if kind not in tasks:
            tasks[kind] = progress.add_task(_WORDS.get(kind, str(kind)), total=total)
        progress.update(tasks[kind], completed=done, total=total)

    return watch
