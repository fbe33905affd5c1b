"""External weights: tensors of another library, renamed strictly into a network of the package.

Each network has one table of layer names (`Net.external_names`). Every tensor must find its place and every place its tensor;
what does not fit is listed, and nothing is skipped silently.

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


class LoadedNet(NamedTuple):
    """A network with external weights, and the names of the tensors left out because only training needs them."""

    net: Net
    left_out: tuple[str, ...]


def load_state(name: str, external: Mapping[str, Tensor], size_px: int | None = None, **settings: Any) -> LoadedNet:
    """The network `name`, of the catalogue or `timm:NAME`, with these weights; channels and classes are those of the weights.

    The tensors have the names of another library or of the package; `size_px` is the side of the images, None for the published
    one; `settings` are those of `factory.build`. WeightsError names tensors without a place, missing or of another shape.
    """
    c, published_px, k = factory.published(name)
    side = published_px if size_px is None else size_px
    outline = factory.outline(name, (c, side, side), k, **settings)
    table = _table(outline, external)
    head = _weight_of(outline.head_name, table, external)
    classes = k if head is None or head.dim() == 0 else head.shape[0]
    first = _weight_of(next(iter(outline.state_dict())).rpartition(".")[0], table, external)
    channels = c if first is None or first.dim() != 4 else first.shape[1]
    outline = factory.outline(name, (channels, side, side), classes, **settings)
    weights, left_out = rename(external, outline, name)
    refuse_not_finite(weights, f"the weights of {name}")
    return LoadedNet(factory.build_around(weights, name, outline.input_chw, classes, **settings), left_out)


def refuse_not_finite(weights: Mapping[str, Tensor], what: str) -> None:
    """WeightsError where a tensor holds NaN or infinity, naming the first."""
    for name, tensor in weights.items():
        if tensor.is_floating_point() and (bad := int((~tensor.isfinite()).sum())):
            raise WeightsError(
                f"expected finite numbers in {what}; {name} holds NaN or infinity in {bad:,} of {tensor.numel():,}. The "
                "training that they come from has failed, or the file is damaged: use another."
            )


def rename(external: Mapping[str, Tensor], net: Net, name: str) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """(weights by our names, names of tensors that only training needs); `net` may be an outline. Raises as `load_state` does.

    A kernel that covers its whole input may stand for a fully connected layer: it has the same values in the same order.
    """
    own = net.state_dict()
    table = _table(net, external)
    weights: dict[str, Tensor] = {}
    unknown, misshapen, integers, left_out = [], [], [], []
    for key, tensor in external.items():
        layer, _, kind = key.rpartition(".")
        target = f"{table[layer]}.{kind}" if layer in table else ""
        if target in own and target not in weights:
            shape = own[target].shape
            if len(shape) == 2 and tensor.dim() == 4 and tensor.shape[0] == shape[0]:
                tensor = tensor.flatten(1)
            if tensor.shape != shape:
                misshapen.append(f"{key} {tuple(tensor.shape)}, expected {tuple(shape)}")
            if own[target].is_floating_point() and not tensor.is_floating_point():
                integers.append(f"{key} {str(tensor.dtype).removeprefix('torch.')}")
            weights[target] = tensor.to(own[target].dtype)
        elif target.startswith(("aux4a.", "aux4d.")):  # heads that only training needs
            left_out.append(key)
        else:
            unknown.append(key)
    missing = [key for key in own if key not in weights and not key.endswith("num_batches_tracked")]
    for key in own.keys() - weights.keys():  # files from before torch 0.4.1 do not count batches; nothing depends on it
        weights[key] = torch.zeros(own[key].shape, dtype=own[key].dtype)
    faults = {"have no place": unknown, "are missing": missing, "have another shape": misshapen, "are whole numbers": integers}
    parts = [
        f"{len(names)} {fault}: {', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}"
        for fault, names in faults.items()
        if names
    ]
    if parts:
        raise WeightsError(
            f"these weights do not fit {name}: of {len(external)} tensors {'; '.join(parts)}. See what {name} has with "
            f"`striate nets {name}`; the number of classes and the size of the images matter too."
        )
    return weights, tuple(left_out)


def _table(net: Net, external: Mapping[str, Tensor]) -> dict[str, str]:
    """Our layer names by those of the weights, which are our own or another library's, whichever match more layers."""
    layers = {key.rpartition(".")[0] for key in net.state_dict()}
    external_layers = {key.rpartition(".")[0] for key in external}
    table = {other: own for own, names in net.external_names().items() for other in names.split("|")}
    if len(external_layers & table.keys()) > len(external_layers & layers):
        return table
    return {layer: layer for layer in layers | set(table.values())}


def _weight_of(layer: str, table: Mapping[str, str], external: Mapping[str, Tensor]) -> Tensor | None:
    return next((external[f"{t}.weight"] for t, own in table.items() if own == layer and f"{t}.weight" in external), None)
