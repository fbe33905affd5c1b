"""Readout points: the layer at which a layer's filters are judged, after the norm and the activation that follow it.

Legend: N images, F filters or units.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from striate.nets.blocks import ACTIVATIONS, LocalResponseNorm, Subsampling, TableConv2d, UnitBias
from striate.nets.eval_mode import evaluating
from striate.nets.net import Net

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_SHIFTS = (*_NORMS, UnitBias, nn.Flatten, nn.Dropout, nn.Dropout2d)
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, Subsampling)
_WEIGHTED = (nn.Conv2d, nn.Linear, TableConv2d)


class Probe(NamedTuple):
    """A layer with filters or units, and the place where they are judged."""

    layer: str
    norm: str | None  # the batch norm that scales what it makes; None where there is none
    readout: str  # the layer whose output is judged: the activation that follows, else the norm, else the layer itself
    zeros: bool  # that activation puts out exact zeros, as ReLU does


def probes(net: Net) -> list[Probe]:
    """Every layer with filters or units, in the order in which an image meets them, the head left out."""
    modules = dict(net.named_modules())
    follows = _followers(net, modules)
    points = []
    for name in follows.order:
        if not isinstance(modules[name], _WEIGHTED) or name == net.head_name:
            continue
        current, norm = name, None
        while (after := follows.after.get(current)) is not None:
            module = modules[after]
            if isinstance(module, _NORMS) and norm is None:
                norm = after
            elif not isinstance(module, (*_SHIFTS, *_activations())) or _mixes(modules[name], module):
                break
            current = after
            if isinstance(module, _activations()):
                break
        zeros = isinstance(modules[current], nn.ReLU | nn.ReLU6)
        points.append(Probe(name, norm, current, zeros))
    return points


def _mixes(layer: nn.Module, after: object) -> bool:
    """Whether the places of a filter's map become units, which are not the filters that are judged."""
    return isinstance(after, nn.Flatten) and not isinstance(layer, nn.Linear)


def pool_after(net: Net, layer: str) -> str | None:
    """The pool that takes what a layer makes, norms and activations between them or not; None where there is none."""
    modules = dict(net.named_modules())
    follows, current = _followers(net, modules), layer
    while (after := follows.after.get(current)) is not None:
        if isinstance(modules[after], _POOLS):
            return after
        if not isinstance(modules[after], (*_SHIFTS, *_activations(), LocalResponseNorm)):
            return None
        current = after
    return None


class _Followers(NamedTuple):
    """Leaves in the order of a forward pass, and for each the only one that took its output as it is."""

    order: list[str]
    after: dict[str, str]


def _followers(net: Net, modules: dict[str, nn.Module]) -> _Followers:
    order: list[str] = []
    producers: dict[int, str] = {}
    after: dict[str, str] = {}
    alive: list[Tensor] = []  # so that no tensor's place is given to another during the pass

    def note(name: str, _module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        if not isinstance(output, Tensor) or not args or not isinstance(args[0], Tensor):
            return
        order.append(name)
        if id(args[0]) in producers:
            before = producers[id(args[0])]
            after[before] = "" if before in after else name  # two that take it: it branches
        producers[id(output)] = name
        alive.extend((args[0], output))

    like = next(net.parameters(), torch.empty(0))
    with ExitStack() as hooks, torch.inference_mode(), evaluating(net):
        for name, module in modules.items():
            if name and not list(module.children()):
                hooks.callback(module.register_forward_hook(partial(note, name)).remove)
        net(torch.zeros(1, *net.input_chw, device=like.device, dtype=like.dtype))
    return _Followers(list(dict.fromkeys(order)), {name: taker for name, taker in after.items() if taker})


def _activations() -> tuple[type[nn.Module], ...]:
    return tuple(type(make()) for make in ACTIVATIONS.values())


@contextmanager
def watched(net: nn.Module, names: list[str], record: Any) -> Iterator[None]:
    """Call `record(name, output)` for what named layers put out in the forward passes of the block."""
    modules = dict(net.named_modules())
    with ExitStack() as hooks:
        for name in names:
            hook = modules[name].register_forward_hook(lambda _module, _given, output, name=name: record(name, output))
            hooks.callback(hook.remove)
        yield
