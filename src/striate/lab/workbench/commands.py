"""Commands that a page asks for, from what is typed into its forms."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

from striate.base import config, run_folder
from striate.base.errors import SettingError
from striate.base.train_settings import STRATEGY
from striate.data import sources
from striate.lab.workbench import places
from striate.workflows.finetune import check as fine_tuning
from striate.workflows.train import check

Command = Literal["train", "finetune"]
_FLAGS: Mapping[Command, Mapping[str, str]] = MappingProxyType({  # settings that have a flag of their own
    "train": {
        "net.name": "--net", "finetune.weights": "--weights", "recipe": "--recipe", "train.epochs": "--epochs",
        "train.minutes": "--minutes", "data.folds": "--folds", "seed": "--seed", "data.data_dir": "--data-dir",
        "preprocess.pixel_cache_gb": "--pixel-cache-gb",
    },
    "finetune": {
        "finetune.weights": "--from", "finetune.strategies": "--strategy", "finetune.classifier": "--classifier",
        "finetune.minutes": "--minutes", "data.folds": "--folds", "seed": "--seed", "data.data_dir": "--data-dir",
    },
})  # fmt: skip
_TEXTS = ("net.name", "finetune.weights", "recipe", "data.data_dir")  # never taken for a number
_MOST_LETTERS = 2000


class Wish(NamedTuple):
    """A training as a page asks for it: data and settings, each with the text that was typed, and the command for it."""

    data: str
    settings: dict[str, str]
    command: Command = "train"

    @property
    def tree(self) -> config.Tree:
        """As a tree of settings, those of the recipe below."""
        tree = config.join({"data": {"path": self.data}}, *(config.setting(f"{name}={text}") for name, text in _typed(self)))
        if self.command == "finetune":
            return {**tree, "finetune": tree.get("finetune") or {}}
        recipe = tree.pop("recipe", None)
        return tree if recipe is None else config.lay_over(config.recipe(recipe), tree)


def _typed(wish: Wish) -> Iterator[tuple[str, str]]:
    """Settings with a text that is read as the flag of the same name reads it."""
    for name, text in wish.settings.items():
        if wish.command == "finetune" and name == "finetune.strategies":
            names = get_args(STRATEGY) if text == "all" else [part.strip() for part in text.split(",")]
            yield name, json.dumps(names)
        else:
            yield name, json.dumps(text, ensure_ascii=False) if name in _TEXTS else text


def wish(root: Path, out: Path, given: Mapping[str, Any]) -> Wish:
    """What a request asks for, `{"data": ..., "settings": {"train.lr": "0.1"}, "command": "train"}`.

    SettingError: why it is refused.
    """
    command = given.get("command") or "train"
    if command not in get_args(Command):
        raise SettingError(f"expected command {' or '.join(get_args(Command))}; got {str(command)[:40]!r}.")
    settings = given.get("settings") or {}
    if not isinstance(settings, dict) or not all(isinstance(text, str) for text in settings.values()):
        raise SettingError('expected settings as texts by name, as {"train.lr": "0.1"}; got something else.')
    if any(len(text) > _MOST_LETTERS or "\x00" in text for text in settings.values()):
        raise SettingError(f"expected settings of at most {_MOST_LETTERS:,} letters; got more.")
    typed = {name: text.strip() for name, text in settings.items() if text.strip()}
    asking = Wish(places.data(root, given.get("data")), typed, "finetune" if command == "finetune" else "train")
    if (recipe := typed.get("recipe", "")).endswith(".toml"):
        places.check_source(root, out, recipe)
    places.check(root, out, asking.tree)
    return asking


def training(out: Path, asking: Wish, name: str, report: bool = True) -> tuple[str, ...]:
    """The arguments of `striate` for this training."""
    flags, arguments = _FLAGS[asking.command], [asking.command, asking.data, "--name", name, "--out", os.fspath(out)]
    for setting, text in asking.settings.items():
        if setting not in flags:
            arguments += ["--set", f"{setting}={text}"]
        else:  # what begins with a dash would be taken for another flag
            arguments += [f"{flags[setting]}={text}"] if text.startswith("-") else [flags[setting], text]
    return (*arguments, *(() if report else ("--no-report",)), "--json")


def check_training(out: Path, asking: Wish, name: str) -> None:
    """Refuse what the command would refuse, as far as names, places, settings and the list of images tell."""
    if name.startswith("-"):
        raise SettingError(f"expected a run's name that does not begin with a dash; got {name!r}.")
    with sources.listing():
        begin: Callable[[Path, str, config.Tree], object] = (
            fine_tuning.check if asking.command == "finetune" else check.check_start
        )
        begin(out, name, asking.tree)


def fresh_name(out: Path, data: str, net: str, taken: frozenset[str]) -> str:
    """A readable name that no run and no command of the queue has."""
    first = run_folder.fresh_name(out, data, net)
    if first not in taken:
        return first
    stem, _, number = first.rpartition("-")
    numbers = range(int(number), int(number) + len(taken) + 2)
    return next(name for name in (f"{stem}-{n}" for n in numbers) if name not in taken and not (out / name).exists())
