"""Any convolutional network of timm under the same contract: `timm:NAME`. Needs the extra `[zoo]`.

Taps are the layers of timm's `feature_info` that put out one tensor, and the head. Activations that work in place are switched
not to; the sums that timm makes in place lie within a tap, not behind one.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from striate.base.errors import MissingExtraError, SettingError, ShapeError, UnsupportedError
from striate.nets.hooks import taps
from striate.nets.net import CHW, Net


class TimmNet(Net):
    """A timm network, `timm:NAME`, as `body`, whose layers are named `body.layer1` and so on; any channels.

    `dropout` is the probability that an input of the classifier is dropped in training; None for the network's own.

    Raises:
        SettingError, ShapeError: timm has no such network; it cannot take images of this size.
        UnsupportedError: it does not say where its features are.

    """

    def __init__(self, name: str, input_chw: CHW, num_classes: int = 1000, dropout: float | None = None) -> None:
        super().__init__(input_chw)
        own = {} if dropout is None else {"drop_rate": dropout}
        self.body: Any = _create(name, in_chans=input_chw[0], num_classes=num_classes, **own)
        layer: Any
        for layer in self.body.modules():
            if getattr(layer, "inplace", False):
                layer.inplace = False
        features = _features(name, input_chw, [str(info["module"]) for info in getattr(self.body, "feature_info", ())])
        classifier = _config(self.body).get("classifier")
        if not features or not isinstance(classifier, str):
            raise UnsupportedError(f"{name} does not say where its features and its classifier are; take another of timm's.")
        self.head_name = f"body.{classifier}"
        self.taps = (*(f"body.{feature}" for feature in features), self.head_name)

    @property
    def num_classes(self) -> int:
        """K, the number of logits."""
        return int(self.body.num_classes)

    def replace_head(self, num_classes: int) -> None:
        """Put timm's own fresh classifier for another number of classes in place of the head."""
        place = next(self.body.parameters())
        self.body.reset_classifier(num_classes)
        self.body.to(place.device, place.dtype)

    def external_names(self) -> Mapping[str, str]:
        """Names of timm by our own, which begin with `body.`."""
        layers = {key.rpartition(".")[0] for key in self.body.state_dict()}
        return {f"body.{layer}" if layer else "body": layer for layer in layers}

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        logits_NK: Tensor = self.body(images_NCHW)
        return logits_NK


def published(name: str) -> tuple[int, int, int]:
    """(channels, side in pixels, classes) that timm gives for a network."""
    with torch.device("meta"):
        config = _config(_create(name))
    return int(config["input_size"][0]), int(config["input_size"][1]), int(config["num_classes"])


def recommended(name: str) -> Mapping[str, Any]:
    """What timm has as `pretrained_cfg` of a network: mean, std, input_size, crop_pct and more."""
    with torch.device("meta"):
        return _config(_create(name))


def _config(body: Any) -> dict[str, Any]:
    config: dict[str, Any] = body.pretrained_cfg
    return config


def _create(name: str, **settings: Any) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise MissingExtraError(name, "timm", "zoo") from error
    plain = name.removeprefix("timm:")
    if not timm.is_model(plain):
        near = get_close_matches(plain, timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "its names are those of timm.list_models()."
        raise SettingError(f"timm has no network {plain!r}; {hint}")
    body: nn.Module = timm.create_model(plain, pretrained=False, **settings)
    return body


def _features(name: str, input_chw: CHW, layers: Sequence[str]) -> list[str]:
    """Those of the layers that put out one tensor for an image of this size, in forward order."""
    with torch.device("meta"), torch.no_grad():
        body = _create(name, in_chans=input_chw[0]).eval()
        known = dict(body.named_modules())
        try:
            with taps(body, *(layer for layer in layers if layer and layer in known)) as outputs:
                body(torch.empty(1, *input_chw))
        except (AssertionError, RuntimeError) as error:
            c, h, w = input_chw
            raise ShapeError(
                f"{name} cannot take images of C={c}, H={h}, W={w} ({str(error).splitlines()[0]}). "
                f"It was made for {published(name)[1]} px; set preprocess.size_px to that."
            ) from error
    return [layer for layer, out in outputs.items() if isinstance(out, Tensor)]
