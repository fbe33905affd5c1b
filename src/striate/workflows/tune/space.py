"""What a search varies: the settings, the values that each may take, and those of each trial.

The values of a setting are spread over the trials as a Latin hypercube spreads them (McKay, Beckman & Conover 1979): its range
is cut into as many pieces as there are trials, each trial has one of them, and the pieces of different settings are combined
at random. The first trial changes nothing.
"""

from collections.abc import Mapping, Sequence
from math import exp, log
from typing import Any, NamedTuple

import numpy as np

from striate.base import config
from striate.base.errors import SettingError
from striate.base.hash_rng import key, permute, uniform
from striate.base.train_settings import MUON_LR
from striate.data.survey import SampleStats
from striate.workflows.finetune import start

_WIDE = 5  # the ratio of the ends of a range from which its values are spread by their logarithm


class Range(NamedTuple):
    """All numbers from `low` to `high`, whole ones where both are."""

    low: float
    high: float

    def value(self, share: float) -> float:
        """The value that lies at a share of the range, to three digits."""
        if self.low > 0 and self.high >= _WIDE * self.low:
            value = exp(log(self.low) + share * (log(self.high) - log(self.low)))
        else:
            value = self.low + share * (self.high - self.low)
        if isinstance(self.low, int) and isinstance(self.high, int):
            return round(value)
        return float(f"{value:.3g}")


class Choice(NamedTuple):
    """One of some values; None leaves the setting to the rule."""

    values: tuple[Any, ...]

    def value(self, share: float) -> Any:
        """The value that lies at a share of the list."""
        return self.values[min(len(self.values) - 1, int(share * len(self.values)))]


Space = Mapping[str, Range | Choice]


def parse(text: str) -> tuple[str, Range | Choice]:
    """A setting and its values, as the command line gives them.

    >>> parse("train.lr=0.001..0.1")
    ('train.lr', Range(low=0.001, high=0.1))
    >>> parse("preprocess.size_px=28|32")
    ('preprocess.size_px', Choice(values=(28, 32)))
    """
    path, equals, values = text.partition("=")
    expected = "expected NAME=LOW..HIGH or NAME=VALUE|VALUE, as train.lr=0.001..0.1 or preprocess.size_px=28|32"
    if not equals or not path.strip() or not values.strip():
        raise SettingError(f"{expected}; got {text!r}.")
    name = path.strip()
    if ".." in values and "|" not in values:
        low, high = (_value(name, end) for end in values.split("..", 1))
        numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
        if not numbers or low >= high:
            raise SettingError(f"{expected}: two numbers, the lower one first; got {text!r}.")
        return name, Range(low, high)
    choices = tuple(_value(name, value) for value in values.split("|"))
    if len(choices) < 2:
        raise SettingError(f"{name} has one value here, {choices[0]!r}: give it by --set {text}.")
    return name, Choice(choices)


def _value(name: str, text: str) -> Any:
    value: Any = config.setting(f"{name}={text.strip()}")
    while isinstance(value, dict):
        (value,) = value.values()
    return value


def tree(path: str, value: Any) -> config.Tree:
    """One setting as a nested tree; empty for None."""
    section, _, name = path.partition(".")
    if value is None:
        return {}
    return {section: value} if not name else {section: {name: value}}


def draw(space: Space, trials: int, seed: int) -> list[config.Tree]:
    """What each trial changes; the first changes nothing."""
    drawn, changes = trials - 1, [config.Tree() for _ in range(trials)]
    for path, values in space.items() if drawn else ():
        pieces = permute(np.arange(drawn), drawn, seed, "tune", path)
        places = uniform(np.arange(drawn, dtype=np.uint64) ^ key(seed), "tune", path)
        for trial, (piece, place) in enumerate(zip(pieces.tolist(), places.tolist(), strict=True), start=1):
            changes[trial] = config.merge(changes[trial], tree(path, values.value((piece + place) / drawn)))
    return changes


def default_space(run: config.Run, stats: SampleStats) -> dict[str, Range | Choice]:
    """What is worth varying of a training from these settings, without what the user has set.

    From pretrained weights: how the images are brought to size, and the classifier on their features. From scratch: learning
    rate, weight decay, label smoothing, random changes to the images, network and size.
    """
    space: dict[str, Range | Choice] = {}
    short = min(stats.height_px, stats.width_px)
    if (weights := run.finetune.weights) is not None:
        if weights in start.READINGS:
            space["finetune.layers"] = Choice((None, ["pool9"]))
            if short >= 0.75 * start.READINGS[weights].size_px:
                space["preprocess.size_px"] = Choice((224, 256, 288))
        space["finetune.classifier"] = Choice(("logistic", "svm"))
        space["finetune.normalize"] = Choice(("standardize", "l2"))
        if stats.aspect > 1.05:
            space["preprocess.resize_mode"] = Choice(("squash", "crop", "pad"))
    else:
        space["train.lr"] = Range(run.train.lr / 10, run.train.lr * 4)
        if run.train.optimizer == "muon-adamw":
            muon_lr = run.train.muon_lr or MUON_LR
            space["train.muon_lr"] = Range(muon_lr / 10, muon_lr * 4)
        space["train.weight_decay"] = Range(0.001, 0.1)
        if run.train.loss == "cross-entropy":
            space["train.label_smoothing"] = Choice((0.0, 0.05, 0.1))
        space["augment.policy"] = Choice((None, "trivialaugment"))
        space["net.name"] = Choice((None, "resnet20"))
        if short > start.SMALL_PX:
            space["preprocess.size_px"] = Choice((64, 96))
    given = config.given_by_user(run)
    return {path: values for path, values in space.items() if not _is_given(given, path.split("."))}


def _is_given(given: config.Tree, path: Sequence[str]) -> bool:
    section, name = path
    return name in given.get(section, {})
