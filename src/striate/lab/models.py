"""The models that pages can look at and ask: runs that are done, weights that are here, and networks of the catalogue as drawn.

A model is named `run:NAME`, `weights:NET@DATA` or `drawn:NET`; only names of the list are opened. The latest two stay loaded.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from striate.base.errors import SettingError, nearest
from striate.nets import catalogue

if TYPE_CHECKING:
    from striate.model import Model

_MOST = 2
_DRAWN = ("mnist_cnn", "lenet5")  # first in the list, since they are seen at a glance


class Choice(NamedTuple):
    """A model of the list."""

    name: str
    kind: str  # "run", "weights" or "drawn"
    label: str  # as commands take it


@dataclass(frozen=True)
class Loaded:
    """A model that is loaded, and what has been computed of it."""

    choice: Choice
    source: str  # what commands are given
    model: "Model"
    known: dict[str, Any] = field(default_factory=dict)
    lock: Any = field(default_factory=Lock)  # held while one computes, since hooks are put on its network


class Models:
    """The list, and the models that are loaded; `lock` is held while one is."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.lock = Lock()
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()

    def choices(self) -> list[Choice]:
        """All there are: runs, then weights, then networks whose weights are drawn."""
        from striate.base import run_folder
        from striate.nets import bundled_weights, published_weights

        done = [row.name for row in run_folder.list_runs(self.out) if (self.out / row.name / "model").is_dir()]
        rows = [(net, kind) for kind, nets in published_weights.WEIGHTS.items() for net in nets]
        here = [f"{net}@{kind}" for net, kind in rows if published_weights.is_here(net, kind)]
        nets = [
            entry.name for entry in catalogue.CATALOGUE if entry.kind == "classifier" and entry.learns == "back-propagation"
        ]
        nets = [*(name for name in _DRAWN if name in nets), *(name for name in nets if name not in _DRAWN)]
        return [
            *(Choice(f"run:{name}", "run", name) for name in done),
            *(Choice(f"weights:{name}", "weights", name) for name in [*bundled_weights.names(), *here]),
            *(Choice(f"drawn:{name}", "drawn", name) for name in nets),
        ]

    def load(self, name: Any) -> Loaded:
        """The model of this name, with the lock held. SettingError: it is not in the list."""
        if not isinstance(name, str):
            raise SettingError("expected a model by its name; got something else.")
        if name in self._loaded:
            self._loaded.move_to_end(name)
            return self._loaded[name]
        known = {choice.name: choice for choice in self.choices()}
        if name not in known:
            raise SettingError(f"There is no model {name[:60]!r}; {nearest(name[:60], list(known))}")
        while len(self._loaded) >= _MOST:
            self._loaded.popitem(last=False)
        choice = known[name]
        source = str(self.out / choice.label) if choice.kind == "run" else choice.label
        self._loaded[name] = Loaded(choice, source, _drawn(choice.label) if choice.kind == "drawn" else _trained(source))
        return self._loaded[name]


def _trained(source: str) -> "Model":
    from striate.workflows.load_model import load_network

    return load_network(source)


def _drawn(net: str) -> "Model":
    """A network with the weights that a training with seed 0 begins from; pixels are only brought to -1 .. 1."""
    import torch

    from striate.batches.preprocess import Preprocess
    from striate.data.decode import InputSpec
    from striate.model import Model
    from striate.nets import factory

    channels, side, classes = factory.published(net)
    half = torch.full((channels, 1, 1), 0.5)
    built = factory.build(net, (channels, side, side), classes).eval()
    names = tuple(map(str, range(classes)))
    return Model(built, net, {}, Preprocess(half, half.clone(), 0.0), InputSpec(side, channels, "crop"), names)
