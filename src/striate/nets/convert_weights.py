"""Weights of others: renamed strictly into a network of ours.

Each network gives one table of layer names (`Net.foreign_names`). Every tensor that comes must find its place and every place
its tensor; what does not fit is listed, and nothing is skipped silently.

Legend: C channels, K classes.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from striate.base.errors import WeightsError
from striate.nets import factory
from striate.nets.net import Net

_SHOWN = 6


class Fitted(NamedTuple):
    """A network with weights of others, and the names of the tensors that only training needs, which it does not have."""

    net: Net
    left_out: tuple[str, ...]


def fit(name: str, foreign: Mapping[str, Tensor], size_px: int | None = None, **settings: Any) -> Fitted:
    """The network `name` with these weights; channels and classes are those of the weights.

    Args:
        name: of the catalogue, or `timm:NAME`.
        foreign: tensors by the names of another library, or by our own.
        size_px: side of the images; else the network's published one.
        settings: of the network, as `nets.building.build` takes them.

    Raises:
        WeightsError: what has no place, what is missing and what has another shape, by name.

    """
    c, published_px, k = factory.published(name)
    side = published_px if size_px is None else size_px
    outline = factory.outline(name, (c, side, side), k, **settings)
    table = _table(outline, foreign)
    channels, classes = _channels(outline, table, foreign), _classes(outline, table, foreign)
    outline = factory.outline(name, (channels, side, side), classes, **settings)
    weights, left_out = rename(foreign, outline, name)
    return Fitted(factory.build_around(weights, name, outline.input_chw, classes, **settings), left_out)


def rename(foreign: Mapping[str, Tensor], net: Net, name: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """(weights by our names, names of tensors that only training needs); `net` may be an outline.

    A kernel that covers its whole input may come in place of a fully connected layer: it has the same numbers in the same
    order.

    Raises:
        WeightsError: see `fit`.

    """
    own = net.state_dict()
    table = _table(net, foreign)
    weights: dict[str, Tensor] = {}
    unknown, misshapen, whole, left_out = [], [], [], []
    for key, tensor in foreign.items():
        layer, _, kind = key.rpartition(".")
        target = f"{table[layer]}.{kind}" if layer in table else ""
        if target in own and target not in weights:
            wanted = own[target].shape
            if len(wanted) == 2 and tensor.dim() == 4 and tensor.shape[0] == wanted[0]:
                tensor = tensor.flatten(1)
            if tensor.shape != wanted:
                misshapen.append(f"{key} {tuple(tensor.shape)}, expected {tuple(wanted)}")
            if own[target].is_floating_point() and not tensor.is_floating_point():
                whole.append(f"{key} {str(tensor.dtype).removeprefix('torch.')}")
            weights[target] = tensor.to(own[target].dtype)
        elif target and _only_in_training(target):
            left_out.append(key)
        else:
            unknown.append(key)
    missing = [key for key in own if key not in weights and not key.endswith("num_batches_tracked")]
    for key in own.keys() - weights.keys():  # files from before torch 0.4.1 do not count batches; nothing depends on it
        weights[key] = torch.zeros(own[key].shape, dtype=own[key].dtype)
    found = {"have no place": unknown, "are missing": missing, "have another shape": misshapen, "are whole numbers": whole}
    faults = [
        f"{len(names)} {what}: {', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}"
        for what, names in found.items()
        if names
    ]
    if faults:
        raise WeightsError(f"these weights do not fit {name}: of {len(foreign)} tensors {'; '.join(faults)}. {_advice(name)}")
    return weights, tuple(left_out)


def _table(net: Net, foreign: Mapping[str, Tensor]) -> dict[str, str]:
    """Our layer names by those of the weights, which have our own or another library's: those of which more are found."""
    layers = {key.rpartition(".")[0] for key in net.state_dict()}
    found = {key.rpartition(".")[0] for key in foreign}
    table = {theirs: own for own, names in net.foreign_names().items() for theirs in names.split("|")}
    if len(found & table.keys()) > len(found & layers):
        return table
    return {layer: layer for layer in layers | set(table.values())}


def _only_in_training(target: str) -> bool:
    return target.startswith(("aux4a.", "aux4d."))


def _advice(name: str) -> str:
    return f"See what {name} has with `striate nets {name}`; the number of classes and the size of the images matter too."


def _weight_of(layer: str, table: Mapping[str, str], foreign: Mapping[str, Tensor]) -> Tensor | None:
    return next((foreign[f"{t}.weight"] for t, own in table.items() if own == layer and f"{t}.weight" in foreign), None)


def _classes(net: Net, table: Mapping[str, str], foreign: Mapping[str, Tensor]) -> int:
    weight = _weight_of(net.head_name, table, foreign)
    return net.num_classes if weight is None or weight.dim() == 0 else weight.shape[0]


def _channels(net: Net, table: Mapping[str, str], foreign: Mapping[str, Tensor]) -> int:
    first = next(iter(net.state_dict())).rpartition(".")[0]
    weight = _weight_of(first, table, foreign)
    return net.input_chw[0] if weight is None or weight.dim() != 4 else weight.shape[1]
