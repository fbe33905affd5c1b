"""Builds a network from a name: of the catalogue, a line of layers, a class in a file of one's own, or one of timm's."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from striate.base.errors import SettingError
from striate.base.hash_rng import seed_of
from striate.nets import catalogue, own_network
from striate.nets.feature_layer import with_head
from striate.nets.init import initialize
from striate.nets.net import CHW, Net
from striate.nets.torch_seed import seed_torch

SETTINGS = ("dropout", "activation", "pooling", "shortcut", "v1", "output", "views", "aux")
_INIT_SETTINGS = {"init_bias": "bias", "sparse_inputs": "sparse_inputs"}


def settings_of(name: str) -> tuple[str, ...]:
    """The settings of section [net] that this network has, besides name and initialization."""
    if catalogue.is_own(name):
        known = inspect.signature(own_network.load_class(name)).parameters
        return tuple(setting for setting in SETTINGS if setting in known)
    return catalogue.settings_of(name)


def published(name: str) -> tuple[int, int, int]:
    """(channels, side in pixels, classes) that a network was published for; gray 28 px and 10 for one of one's own.

    A line that ends in `fc 7` has 7 classes.
    """
    if catalogue.is_line(name):
        last = name.rpartition(",")[2].split()
        return 1, 28, int(last[1]) if len(last) == 2 and last[1].isdigit() else 10
    if catalogue.is_own(name):
        return 1, 28, 10
    if catalogue.is_timm(name):
        from striate.nets.architectures.timm_net import published as published_by_timm

        return published_by_timm(name)
    historical = catalogue.gradient_free(name)
    if historical is not None and historical.input_chw is not None:
        return historical.input_chw[0], historical.input_chw[1], 10
    entry = catalogue.find(name)
    return entry.input_chw[0], entry.input_chw[1], entry.classes


def build(name: str, input_chw: CHW, num_classes: int, *, init: str = "paper", seed: int = 0, **settings: Any) -> Net:
    """A network with its initial weights, which depend on `seed` alone.

    Args:
        name: of the catalogue; a line of layers; `file.py:Class`; or `timm:NAME`.
        input_chw: channels, height and width of the images.
        num_classes: K.
        init: a scheme of `nets.init`.
        seed: of the random weights.
        settings: `init_bias` and `sparse_inputs` as `nets.init.initialize` takes them; `feature_layer`, `unit_features`,
            `knn_memory` and `knn_k` as `nets.feature_layer.with_head` takes them; of `SETTINGS` those that the network has.

    Raises:
        SettingError, ShapeError: an unknown name, or a setting that this network does not have; an input that cannot work.

    """
    init_settings = {own: settings.pop(given) for given, own in _INIT_SETTINGS.items() if given in settings}
    head_settings = {key: settings.pop(key) for key in ("feature_layer", *catalogue.HEAD_SETTINGS) if key in settings}
    catalogue.check_settings(name, settings, settings_of(name))
    if num_classes < 1:
        raise SettingError(f"{name} needs at least 1 class; got {num_classes}.")
    with torch.random.fork_rng(devices=[]):
        seed_torch(seed_of(seed, "init"))
        net = _construct(name, input_chw, num_classes, settings)
        if any(value not in (None, False) for value in head_settings.values()):
            net = with_head(net, num_classes, **head_settings)
        if catalogue.gradient_free(name) is None:  # what learns without gradients draws nothing
            initialize(net, init, **init_settings)
    return net


def _construct(name: str, input_chw: CHW, num_classes: int, settings: dict[str, Any]) -> Net:
    if catalogue.is_own(name):
        return own_network.build(name, input_chw, num_classes, settings)
    if catalogue.is_line(name):
        from striate.nets.layer_line import LineNet

        return LineNet(name, input_chw, num_classes)
    if catalogue.is_timm(name):
        from striate.nets.architectures.timm_net import TimmNet

        return TimmNet(name, input_chw, num_classes, **settings)
    return catalogue.builder(name)(input_chw, num_classes=num_classes, **settings)


def outline(name: str, input_chw: CHW, num_classes: int, **settings: Any) -> Net:
    """The network on the meta device: shapes without values, which cost neither memory nor time."""
    with torch.device("meta"):
        return build(name, input_chw, num_classes, init="torch", **settings)


def build_around(
    weights: Mapping[str, Tensor], name: str, input_chw: CHW, num_classes: int, copy: bool = True, **settings: Any
) -> Net:
    """A network with copies of these weights, or with these themselves; nothing is drawn for a network of the package."""
    if catalogue.is_own(name) or catalogue.is_timm(name) or catalogue.gradient_free(name) is not None:
        # Tensors of these may live outside of their state
        net = build(name, input_chw, num_classes, init="torch", **settings)
        net.load_state_dict(weights)
        return net
    net = outline(name, input_chw, num_classes, **settings)
    # Tensors read from a file may lie at any byte, where some kernels round otherwise than in training
    net.load_state_dict({name: tensor.clone() for name, tensor in weights.items()} if copy else weights, assign=True)
    return net
