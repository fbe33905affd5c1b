"""What a training writes into its journal about itself after each epoch: dead filters, duplicates, and gradients by depth.

It costs at most 2 % of the time: what it takes is measured, and an epoch is left out where there is no time for it yet.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from striate.batches.loader import Loader
from striate.interpret import filter_health
from striate.nets.net import Net
from striate.training.journal import Event, Journal

log = logging.getLogger("striate")

SHARE = 0.02  # of the time of training
LOUD = 0.5  # share of dead filters in a layer from which it is logged: on few images a selective unit looks dead too
_LEAST, _MOST, _OF_ALL = 8, 256, 100  # images that are examined: a hundredth of those an epoch shows, within these


def observer(net: Net, val: Loader, train_images: int, journal: Journal) -> Callable[[Event], None]:
    """An observer for `training.loop`, which looks at the network after each epoch as long as that costs little.

    Args:
        net: that is trained.
        val: validation images, of which a few are examined; dead is what is dead on these.
        train_images: that an epoch shows.
        journal: takes an event "health": `layers` with dead and duplicate filters of each, and the norm of the last gradient.

    """
    count = int(np.clip(train_images // _OF_ALL, _LEAST, _MOST))
    start, spent, reported = time.monotonic(), 0.0, set[str]()

    def watch(event: Event) -> None:
        nonlocal spent
        now = time.monotonic()
        if event["event"] != "epoch" or (spent and spent > SHARE * (now - start)):
            return
        layers = filter_health.examine(net, _few(val, count), only=("dead", "duplicate"))
        norms = gradient_norms(net)
        rows = [
            {"name": layer.name, "filters": len(layer.filters), "dead": layer.count("dead"),
             "duplicate": layer.count("duplicate"), "gradient": norms.get(layer.name)}
            for layer in layers
        ]  # fmt: skip
        journal.write("health", epoch=event["epoch"], images=layers[0].images if layers else 0, layers=rows)
        for layer in layers:
            if layer.share("dead") >= LOUD and layer.name not in reported:
                reported.add(layer.name)
                log.warning("after epoch %d, on %d images, %s", event["epoch"], layer.images, layer.advice())
        spent += time.monotonic() - now

    return watch


def gradient_norms(net: nn.Module) -> dict[str, float]:
    """The norm of the last gradient of each layer's weights, by the layer's name: whether gradients vanish with depth."""
    return {
        name.removesuffix(".weight"): float(parameter.grad.norm())
        for name, parameter in net.named_parameters()
        if parameter.grad is not None and parameter.dim() > 1 and name.endswith(".weight")
    }


def _few(val: Loader, count: int) -> Any:
    count_so_far = 0
    for batch in val.epoch(0):
        images_NCHW = batch.images_NCHW[: count - count_so_far]
        yield batch._replace(images_NCHW=images_NCHW)
        count_so_far += len(images_NCHW)
        if count_so_far >= count:
            return
