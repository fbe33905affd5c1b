"""How far a command is: a bar with what is left on a terminal; elsewhere a line every 30 seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from striate.base.events import Json, Pace, StageProgress, Watch

_EVERY_SECONDS = 30.0


@contextmanager
def progress_shown(console: Console, clock: Callable[[], float] = time.monotonic) -> Iterator[Watch]:
    """What to watch events with for the block; events that are of no stage are ignored."""
    pace = Pace(clock)
    with _bar(console) if console.is_terminal else _lines(console, clock) as show:

        def watch(event: Json) -> None:
            now = pace.progress(event)
            if now is not None:
                show(now)

        yield watch


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[StageProgress], None]]:
    """One bar: that of the stage which has reported last."""
    from rich.progress import BarColumn, Progress, TextColumn  # not where there is no terminal

    bar = Progress(BarColumn(), TextColumn("{task.description}"), console=console, transient=True)
    task = bar.add_task("", visible=False)

    def show(now: StageProgress) -> None:
        bar.update(task, description=str(now), completed=now.done, total=now.total, visible=not now.over)

    with bar:
        yield show


@contextmanager
def _lines(console: Console, clock: Callable[[], float]) -> Iterator[Callable[[StageProgress], None]]:
    """A line for what has run for 30 seconds, and every 30 seconds after that."""
    printed = clock()

    def show(now: StageProgress) -> None:
        nonlocal printed
        quiet_for = min(clock() - printed, now.elapsed)
        if quiet_for >= _EVERY_SECONDS and not now.over:
            printed = clock()
            console.print(str(now), highlight=False, soft_wrap=True)

    yield show
