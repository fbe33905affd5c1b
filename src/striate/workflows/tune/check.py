"""What is known of a search before torch is imported: its plan, and that each of its trials may begin."""

import json
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple, Self

from striate.base import config, files
from striate.base.errors import RunError, SettingError
from striate.workflows.finetune import check as fine_tuning
from striate.workflows.finetune import start
from striate.workflows.train import check
from striate.workflows.tune.space import Space, draw, parse

MINUTES = 30.0
SEARCH = 0.6  # share of the time for the trials; the rest is for the final training
PLAN = "tuning.json"
_TRIALS, _FEWEST, _MOST, _THIRD = 9, 3, 200, 3
_SHORTEST = 15 / 60  # minutes of a trial


class Plan(NamedTuple):
    """A search as it begins; with it the search can be resumed."""

    name: str  # of the final run
    minutes: float  # of the whole command
    settings: config.Tree  # of all trials
    changes: Sequence[config.Tree]  # of each trial
    timed: bool  # whether trials are given a time; else each is a fit on features, which takes what it takes

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The plan of a search that has begun in a folder."""
        return cls(**json.loads((folder / PLAN).read_text("utf-8")))

    def rounds(self) -> list[int]:
        """The number of trials of each round before the final training."""
        sizes = [len(self.changes)]
        while self.timed and sizes[-1] > _THIRD:
            sizes.append(ceil(sizes[-1] / _THIRD))
        return sizes

    def trial(self, number: int, size: int) -> config.Tree:
        """The settings of a trial in a round of `size` trials."""
        length = {"minutes": SEARCH * self.minutes / len(self.rounds()) / size} if self.timed else {}
        return config.merge(
            config.lay_over(self.settings, self.changes[number]), {"data": {"score_test": False}, "train": length}
        )

    def final(self, number: int, minutes: float) -> config.Tree:
        """The settings of the final training, as those of this trial."""
        length = {"minutes": minutes} if self.timed else {}
        return config.merge(config.lay_over(self.settings, self.changes[number]), {"train": length})


class Search(NamedTuple):
    """What a user asks for."""

    settings: config.Tree  # of all trials, without weights where none are wanted
    weights: str | None  # that are named, `none` for none
    space: Space  # empty for the rule's
    minutes: float
    trials: int


def search(
    out: Path, name: str | None, settings: config.Tree, minutes: float | None, trials: int | None, vary: Sequence[str]
) -> Search:
    """A search that begins in `out/name`, checked.

    Raises:
        StriateError: what is wrong with it, as far as names, places, settings and the list of images tell.

    """
    minutes = MINUTES if minutes is None else minutes
    if minutes <= 0 or (trials is not None and not 2 <= trials <= _MOST):
        raise SettingError(f"expected minutes above 0, and 2 to {_MOST} trials; got {minutes:g} and {trials}.")
    _refuse(settings)
    space = _space(vary, settings)
    check.check_start(out, name, settings)
    if name is not None and folder_of(out, name).exists():
        raise RunError(f"the search {folder_of(out, name)} exists; resume it with --resume, or give another --name.")
    files.check_new_folder(out)
    settings, named = check.named_start(settings)
    if named is None and any(path.startswith("finetune.") for path in space):
        named = start.weights_here()
    count = max(_FEWEST, min(_TRIALS, int(SEARCH / 2 * minutes / _SHORTEST))) if trials is None else trials
    wanted = Search(settings, named, space, minutes, count)
    check_trials(with_start(settings, named), draw(space, count, config.build(settings).seed))
    return wanted


def _refuse(settings: config.Tree) -> None:
    """Refuse what the search itself decides."""
    for section, names in {"train": ("epochs", "steps", "minutes"), "finetune": ("minutes", "per_class")}.items():
        if given := [name for name in names if (settings.get(section) or {}).get(name) is not None]:
            raise SettingError(f"{section}.{given[0]} does not apply to a search, which divides --minutes among its trainings.")
    if (settings.get("data") or {}).get("multi_label"):
        raise SettingError("data.multi_label does not apply to a search, whose trials are ranked by accuracy; remove it.")
    for name in ("folds", "fold", "score_test"):
        if (settings.get("data") or {}).get(name) is not None:
            raise SettingError(f"data.{name} does not apply to a search, whose trials share one validation part; remove it.")


def _space(vary: Sequence[str], settings: config.Tree) -> Space:
    space = {}
    for text in vary:
        path, values = parse(text)
        section, _, name = path.partition(".")
        if path in space or (settings.get(section) or {}).get(name) is not None:
            raise SettingError(f"{path} is given twice; leave one out.")
        space[path] = values
    return space


def with_start(settings: config.Tree, named: str | None) -> config.Tree:
    """The settings with the start that was named or chosen."""
    return settings if named in (None, start.NONE) else check.pretrained(settings, str(named))


def check_trials(settings: config.Tree, changes: Sequence[config.Tree]) -> None:
    """Refuse a search of which a trial has settings that do not exist or do not go together."""
    for change in changes:
        try:
            run = config.build(config.lay_over(settings, change))
            if run.finetune.weights is not None:
                fine_tuning.check_settings(run)
        except SettingError as error:
            raise SettingError(f"a trial with {config.describe(change)} cannot be trained: {error}") from error


def folder_of(out: Path, name: str | None) -> Path:
    """Where the trials of a search lie, beside its final run."""
    if name is None:
        raise RunError("--resume needs the search's --name.")
    return out / f"{name}-tuning"


def to_resume(
    out: Path, name: str | None, settings: config.Tree, minutes: float | None, trials: int | None, vary: Sequence[str]
) -> None:
    """Refuse to resume what has not begun, and other settings than its own."""
    folder = folder_of(out, name)
    if not (folder / PLAN).is_file():
        raise RunError(f"there is no search to resume in {folder}.")
    given = {"minutes": minutes, "trials": trials, "vary": vary, **config.merge(settings)}
    if names := [argument for argument, value in given.items() if value]:
        raise SettingError(f"a resumed search keeps its settings; leave out {', '.join(names)}.")
