"""How long a step takes, measured on copies, so that the run itself begins untouched."""

import copy
import time
from statistics import median_high

import torch
from torch import nn

from striate.base.config import Train
from striate.base.hash_rng import seed_of
from striate.nets.eval_mode import evaluating
from striate.training import layer_lr, optimizer
from striate.training.device import Engine
from striate.training.inference import Batches
from striate.training.loss import Loss, final, over_heads

_WARM_UP = 2


def seconds_a_step(
    net: nn.Module, train: Batches, settings: Train, loss: Loss, engine: Engine, steps: int, at_most: float
) -> float:
    """Median of up to `steps` steps, or of those in `at_most` seconds, after two to warm up; the same in every process."""
    twin = copy.deepcopy(net).train()
    factors = layer_lr.factors(twin, settings)
    layer_lr.freeze(twin, factors)
    updates = optimizer.make(twin, settings, factors)
    times: list[float] = []
    start = time.monotonic()
    torch.manual_seed(seed_of(0, "timing"))
    while len(times) < steps + _WARM_UP:
        before = time.monotonic()
        for batch in train.epoch(0):
            updates.zero_grad(set_to_none=True)
            with engine.autocast():
                outputs = twin(batch.images_NCHW)
            torch.autograd.backward(over_heads(loss, outputs, batch.labels_N, batch.others_N, batch.shares_N).mean())
            updates.step()
            float(final(outputs).detach()[0, 0])  # wait for the device
            now = time.monotonic()
            times.append(now - before)  # with the wait for the batch, which may be decoded only now
            before, late = now, now - start > at_most
            if len(times) >= steps + _WARM_UP or (late and len(times) > _WARM_UP):
                return engine.agree(median_high(times[_WARM_UP:]))
    return engine.agree(median_high(times[_WARM_UP:]))


def seconds_an_image(net: nn.Module, batches: Batches, at_most: float = 2.0) -> float:
    """The time of a forward pass in evaluation mode, of one image in a batch; the first batch warms up."""
    images, start, first_start = 0, 0.0, time.monotonic()
    with evaluating(net), torch.inference_mode():
        for number, batch in enumerate(batches.epoch(0)):
            float(final(net(batch.images_NCHW))[0, 0])  # wait for the device
            now = time.monotonic()
            if number == 0:
                first, start = (now - first_start) / len(batch.labels_N), now
            else:
                images += len(batch.labels_N)
            if now - first_start > at_most:
                break
    return (time.monotonic() - start) / images if images else first


def planned_steps(settings: Train, steps_an_epoch: int) -> int:
    """The optimizer steps that the settings ask for, where they do not ask for minutes."""
    return settings.steps or (settings.epochs or 1) * steps_an_epoch


def with_validation(a_step: float, train_images: int, val_images: int) -> float:
    """Seconds of a step with its share of the validation after each epoch, where a forward pass is a third of a step."""
    return a_step * (1 + val_images / (3 * train_images))
