"""What a search tries and what comes of it."""

from typing import NamedTuple

from striate.base import config
from striate.base.events import Json
from striate.base.phrases import percent, plural
from striate.metrics.intervals import Interval


class Trial(NamedTuple):
    """One training of a search."""

    number: int  # from 0, which has the settings of the rule
    round: int  # from 0; a later one trains fewer trials for longer
    changes: config.Tree  # of the settings
    run: str  # its folder
    val: Interval | None  # accuracy on the validation images; None where it failed
    log_loss: float | None
    seconds: float
    error: str | None = None

    def __str__(self) -> str:
        outcome = f"failed: {self.error}" if self.val is None else f"validation accuracy {percent(self.val.value)}"
        return f"trial {self.number} ({config.describe(self.changes)}): {outcome}, {self.seconds:.0f} s"

    def rank(self) -> tuple[float, float]:
        """By which the best is the largest: accuracy, and of equals the lower log-loss."""
        return (-1.0, 0.0) if self.val is None or self.log_loss is None else (self.val.value, -self.log_loss)

    def as_json(self) -> Json:
        """For --json."""
        val = None if self.val is None else {"accuracy": self.val.value, **self.val._asdict()}
        if val is not None:
            del val["value"]
        return {**self._asdict(), "val": val}


class TuneResult(NamedTuple):
    """What `striate tune --json` prints: the final training's result, and the search that led to it."""

    final: Json  # of the training with the best settings, as `striate train` gives it
    trials: tuple[Trial, ...]
    best: Trial
    corrected: float  # its accuracy without what the choice by it adds

    def sentence(self) -> str:
        """What was chosen, and how much its score is worth."""
        assert self.best.val is not None
        count = len({trial.number for trial in self.trials})
        value, images = self.best.val.value, self.best.val.n
        text = (
            f"Trial {self.best.number} is the best of {plural(count, 'trial')}: {config.describe(self.best.changes)}. Its "
            f"validation accuracy is {percent(value)} ({plural(images, 'image')})"
        )
        if self.corrected < value:
            text += f", which is too high, since it chose the trial: about {percent(self.corrected)} is to be expected"
        text += "."
        default = max((trial for trial in self.trials if trial.number == 0), key=lambda trial: trial.round)
        if self.best.number and default.val is not None:
            text += f" The defaults have {percent(default.val.value)} in round {default.round + 1}."
        return text

    def as_json(self) -> Json:
        """For --json."""
        return {
            **self.final, "trials": [trial.as_json() for trial in self.trials], "best": self.best.as_json(),
            "corrected": round(self.corrected, 6), "sentence": self.sentence(),
        }  # fmt: skip
