"""The training loop.

It is a function of the settings, the seed and the batches: the order of images and the draws of dropout follow from
(seed, step), so a run that is stopped at any step and resumed ends with the same bytes as one that was not.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from striate.base.config import Train
from striate.base.errors import Interrupted, NumbersError
from striate.base.hash_rng import seed_of
from striate.base.run_record import Identity
from striate.base.signals import Stop
from striate.nets.torch_seed import seed_torch
from striate.training import checkpoint, epoch_scores, layer_lr, lr_schedule, optimizer, weight_penalty
from striate.training.device import Engine
from striate.training.ema import Average
from striate.training.epoch_scores import Scorer
from striate.training.inference import Batches, BatchLike, predict
from striate.training.journal import Event, Journal
from striate.training.loss import Loss, final, over_heads

log = logging.getLogger("striate")

Observer = Callable[[Event], None]

# Early stop: in all of 8 different trainings that reach this point, the weights kept were those that all epochs would have kept
_LEARNED, _SETTLED_EPOCHS = 0.999, 8


@dataclass
class Progress:
    """Where a run is; with the tensors of a checkpoint, all that its rest depends on."""

    step: int = 0
    evaluated_step: int = -1
    loss_sum: float = 0.0
    right: float = 0.0
    seen: float = 0.0
    best: Event | None = None
    history: list[Event] = field(default_factory=list)
    seconds: float = 0.0


class Fitted(NamedTuple):
    """The end of a training: the network has its best weights."""

    steps: int  # optimizer steps that were made
    seconds: float  # time in the loop, validation and checkpoints included, over all resumptions
    best: Event  # the epoch whose weights were best on validation: epoch, step, accuracy, loss
    history: list[Event]  # one entry for each epoch


@dataclass(frozen=True)
class Task:
    """What is trained, on what, how."""

    net: nn.Module  # on the device; its weights change
    train: Batches  # batches that are learned from
    val: Batches  # batches that the best weights are chosen by
    settings: Train  # section [train]
    steps: int  # optimizer steps in all
    loss: Loss  # of each image
    engine: Engine  # the machine
    seed: int  # of the draws inside the network
    journal: Journal  # takes the events
    checkpoints: Path | None  # their folder; None writes none
    stop: Stop  # asks for an orderly end
    names: Callable[[NDArray[np.uint64]], list[str]]  # paths for ids, for messages
    scorer: Scorer = epoch_scores.ONE_LABEL  # how good an epoch is
    identity: Identity | None = None  # of the run, which its checkpoints carry
    observers: Iterable[Observer] = ()  # called with every event
    # the epoch, from 0, in which a parameter begins to learn, by name; the others learn from the start
    unfreeze_epochs: Mapping[str, int] = field(default_factory=dict)


def fit(task: Task, begin_at: checkpoint.Checkpoint | None = None) -> Fitted:
    """Train from the start, or from a checkpoint, to the last step; the network is left with its best weights."""
    with task.engine.training_order(task.net):
        loop = _Loop(task)
        if begin_at is not None:
            loop.restore(begin_at)
        return loop.run()


def losses(task: Task, rate: lr_schedule.Schedule) -> Iterator[float]:
    """The mean loss of each step of a training by another schedule; the network changes, and nothing else is kept."""
    with task.engine.training_order(task.net):
        loop = _Loop(task)
        loop.rate = rate
        task.net.train()
        while loop.progress.step < task.steps:
            epoch, position = divmod(loop.progress.step, task.train.steps)
            for batch in task.train.epoch(epoch, position):
                yield loop.step(batch)
                if loop.progress.step == task.steps:
                    return


class _Loop:
    def __init__(self, task: Task) -> None:
        self.task, self.progress = task, Progress()
        factors = layer_lr.factors(task.net, task.settings)
        layer_lr.freeze(task.net, factors)
        self.model = task.engine.parallel(task.net)
        self.optimizer = optimizer.make(task.net, task.settings, factors)
        self.peak, self.rate = lr_schedule.peak(task.settings), lr_schedule.make(task.settings, task.steps)
        self.penalty = weight_penalty.make(task.net, task.settings, factors)
        self.average = Average(task.net, task.settings.ema_decay) if task.settings.ema_decay else None
        self.best_weights: dict[str, Tensor] = {}
        self.named = dict(task.net.named_parameters())
        self.parameters = list(self.named.values())
        self.unfreeze_epochs = {name: epoch for name, epoch in task.unfreeze_epochs.items() if self.named[name].requires_grad}
        self.start = time.monotonic()
        self.saved = time.monotonic()

    def run(self) -> Fitted:
        task, progress = self.task, self.progress
        task.net.train()
        while not self._finished():
            epoch, position = divmod(progress.step, task.train.steps)
            if progress.step and position == 0 and progress.evaluated_step != progress.step:
                self._end_epoch()  # resumed between the last step of an epoch and its validation
                continue
            for name, first_epoch in self.unfreeze_epochs.items():
                self.named[name].requires_grad_(epoch >= first_epoch)  # without a gradient the optimizer leaves it alone
            for batch in task.train.epoch(epoch, position):
                self.step(batch)
                if progress.step == task.steps:
                    break
            self._end_epoch()
        task.net.load_state_dict(self.best_weights)
        task.engine.alone(task.net)
        assert progress.best is not None
        if progress.step < task.steps:
            best = progress.best["epoch"]
            log.info("Stopped after %d of %d steps: no epoch since epoch %d was better.", progress.step, task.steps, best)
        return Fitted(progress.step, self._seconds(), progress.best, progress.history)

    def _finished(self) -> bool:
        progress, patience = self.progress, self.task.settings.patience
        if progress.evaluated_step != progress.step:
            return False
        stale = bool(patience and progress.best and len(progress.history) - progress.best["epoch"] >= patience)
        return progress.step >= self.task.steps or stale or self._nothing_to_gain()

    def _nothing_to_gain(self) -> bool:
        """Whether all validation images are right and nothing got better while the rate fell to half: a function of history."""
        history, best = self.progress.history, self.progress.best
        if not self.task.settings.early_stop or best is None or best["accuracy"] < 1:
            return False
        learned = history[-1]["train_accuracy"] >= _LEARNED
        settled = history[-1]["rate"] <= max(event["rate"] for event in history) / 2
        return bool(learned and settled and len(history) - best["epoch"] >= _SETTLED_EPOCHS)

    def step(self, batch: BatchLike) -> float:
        """One step; the mean loss of the whole batch before it."""
        task, progress, engine = self.task, self.progress, self.task.engine
        seed_torch(seed_of(task.seed, progress.step, engine.rank, "net"), engine.device)
        rate = self.peak * self.rate(progress.step)
        optimizer.set_rate(self.optimizer, rate)
        self.optimizer.zero_grad(set_to_none=True)
        losses_N, right = self._gradients(batch)
        lost, right, stop = engine.sums([float(losses_N.sum()), right, float(bool(task.stop))])
        if not math.isfinite(lost):
            self._refuse(lost, batch, losses_N)
        if self.penalty is not None:
            self.penalty.before_step()
        if task.settings.clip_grad_norm is not None:
            optimizer.clip(self.parameters, task.settings.clip_grad_norm)
        self.optimizer.step()
        if self.penalty is not None:
            self.penalty.after_step(rate)
        progress.step += 1
        if self.average is not None:
            self.average.follow(task.net, progress.step)
        progress.loss_sum += lost
        progress.right += right
        progress.seen += batch.whole
        for observer in task.observers:
            observer({"event": "step", "step": progress.step, "steps": task.steps, "loss": lost / batch.whole})
        if stop or (engine.world == 1 and task.stop):
            self._interrupt()
        if engine.writes and time.monotonic() - self.saved > 60 * task.settings.checkpoint_minutes:
            self._save()
        return lost / batch.whole

    def _gradients(self, batch: BatchLike) -> tuple[Tensor, float]:
        """Add up the gradients of the mean loss over the whole batch; the losses of this process's images, and the hits."""
        task, model, world = self.task, self.model, self.task.engine.world
        # As many in every process, though their images differ by one: a synchronized batch norm waits for all in each part
        parts = min(task.settings.grad_accum_steps, batch.whole // world)
        columns = (batch.images_NCHW, batch.labels_N, batch.others_N, batch.shares_N)
        split = [[None] * parts if column is None else column.tensor_split(parts) for column in columns]
        losses, hits = [], []
        for number, (images_NCHW, labels_N, others_N, shares_N) in enumerate(zip(*split, strict=True), start=1):
            assert images_NCHW is not None
            assert labels_N is not None
            # Gradients of one part stay in this process; the last part's backward pass shares them all
            with model.no_sync() if isinstance(model, DistributedDataParallel) and number < parts else nullcontext():
                with task.engine.autocast():
                    outputs = model(images_NCHW)
                losses_N = over_heads(task.loss, outputs, labels_N, others_N, shares_N)
                torch.autograd.backward(losses_N.sum() * (world / batch.whole))
            losses.append(losses_N.detach())
            hits.append(task.scorer.right(final(outputs).detach(), labels_N))
        return torch.cat(losses), float(sum(hits))

    def _refuse(self, lost: float, batch: BatchLike, losses_N: Tensor) -> None:
        task, step = self.task, self.progress.step + 1
        wrong = batch.ids_N[~torch.isfinite(losses_N).cpu().numpy()]
        paths = task.names(wrong[:5])
        epoch = self.progress.step // task.train.steps + 1
        task.journal.write("stopped", durable=True, reason="loss not finite", step=step, epoch=epoch, images=paths)
        raise NumbersError(
            f"The loss is {lost} at step {step} of {task.steps} (epoch {epoch}); expected a finite number. Images: "
            f"{', '.join(paths) or 'those of another process'}. Lower train.lr (now {self.peak:g}), or set "
            "train.clip_grad_norm=1. Checkpoints before this step are kept."
        )

    def _end_epoch(self) -> None:
        task, progress = self.task, self.progress
        scored = self.average.net if self.average is not None else task.net
        predictions = predict(scored, task.val, task.engine, lambda: bool(task.stop), self._report_validation)
        if predictions is None:
            self._interrupt()
            return
        event: Event = {
            "epoch": len(progress.history) + 1, "step": progress.step, "rate": self.peak * self.rate(progress.step - 1),
            "train_loss": progress.loss_sum / max(progress.seen, 1), "train_accuracy": progress.right / max(progress.seen, 1),
            **task.scorer.validation(predictions),
        }  # fmt: skip
        progress.history.append(event)
        newest = task.settings.keep == "last" or progress.best is None
        if newest or epoch_scores.rank(event) > epoch_scores.rank(progress.best or event):
            progress.best = event
            self.best_weights = {name: tensor.detach().clone() for name, tensor in scored.state_dict().items()}
        progress.evaluated_step, progress.loss_sum, progress.right, progress.seen = progress.step, 0.0, 0.0, 0.0
        task.journal.write("epoch", seconds=round(self._seconds(), 3), **event)
        for observer in task.observers:
            observer({"event": "epoch", **event})
        if task.engine.writes:
            self._save()
        if task.stop and not self._finished() and task.engine.world == 1:
            self._interrupt(saved=True)

    def _report_validation(self, done: int, total: int) -> None:
        for observer in self.task.observers:
            observer({"event": "validate", "done": done, "total": total})

    def _interrupt(self, saved: bool = False) -> None:
        task = self.task
        if task.engine.writes:
            if not saved:
                self._save()
            task.journal.write("stopped", durable=True, reason=task.stop.signal or "another process", step=self.progress.step)
        consequence = "the checkpoint is written" if task.checkpoints is not None else "it is short and will begin again"
        raise Interrupted(
            f"Stopped by {task.stop.signal or 'a signal to another process'} after step {self.progress.step} of {task.steps}; "
            f"{consequence}. Resume with --resume."
        )

    def _seconds(self) -> float:
        return self.progress.seconds + time.monotonic() - self.start

    def _save(self) -> None:
        self.saved = time.monotonic()
        if self.task.checkpoints is None:
            return
        tensors = checkpoint.add_prefix("net", self.task.net.state_dict())
        if self.average is not None:
            tensors |= checkpoint.add_prefix("average", self.average.net.state_dict())
        tensors |= checkpoint.add_prefix("best", self.best_weights)
        for number, moments in self.optimizer.state_dict()["state"].items():
            tensor_moments = {name: value for name, value in moments.items() if isinstance(value, Tensor)}
            tensors |= checkpoint.add_prefix(f"optimizer.{number}", tensor_moments)
        state: dict[str, Any] = {**asdict(self.progress), "seconds": self._seconds(), "steps": self.task.steps}
        state["run"] = None if self.task.identity is None else self.task.identity._asdict()
        path = checkpoint.save(self.task.checkpoints, self.progress.step, tensors, state)
        self.task.journal.write("checkpoint", durable=True, step=self.progress.step, path=f"checkpoints/{path.name}")

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        state = dict(saved.state)
        del state["steps"], state["run"]
        self.progress = Progress(**state)
        self.task.net.load_state_dict(checkpoint.strip_prefix("net", saved.tensors))
        device = self.task.engine.device
        if self.average is not None:
            self.average.net.load_state_dict(checkpoint.strip_prefix("average", saved.tensors))
        self.best_weights = {name: t.to(device) for name, t in checkpoint.strip_prefix("best", saved.tensors).items()}
        numbers = [number for group in self.optimizer.state_dict()["param_groups"] for number in group["params"]]
        moments = {number: checkpoint.strip_prefix(f"optimizer.{number}", saved.tensors) for number in numbers}
        optimizer.restore(self.optimizer, {number: values for number, values in moments.items() if values})
