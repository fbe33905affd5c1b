"""The feature layer: which layer's output the classifier of a network gets, and heads that stand on it.

Several layers may be joined by +, as conv3+conv5: the mean of each map of each of them, side by side.

Legend: N images, C channels, H x W positions, D features, K classes.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.base.errors import SettingError, UnsupportedError
from striate.nets.catalogue import HEAD_SETTINGS
from striate.nets.eval_mode import evaluating
from striate.nets.hooks import inputs, taps
from striate.nets.knn_head import KNNHead
from striate.nets.net import Net
from striate.nets.shape_rules import ByRule

MOST_FEATURES = 16_384  # larger maps are averaged over their positions


class UnitLinear(nn.Linear):
    """A fully connected layer that divides each row of features by its length first (Razavian et al. 2014, section 2)."""

    def forward(self, features_ND: Tensor) -> Tensor:
        """Logits, N x K."""
        return functional.linear(functional.normalize(features_ND, dim=1, eps=1e-12), self.weight, self.bias)


class FeatureHeadNet(Net):
    """A body with a classifier on one of its layers or several; those after them still run, and their output is not used.

    The body loses its head; `head_settings` are those of `HEAD_SETTINGS`, as `with_head` takes them.
    """

    head_name = "classifier"

    def __init__(self, body: Net, feature_layer: str, num_classes: int, **head_settings: Any) -> None:
        super().__init__(body.input_chw)
        check_feature_layer(body, feature_layer)
        body.set_head(nn.Identity())
        self.body, self.feature_layer = body, feature_layer
        layers = feature_layer.split("+")
        last = max((body.taps.index(layer) for layer in layers if layer in body.taps), default=-1)
        used = (*body.taps[: last + 1], *(layer for layer in layers if layer not in body.taps))
        self.taps = (*(f"body.{tap}" for tap in used), "classifier")
        self.classifier = _new_head(_width(body, feature_layer), num_classes, **head_settings)

    def drop_auxiliary(self) -> None:
        """Leave out what only training needs."""
        self.body.drop_auxiliary()

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        with taps(self.body, *self.feature_layer.split("+")) as outputs:
            self.body(images_NCHW)
        logits_NK: Tensor = self.classifier(_read(outputs, self.feature_layer))
        return logits_NK


def with_head(
    net: Net, num_classes: int, feature_layer: str | None = None, unit_features: bool = False, knn_memory: int | None = None,
    knn_k: int | None = None,
) -> Net:  # fmt: skip
    """The network, changed in place, with a fresh classifier for K classes; every other layer stays the same object.

    The body of a `FeatureHeadNet` gets the new head instead of being wrapped twice. The classifier gets the output of the
    feature layer, None for the input of the head, divided by its length where `unit_features`. With `knn_memory` stored images,
    of which `knn_k` vote, it is a k-nearest-neighbors head; else fully connected. SettingError where there is no such layer,
    UnsupportedError where the head is not a fully connected layer.
    """
    head_settings: dict[str, Any] = {"unit_features": unit_features, "knn_memory": knn_memory, "knn_k": knn_k}
    if feature_layer is not None:
        check_feature_layer(net, feature_layer)
        return FeatureHeadNet(body_of(net), _name_in_body(net, feature_layer), num_classes, **head_settings)
    old = check_head(net)
    like = old.weight if isinstance(old, nn.Linear) else old.bank_MD
    net.set_head(_new_head(old.in_features, num_classes, **head_settings).to(like.device, like.dtype))
    return net


def check_head(net: Net) -> nn.Linear | KNNHead:
    """The head, if another can replace it; UnsupportedError where it is not a fully connected layer."""
    head = net.head
    if not isinstance(head, nn.Linear | KNNHead):
        raise UnsupportedError(
            f"expected a fully connected head to replace; the head of {type(net).__name__}, {net.head_name}, is a "
            f"{type(head).__name__}. Take an earlier layer as the feature layer: {', '.join(net.taps[:-1])}."
        )
    return head


def body_of(net: Net) -> Net:
    """The body of a `FeatureHeadNet`; any other network itself."""
    return net.body if isinstance(net, FeatureHeadNet) else net


def within(net: Net, layer: str | None) -> str | None:
    """A layer's name in the pretrained network, which may wrap the one that has it."""
    return layer if layer is None or body_of(net) is net else "+".join(f"body.{part}" for part in layer.split("+"))


def settings_with(net: Net, settings: Mapping[str, Any], feature_layer: str | None = None, **head: Any) -> dict[str, Any]:
    """The settings with which `factory.build` makes what `with_head` makes of this network, which was built with these."""
    body_settings = {name: value for name, value in settings.items() if name not in HEAD_SETTINGS}
    if feature_layer is not None:
        body_settings["feature_layer"] = _name_in_body(net, feature_layer)
    return body_settings | {name: value for name, value in head.items() if value}


def check_feature_layer(net: Net, name: str) -> None:
    """Refuse a name, or one of several joined by +, that is no layer before the head: SettingError, with the taps before it."""
    not_before = ("", net.head_name, "body" if isinstance(net, FeatureHeadNet) else "")
    modules, layers = dict(net.named_modules()), name.split("+")
    for layer in layers:
        if layer in not_before or layer not in modules:
            before = [tap for tap in net.taps if tap != net.head_name]
            raise SettingError(
                f"{type(net).__name__} has no layer {layer!r} before its head; expected one of {', '.join(before)}."
            )
    if len({*layers}) < len(layers):
        raise SettingError(f"expected each layer once; got {name!r}.")


def features(net: Net, images_NCHW: Tensor, layers: Sequence[str | None] = (None,)) -> list[Tensor]:
    """The features N x D of several layers by one forward pass; None is the input of the head."""
    names = {part: None for name in layers if name is not None for part in name.split("+")}
    with taps(net, *names) as outputs, inputs(net, net.head_name) as head_inputs:
        net(images_NCHW)
    return [flatten_features(head_inputs[net.head_name]) if name is None else _read(outputs, name) for name in layers]


def _read(outputs: Mapping[str, Tensor], feature_layer: str) -> Tensor:
    """N x D of a feature layer; of several layers the mean of each map, side by side."""
    layers = feature_layer.split("+")
    if len(layers) == 1:
        return flatten_features(outputs[feature_layer])
    means = (outputs[layer].mean(dim=(2, 3)) if outputs[layer].dim() == 4 else outputs[layer].flatten(1) for layer in layers)
    return torch.cat([*means], dim=1)


def flatten_features(values: Tensor) -> Tensor:
    """N x D of N x C x H x W or N x D: all values, or above 16,384 of them the mean of each map."""
    if values.dim() == 4 and values[0].numel() > MOST_FEATURES:
        return values.mean(dim=(2, 3))
    return values.flatten(1)


def _new_head(
    width: int, num_classes: int, unit_features: bool = False, knn_memory: int | None = None, knn_k: int | None = None
) -> nn.Linear | KNNHead:
    if knn_memory is not None and knn_k is not None:
        return KNNHead(width, num_classes, knn_memory, knn_k, unit_features)
    return (UnitLinear if unit_features else nn.Linear)(width, num_classes)


def _name_in_body(net: Net, layer: str) -> str:
    """A layer, or several joined by +, by their names in the body."""
    own = (part.removeprefix("body.") if isinstance(net, FeatureHeadNet) else part for part in layer.split("+"))
    return "+".join(own)


def _width(body: Net, feature_layer: str) -> int:
    """D, from a forward pass of one black image."""
    like = next(chain(body.parameters(), body.buffers()), torch.empty(0))
    with torch.inference_mode(), evaluating(body), ByRule() if like.is_meta else nullcontext():
        blank_1CHW = torch.zeros(1, *body.input_chw, device=like.device, dtype=like.dtype)
        return features(body, blank_1CHW, [feature_layer])[0].shape[1]
