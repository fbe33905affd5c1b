"""What training costs in seconds, measured on copies, so that the run itself begins untouched."""

import copy
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.base.config import Train
from striate.nets.eval_mode import evaluating
from striate.training import checkpoint, loop
from striate.training.device import Engine
from striate.training.inference import Batches, BatchLike
from striate.training.journal import Journal
from striate.training.loss import final

_WARM_UP = 2
_PARTS, _FEWEST_IMAGES = 4, 8  # of a batch, of which one is computed for an estimate; and images in it
_SLOW_RATE = 1e-3  # of the learning rate, so that the loss of the copy stays finite
_PROBE_BYTES = 2**25  # of a checkpoint that is written to measure how long that takes
_BYTES_A_SECOND = 140e6  # of a checkpoint, by bench/scale.py on a machine with the reference below
_REFERENCE_TURNS, _REFERENCE_SECONDS = 100_000, 0.0029  # of the loop of `slowness`, on a quiet machine as in bench/README.md


class TrainingCost(NamedTuple):
    """What a training takes, in seconds."""

    step: float  # one optimizer step, with the wait for its batch
    epoch: float  # what follows each epoch: validation and checkpoint

    def seconds(self, steps: int, steps_an_epoch: int) -> float:
        """Of so many steps, whose last epoch may be cut short.

        >>> TrainingCost(0.1, 2.0).seconds(25, 10)  # 25 steps, 3 times validated
        8.5
        """
        return steps * self.step + -(-steps // steps_an_epoch) * self.epoch

    def steps_in(self, seconds: float, steps_an_epoch: int) -> int:
        """Most steps that end within so many seconds.

        >>> cost = TrainingCost(0.1, 2.0)
        >>> cost.steps_in(8.5, 10), cost.steps_in(6.0, 10), cost.steps_in(1.0, 10)
        (25, 20, 0)
        """
        whole = int(seconds / (steps_an_epoch * self.step + self.epoch))
        rest = seconds - whole * (steps_an_epoch * self.step + self.epoch)
        return whole * steps_an_epoch + min(steps_an_epoch, max(0, int((rest - self.epoch) / self.step + 1e-9)))


def seconds_a_step(task: loop.Task, steps: int, at_most: float, report: Callable[[int, int], None] | None = None) -> float:
    """Mean of up to `steps` steps, or of those in `at_most` seconds, after two to warm up; the same in every process."""
    times = _times(task, steps + _WARM_UP, _WARM_UP + 1, at_most, report)
    return task.engine.agree(sum(times[_WARM_UP:]) / len(times[_WARM_UP:]))


def estimated_seconds_a_step(
    task: loop.Task, steps: int, at_most: float, report: Callable[[int, int], None] | None = None
) -> float:
    """The same, but of a step that takes longer than `at_most` a quarter of the images is computed, and its time multiplied."""
    batch, wait = _second_batch(task.train)
    images = batch.whole // task.engine.world  # the fewest that any process has: all of them decide alike
    if images // _PARTS < _FEWEST_IMAGES:
        return seconds_a_step(task, steps, at_most, report)
    part = replace(task, train=_Repeated(_first(batch, images // _PARTS, task.engine)))
    step = task.engine.agree(wait + _times(part, 2, 2, 0.0, report)[1] * images / (images // _PARTS))
    return step if step > at_most else seconds_a_step(task, steps, at_most, report)


def _second_batch(batches: Batches) -> tuple[BatchLike, float]:
    """The second batch of an epoch, else its only one, and the seconds of waiting for it; processes that decode it end."""
    stream: Any = batches.epoch(0)
    with closing(stream):
        batch, start = next(stream), time.monotonic()
        batch = next(stream, batch)
        return batch, time.monotonic() - start


def _times(
    task: loop.Task, most: int, fewest: int, at_most: float, report: Callable[[int, int], None] | None = None
) -> list[float]:
    """Seconds of each of the first steps of a copy, of at least `fewest` and of no more once `at_most` seconds have passed."""
    engine, net_copy = task.engine, copy.deepcopy(task.net)
    tried = replace(task, net=net_copy, steps=most, journal=Journal(None), checkpoints=None, observers=(), unfreeze_epochs={})
    start = before = time.monotonic()
    times: list[float] = []
    for _ in loop.losses(tried, lambda _step: _SLOW_RATE):
        now = time.monotonic()
        times.append(now - before)
        before = now
        if report is not None:
            report(len(times), most)
        if engine.agree(float(now - start > at_most or bool(task.stop))) and len(times) >= fewest:
            break
    return times


@dataclass(frozen=True)
class _Repeated:
    """One batch again and again."""

    batch: BatchLike
    steps: int = 1

    def epoch(self, _epoch: int, _start: int = 0) -> Iterator[BatchLike]:
        yield self.batch


def _first(batch: BatchLike, count: int, engine: Engine) -> BatchLike:
    """The first images of this process's share of a batch."""
    others_N, shares_N = (None if column is None else column[:count] for column in (batch.others_N, batch.shares_N))
    whole = int(engine.sums([count])[0])
    return _Part(batch.images_NCHW[:count], batch.labels_N[:count], batch.ids_N[:count], whole, others_N, shares_N)


class _Part(NamedTuple):
    images_NCHW: Tensor
    labels_N: Tensor
    ids_N: NDArray[np.uint64]
    whole: int
    others_N: Tensor | None
    shares_N: Tensor | None


def seconds_an_image(net: nn.Module, batches: Batches, at_most: float = 2.0) -> float:
    """The time of a forward pass in evaluation mode, of one image in a batch; the first batch warms up."""
    images, first, start, first_start = 0, 0.0, 0.0, time.monotonic()
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


def seconds_a_checkpoint(net: nn.Module, settings: Train, folder: Path) -> float:
    """What writing a checkpoint of a training takes, from one of up to 32 MB that is removed again."""
    state, size, copies = net.state_dict(), max(1, _bytes(net)), _copies(settings)
    written = max(1, min(copies, _PROBE_BYTES // size))
    tensors = {f"{number}.{name}": tensor.clone() for number in range(written) for name, tensor in state.items()}
    probe, start = folder / f".timing.{os.getpid()}.tmp", time.monotonic()
    checkpoint.save(probe, 0, tensors, {})
    seconds = time.monotonic() - start
    shutil.rmtree(probe, ignore_errors=True)
    return float(seconds * copies / written)


def estimated_seconds_a_checkpoint(net: nn.Module, settings: Train) -> float:
    """The same, from its size and the speed of the machine."""
    return slowness() * _copies(settings) * _bytes(net) / _BYTES_A_SECOND


def _copies(settings: Train) -> int:
    return 2 + (1 if settings.optimizer == "sgd" else 2) + bool(settings.ema_decay)  # the weights and the best ones; moments


def _bytes(net: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in net.state_dict().values())


def planned_steps(settings: Train, steps_an_epoch: int) -> int:
    """The optimizer steps that the settings ask for, where they do not ask for minutes."""
    return settings.steps or (settings.epochs or 1) * steps_an_epoch


def few_steps(planned: int, at_most: int) -> int:
    """How many steps to time, so that a short training is not timed for longer than it takes: a tenth, two or more.

    >>> few_steps(planned=6, at_most=10), few_steps(70, 10), few_steps(5000, 10)
    (2, 7, 10)
    """
    return min(at_most, max(2, planned // 10))


def slowness() -> float:
    """How much longer a fixed piece of work takes here and now than on the machine that fixed costs were measured on."""
    start, total = time.monotonic(), 0
    for turn in range(_REFERENCE_TURNS):
        total += turn % 7
    return (time.monotonic() - start) / _REFERENCE_SECONDS
