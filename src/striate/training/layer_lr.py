"""Learning rates by layer: a multiplier for each, by name and by depth.

A new head on a trained body learns ten times as fast as the body (Girshick et al. 2014, section 2.3); layers near the image,
which hold what all images share, change least where the rate falls with depth (Howard & Ruder 2018, section 3.2).
"""

from collections.abc import Iterable, Mapping
from itertools import groupby

from torch import nn

from striate.base.config import Train
from striate.base.errors import SettingError
from striate.nets.net import Net
from striate.nets.summary import layer_table

_SHOWN = 24


def factors(net: nn.Module, settings: Train) -> dict[str, float]:
    """What the learning rate of each parameter is multiplied with, by its name; empty where all have the full rate.

    `layer_decay` gives the last layer with weights the full rate and each one before it that of the next times the decay, in
    the order in which an image meets them. A norm, or what else has no weights but parameters, goes with the weights before it;
    auxiliary heads, which are absent at inference, have the full rate. `lr_multipliers` gives a layer, with all that lies in
    it, or one parameter, as `conv1.weight`, a factor on top; of two names that hold a parameter the longer counts.
    `bias_multiplier` is one more factor of each bias.
    """
    if not settings.lr_multipliers and settings.layer_decay in (None, 1.0) and settings.bias_multiplier in (None, 1.0):
        return {}
    own = layers(net)
    by_name = settings.lr_multipliers or {}
    for name in by_name:
        if not any(_is_within(parameter, name) for parameters in own.values() for parameter in parameters):
            raise SettingError(f"train.lr_multipliers: there is no layer {name!r} with weights; there are: {_names(own)}.")
    by_depth = _by_depth(net, own, settings.layer_decay or 1.0)
    multipliers: dict[str, float] = {}
    for layer in own:
        for parameter in own[layer]:
            holding = max((name for name in by_name if _is_within(parameter, name)), key=len, default=None)
            factor = by_depth[layer] * (1.0 if holding is None else by_name[holding])
            multipliers[parameter] = factor * (settings.bias_multiplier or 1.0 if parameter.endswith("bias") else 1.0)
    if not any(multipliers.values()):
        raise SettingError(
            f"train.lr_multipliers: expected a layer that learns; got a factor of 0 for all: {', '.join(by_name)}."
        )
    return multipliers if any(factor != 1.0 for factor in multipliers.values()) else {}


def layers(net: nn.Module) -> dict[str, tuple[str, ...]]:
    """The layers that have parameters themselves, each with the names of those, in the order in which they were made."""
    named = [name for name, parameter in net.named_parameters() if parameter.requires_grad]
    return {layer: tuple(names) for layer, names in groupby(named, key=lambda name: name.rpartition(".")[0])}


def freeze(net: nn.Module, multipliers: Mapping[str, float]) -> None:
    """Let nothing reach the parameters whose factor is 0: no gradient, no decay, no bound."""
    for name, parameter in net.named_parameters():
        if multipliers.get(name) == 0.0:
            parameter.requires_grad_(False)


def describe(multipliers: Mapping[str, float]) -> str:
    """The factors by layer, as people read them.

    >>> describe({"conv1.weight": 0.0, "conv1.bias": 0.0, "fc.weight": 10.0})
    'conv1 frozen, fc x 10'
    >>> describe({"conv1.weight": 0.0, "conv1.bias": 64.0})
    'conv1.weight frozen, conv1.bias x 64'
    """
    by_name: dict[str, float] = {}
    for layer, names in groupby(multipliers, key=lambda name: name.rpartition(".")[0]):
        of_layer = {name: multipliers[name] for name in names}
        alike = len({*of_layer.values()}) == 1
        by_name |= {layer: next(iter(of_layer.values()))} if alike else of_layer
    parts = [f"{name} x {factor:.3g}" if factor else f"{name} frozen" for name, factor in by_name.items()]
    if len(parts) > _SHOWN:
        parts[_SHOWN // 2 : -_SHOWN // 2] = [f"{len(parts) - _SHOWN} more"]
    return ", ".join(parts)


def _by_depth(net: nn.Module, own: Mapping[str, tuple[str, ...]], decay: float) -> dict[str, float]:
    if decay == 1.0:
        return dict.fromkeys(own, 1.0)
    places = depths(net)
    last = max(places.values(), default=0)
    return {layer: decay ** (last - places[layer]) if layer in places else 1.0 for layer in own}


def depths(net: nn.Module) -> dict[str, int]:
    """How many layers with weights (at least 1) an image meets up to and with each that learns; auxiliary heads are absent."""
    assert isinstance(net, Net)
    own = layers(net)
    weighted = {name.rpartition(".")[0] for name, parameter in net.named_parameters() if parameter.dim() > 1}
    place, places = 0, {}
    for row in layer_table(net):
        if row.name in own and row.name not in places:
            place += row.name in weighted
            places[row.name] = max(place, 1)
    return places


def _is_within(layer: str, name: str) -> bool:
    return layer == name or layer.startswith(f"{name}.")


def _names(own: Iterable[str]) -> str:
    """The names of the layers; of a deep network those of the blocks that hold them."""
    names = list(own)
    for depth in range(max(name.count(".") for name in names) + 1, 0, -1):
        names = list(dict.fromkeys(".".join(name.split(".")[:depth]) for name in names))
        if len(names) <= _SHOWN:
            break
    return ", ".join(names)
