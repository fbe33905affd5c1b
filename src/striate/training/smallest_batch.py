"""Whether every batch of a training can pass its network's batch norms, asked before the first step.

A batch norm in training mode takes mean and variance of each channel over images and places. Of one value there is no variance:
torch refuses it, and a step of a run that had gone well until then would be its last.
"""

from math import prod
from typing import Protocol

import torch
from torch import nn

from striate.base.errors import SettingError
from striate.nets.eval_mode import evaluating
from striate.nets.hooks import inputs
from striate.nets.net import Net

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class SharedBatches(Protocol):
    """What is asked of a loader whose batches are shared by processes."""

    @property
    def steps(self) -> int:
        """Batches in an epoch."""

    @property
    def places(self) -> int:
        """Images that an epoch shows."""

    @property
    def batch_size(self) -> int:
        """Most images in a batch, over all processes."""

    @property
    def world(self) -> int:
        """Processes."""


def images_at_least(train: SharedBatches, grad_accum_steps: int) -> int:
    """Images in the smallest part of a batch that passes the network at once, in any process.

    10 images in batches of at most 4 are batches of 3, 3 and 4; in two parts, the smallest has 1.
    """
    share = train.places // train.steps // train.world
    return share // max(1, min(grad_accum_steps, share))


def check(net: Net, train: SharedBatches, grad_accum_steps: int) -> None:
    """Refuse batches of which a part leaves a batch norm one value a channel."""
    if images_at_least(train, grad_accum_steps) > 1:
        return
    net.train()
    norms = [name for name, module in net.named_modules() if isinstance(module, _NORMS) and module.training]
    if not norms:
        return
    place = next(net.parameters())
    with evaluating(net), torch.no_grad(), inputs(net, *norms) as maps:
        net(torch.zeros(1, *net.input_chw, device=place.device, dtype=place.dtype))
    for name in norms:
        if name in maps and prod(maps[name].shape[2:]) == 1:
            parts = f" in grad_accum_steps={grad_accum_steps} parts" if grad_accum_steps > 1 else ""
            raise SettingError(
                f"batches of at most {train.batch_size} of {train.places:,} images{parts} come down to a single image, of "
                f"which the batch norm {name!r} sees one value a channel, without a variance: expected at least 2 images at "
                "once. Raise train.batch_size, or lower train.grad_accum_steps."
            )
