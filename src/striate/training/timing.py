"""How long a step takes, measured on copies, so that the run itself begins untouched."""

import copy
import time

import torch
from torch import nn

from striate.base.config import Train
from striate.base.draws import seed_of
from striate.engine import Engine
from striate.training import optimiser, rates
from striate.training.loss import Loss, final, over_heads
from striate.training.scoring import Batches

_WARM_UP = 2


def seconds_a_step(
    net: nn.Module, train: Batches, settings: Train, loss: Loss, engine: Engine, steps: int, at_most: float
) -> float:
    """The median time of up to `steps` steps, or of those that fit in `at_most` seconds after two that warm up.

    The same for every process: the slowest counts through the writing process's clock.
    """
    twin = copy.deepcopy(net).train()
    factors = rates.factors(twin, settings)
    rates.freeze(twin, factors)
    steps_made = optimiser.make(twin, settings, factors)
    times: list[float] = []
    begun = time.monotonic()
    torch.manual_seed(seed_of(0, "timing"))
    while len(times) < steps + _WARM_UP:
        before = time.monotonic()
        for batch in train.epoch(0):
            steps_made.zero_grad(set_to_none=True)
            with engine.autocast():
                outputs = twin(batch.images_NCHW)
            torch.autograd.backward(over_heads(loss, outputs, batch.labels_N, batch.others_N, batch.shares_N).mean())
            steps_made.step()
            float(final(outputs).detach()[0, 0])  # wait for the device
            now = time.monotonic()
            times.append(now - before)  # with the wait for the batch, which may be decoded only now
            before, late = now, now - begun > at_most
            if len(times) >= steps + _WARM_UP or (late and len(times) > _WARM_UP):
                return engine.agree(_median(times[_WARM_UP:]))
    return engine.agree(_median(times[_WARM_UP:]))


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
