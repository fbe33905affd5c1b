"""What a classifier reads: the input of a network's head, or what an earlier layer puts out.

Legend: N images, C channels, H x W places, D features, K classes.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.base.errors import SettingError, UnsupportedError
from striate.nets.hooks import inputs, taps
from striate.nets.knn_head import Neighbors
from striate.nets.net import Net

MOST_FEATURES = 16_384  # of maps with more the mean over their places is read


class UnitLinear(nn.Linear):
    """A fully connected layer that divides each row of features by its length first (Razavian et al. 2014, section 2)."""

    def forward(self, features_ND: Tensor) -> Tensor:
        """Logits, N x K."""
        return functional.linear(functional.normalize(features_ND, dim=1, eps=1e-12), self.weight, self.bias)


class Reading(Net):
    """A body whose classes are read off one of its layers; what follows that layer is computed, and not used.

    Args:
        body: a network, which loses its head.
        at: the layer, by its name: a tap.
        num_classes: K.
        how: of the classifier, as `with_head` takes it.

    Raises:
        SettingError: the body has no such layer before its head; the list of its taps is shown.

    """

    head_name = "classifier"

    def __init__(self, body: Net, at: str, num_classes: int, **how: Any) -> None:
        super().__init__(body.input_chw)
        check(body, at)
        parent, _, name = body.head_name.rpartition(".")
        setattr(body.get_submodule(parent), name, nn.Identity())
        self.body, self.at = body, at
        before = body.taps[: body.taps.index(at) + 1] if at in body.taps else (at,)
        self.taps = (*(f"body.{tap}" for tap in before), "classifier")
        self.classifier = _head(_width(body, at), num_classes, **how)

    def drop_auxiliary(self) -> None:
        """Leave out what only training needs."""
        self.body.drop_auxiliary()

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        with taps(self.body, self.at) as seen:
            self.body(images_NCHW)
        logits_NK: Tensor = self.classifier(flat(seen[self.at]))
        return logits_NK


def with_head(
    net: Net,
    num_classes: int,
    read: str | None = None,
    unit_features: bool = False,
    knn_memory: int | None = None,
    knn_k: int | None = None,
) -> Net:
    """The network with a fresh classifier; all else is kept, and is the same object.

    A network that is read off one of its layers already (`Reading`) is read off another instead, once.

    Args:
        net: changed in place.
        num_classes: K.
        read: a layer to read off; None for the input of the head.
        unit_features: the features of an image are divided by their length.
        knn_memory: images that a classifier by nearest neighbors keeps; None for a fully connected layer.
        knn_k: how many of these it asks.

    Raises:
        SettingError: there is no such layer.
        UnsupportedError: the head is no fully connected layer.

    """
    how: dict[str, Any] = {"unit_features": unit_features, "knn_memory": knn_memory, "knn_k": knn_k}
    if read is not None:
        check(net, read)
        return Reading(net.body if isinstance(net, Reading) else net, _within(net, read), num_classes, **how)
    old = check_head(net)
    like = old.weight if isinstance(old, nn.Linear) else old.bank_MD
    parent, _, name = net.head_name.rpartition(".")
    setattr(net.get_submodule(parent), name, _head(old.in_features, num_classes, **how).to(like.device, like.dtype))
    return net


def check_head(net: Net) -> nn.Linear | Neighbors:
    """The head, where another can take its place.

    Raises:
        UnsupportedError: it is no fully connected layer.

    """
    head = net.head
    if not isinstance(head, nn.Linear | Neighbors):
        raise UnsupportedError(
            f"the head of {type(net).__name__}, {net.head_name}, is {type(head).__name__} and no fully connected layer, so no "
            f"other can take its place. Read an earlier layer: {', '.join(net.taps[:-1])}."
        )
    return head


def inner(net: Net) -> Net:
    """The network whose layers have their own names: the body of one that reads off a layer, else the network itself."""
    return net.body if isinstance(net, Reading) else net


def settings_with(net: Net, settings: Mapping[str, Any], read: str | None = None, **how: Any) -> dict[str, Any]:
    """The settings that `nets.building.build` makes such a network of as `with_head` makes of this one.

    Args:
        net: before it is given its new head.
        settings: that it was built with; what they say of its old head is left out.
        read: as for `with_head`.
        how: the others that `with_head` is given.

    """
    kept = {name: value for name, value in settings.items() if name not in ("unit_features", "knn_memory", "knn_k")}
    kept |= {} if read is None else {"feature_layer": _within(net, read)}
    return kept | {name: value for name, value in how.items() if value}


def check(net: Net, at: str) -> None:
    """Refuse what is no layer before the head.

    Raises:
        SettingError: with the layers that there are.

    """
    if at in ("", net.head_name, "body" if isinstance(net, Reading) else "") or at not in dict(net.named_modules()):
        before = [tap for tap in net.taps if tap != net.head_name]
        raise SettingError(f"{type(net).__name__} has no layer {at!r} before its head; expected one of {', '.join(before)}.")


def features(net: Net, images_NCHW: Tensor, reads: Sequence[str | None] = (None,)) -> list[Tensor]:
    """What a classifier gets, N x D, by one forward pass: what each layer puts out; None is the input of the head."""
    with taps(net, *(read for read in reads if read is not None)) as seen, inputs(net, net.head_name) as given:
        net(images_NCHW)
    return [flat(given[net.head_name] if read is None else seen[read]) for read in reads]


def flat(values: Tensor) -> Tensor:
    """N x D of N x C x H x W or N x D: all numbers, or of more than 16,384 the mean over the places."""
    if values.dim() == 4 and values[0].numel() > MOST_FEATURES:
        return values.mean(dim=(2, 3))
    return values.flatten(1)


def _head(
    width: int, num_classes: int, unit_features: bool = False, knn_memory: int | None = None, knn_k: int | None = None
) -> nn.Linear | Neighbors:
    if knn_memory is not None and knn_k is not None:
        return Neighbors(width, num_classes, knn_memory, knn_k, unit_features)
    return (UnitLinear if unit_features else nn.Linear)(width, num_classes)


def _within(net: Net, read: str) -> str:
    """The name that a layer of the whole has in the body that is read off."""
    return read.removeprefix("body.") if isinstance(net, Reading) else read


def _width(body: Net, at: str) -> int:
    """D, of one black image; the body's mode is put back."""
    first, was_training = next(chain(body.parameters(), body.buffers()), torch.empty(0)), body.training
    try:
        with torch.inference_mode():
            blank_1CHW = torch.zeros(1, *body.input_chw, device=first.device, dtype=first.dtype)
            return features(body.eval(), blank_1CHW, [at])[0].shape[1]
    finally:
        body.train(was_training)
