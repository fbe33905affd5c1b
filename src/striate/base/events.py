"""What long work reports while it runs.

`watch` is called with events. An event is a dictionary, its name under `event`:

| event | other keys | when |
|---|---|---|
| a stage: one of `STAGES`, or another name | done, total: pieces, 0 <= done <= total; total None: unknown | after some pieces |
| step | step, steps, loss | after each step of a training, which is a stage with these for done and total |
| epoch | epoch, step, rate, train_loss, train_accuracy, accuracy, loss | after each epoch |
| report | epochs, report | after each time that a report that follows a run is rewritten |

A stage ends with done = total; where it begins anew, done falls. `Pace` makes of such events what is left.
"""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from striate.base.phrases import format_duration

Json = dict[str, Any]
Watch = Callable[[Json], None]

STAGES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "download": ("downloading", "MB"),
        "convert": ("reading weights", "files"),
        "collect": ("reading images in memory", "images"),
        "keep": ("writing images into the cache", "images"),
        "shards": ("writing shards", "images"),
        "sample": ("looking at a sample", "images"),
        "decode": ("decoding", "images"),
        "hash": ("comparing with the cache", "files"),
        "networks": ("training", "networks"),
        "time": ("timing", "steps"),
        "features": ("computing features", "images"),
        "fit": ("fitting classifiers", "fits"),
        "step": ("training", "steps"),
        "validate": ("validating", "batches"),
        "test": ("testing", "batches"),
        "predict": ("predicting", "images"),
        "inspect": ("running the network", "images"),
        "explain": ("testing attribution maps", "curves"),
        "maximize": ("maximizing activations", "steps"),
        "tune": ("measuring filters", "parts"),
        "draw": ("drawing", "figures"),
        "page": ("writing the report", "parts"),
    }
)  # what each is called, and its pieces


class StageProgress(NamedTuple):
    """How far a stage is."""

    stage: str  # its name, of `STAGES` or another
    done: int  # pieces
    total: int | None  # pieces; None where their number is not known before
    elapsed: float  # seconds since its first event
    left: float | None  # seconds, by the pace so far; None while there is no pace

    def __str__(self) -> str:
        words, pieces = STAGES.get(self.stage, (self.stage, ""))
        total = "" if self.total is None else f" of {self.total:,}"
        left = "" if self.left is None else f", {format_duration(self.left)} left"
        return f"{words} {self.done:,}{total} {pieces}".rstrip() + left

    @property
    def over(self) -> bool:
        """Whether all pieces are done, as far as their number is known."""
        return self.total is not None and self.done >= self.total


class Pace:
    """How far stages are, and how long they will still take: what is left, at the pace since their first event.

    >>> seconds = iter([0.0, 10.0])
    >>> pace = Pace(lambda: next(seconds))
    >>> print(pace.progress({"event": "decode", "done": 0, "total": 300}))
    decoding 0 of 300 images
    >>> print(pace.progress({"event": "decode", "done": 100, "total": 300}))
    decoding 100 of 300 images, 20 s left
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.starts: dict[str, tuple[float, int]] = {}  # time and pieces done at the first event of each stage
        self.latest: dict[str, StageProgress] = {}

    def progress(self, event: Json) -> StageProgress | None:
        """How far the stage of an event is; None for an event that is of none."""
        stage = event["event"]
        names = ("step", "steps") if stage == "step" else ("done", "total")
        if not set(names) <= event.keys():
            return None
        done, total = (event[name] for name in names)
        before, now = self.latest.get(stage), self.clock()
        if before is None or done < before.done or before.over or total != before.total:
            self.starts[stage] = now, done
        start, already = self.starts[stage]
        known = total is not None and done > already
        left = (total - done) * (now - start) / (done - already) if known else None
        self.latest[stage] = StageProgress(stage, done, total, now - start, left)
        return self.latest[stage]


def progress(watch: Watch, event: str, check: Callable[[], None] | None = None) -> Callable[[int, int | None], None]:
    """A function of how many are done and of how many, which reports them as `event`; `check` may then end the work."""

    def report(done: int, total: int | None) -> None:
        watch({"event": event, "done": done, "total": total})
        if check is not None:
            check()

    return report


def quiet(_event: Json) -> None:
    """Ignore every event."""
