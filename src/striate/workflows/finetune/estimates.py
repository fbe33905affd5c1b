"""How long fine-tuning will take: each strategy, and the whole command."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from torch import nn

from striate.base import config
from striate.base.phrases import format_duration
from striate.base.wall_clock import elapsed
from striate.nets.feature_layer import with_head, within
from striate.training import timing
from striate.training.transfer import feature_classifier, head_training
from striate.workflows.finetune.strategies import STRATEGIES, head_task, starting_weights_of, training_run
from striate.workflows.finetune.task import TransferTask
from striate.workflows.report import cost as report_cost
from striate.workflows.report.rerun_network import FROZEN
from striate.workflows.train.schedule_length import Costs, training_cost

# Seconds that one fit takes for each class, image and number of it, on a quiet machine: measured 3e-8 to 2e-7, by how well
# the classes can be told apart
_FIT = 6e-8
_END = 0.5  # of each strategy: its model, predictions and files, on a quiet machine


class Estimates(NamedTuple):
    """Seconds to come."""

    strategies: dict[str, float]  # of each strategy over all numbers of images, the cheapest first
    report: float  # 0 where there is none
    before: float  # that have passed already

    @property
    def whole(self) -> float:
        """Of the whole command."""
        return self.before + sum(self.strategies.values()) + self.report

    def __str__(self) -> str:
        """As a sentence.

        >>> print(Estimates({"extract": 3.2, "retrain": 400.0}, 9.0, 21.0))
        Estimated: extract 3 s, retrain 7 min, report 9 s; in all 7 min, of which 21 s are over.
        """
        parts = self.strategies | ({"report": self.report} if self.report else {})
        times = ", ".join(f"{name} {format_duration(duration)}" for name, duration in parts.items())
        return f"Estimated: {times}; in all {format_duration(self.whole)}, of which {format_duration(self.before)} are over."


def estimate(tasks: Sequence[TransferTask]) -> Estimates:
    """What the strategies of all `tasks` will take, of which the first has all images."""
    task = tasks[0]
    names: list[str] = [*(task.run.finetune.strategies or ("extract",))]
    slowness = timing.slowness()
    reads = [within(task.pretrained.net, layer) for layer in task.run.finetune.layers or (None,)]
    image_seconds = timing.seconds_an_image(task.body, task.loader("train"))
    shared = sum(task.missing(part, [None]) for part in ("val", "test"))
    seconds = dict.fromkeys(names, slowness * _END * len(tasks))
    if "extract" in names:
        seconds["extract"] += image_seconds * sum(task.missing(part, reads) for part in ("train", "val", "test"))
        seconds["extract"] += slowness * sum(_fits(part) for part in tasks) * len(reads)
    if {"adapt", "retrain"} & {*names}:
        copies = sum(task.missing("train", [None], copy_number) for copy_number in task.copies)
        head = "adapt" if "adapt" in names else "retrain"  # retrain begins with an adapted head
        seconds[head] += image_seconds * (copies + shared) + sum(_head(part) for part in tasks)
    trained = [name for name in ("retrain", "scratch") if name in names]
    if trained:
        net = with_head(copy.deepcopy(task.body), len(task.classes))
        run = training_run(task, getattr(task.run.finetune, trained[0]))
        costs = training_cost(replace(task, run=run, report=False), starting_weights_of(task, net))
        for name in trained:
            seconds[name] += sum(_training(part, getattr(part.run.finetune, name), costs) for part in tasks)
    frozen, report = {*names} <= {*FROZEN}, 0.0
    if task.report:
        report = report_cost.seconds(task.body, task.dataset, image_seconds, slowness, frozen)
    return _bounded(task, Estimates({name: seconds[name] for name in STRATEGIES if name in seconds}, report, elapsed()))


def _bounded(task: TransferTask, free: Estimates) -> Estimates:
    """With no longer trainings than the minutes of the whole command leave for them."""
    minutes = task.run.finetune.minutes
    trained = {name: seconds for name, seconds in free.strategies.items() if name in ("retrain", "scratch")}
    if minutes is None or not trained:
        return free
    left = 60 * minutes - (free.whole - sum(trained.values()))
    factor = min(1.0, max(0.0, left / sum(trained.values())))
    return free._replace(strategies=free.strategies | {name: factor * seconds for name, seconds in trained.items()})


def _fits(task: TransferTask) -> float:
    """What fitting the classifiers of `extract` takes on a quiet machine: one for each fold and strength, and the last."""
    images = len(task.positions_M)
    narrow = min(images, _width(task))
    fits = 1 + 5 * len(feature_classifier.STRENGTHS)
    return fits * len(task.classes) * _FIT * min(images, 5000) * narrow


def _width(task: TransferTask) -> int:
    """How many numbers the head of the network takes; of one that does not say so, a usual number."""
    return int(getattr(task.pretrained.net.head, "in_features", 1000))


def _head(task: TransferTask) -> float:
    """What training the new head of `adapt` takes, timed with features of zeros."""
    settings = task.run.finetune.adapt
    assert settings is not None
    head = nn.Linear(_width(task), len(task.classes)).to(task.engine.device)
    rows_M = np.arange(min(settings.batch_size, len(task.positions_M)))
    zeros_MD = np.zeros((len(rows_M), head.in_features), np.float32)
    labels_M, ids_M = np.zeros_like(task.whole.examples.labels_N[rows_M]), rows_M.astype(np.uint64)
    stream = head_training.FeatureStream([zeros_MD], rows_M, labels_M, ids_M, settings.batch_size, 0, task.engine.device)
    planned = timing.planned_steps(settings, -(-len(task.positions_M) // settings.batch_size))
    timed = timing.few_steps(planned, 20)
    return planned * timing.seconds_a_step(head_task(task, settings, head, stream, stream), timed, at_most=1.0)


def _training(task: TransferTask, settings: config.Train, costs: Costs) -> float:
    """What a training takes; of more images, a step takes as long."""
    count, whole = len(task.dataset.parts.train_M), len(task.whole.parts.train_M)
    steps_an_epoch = -(-count // settings.batch_size)
    if settings.minutes is not None:
        return 60 * settings.minutes
    step = costs.training.step * (count / steps_an_epoch) / (whole / -(-whole // settings.batch_size))
    training = costs.training._replace(step=step)
    return training.seconds(timing.planned_steps(settings, steps_an_epoch), steps_an_epoch) + costs.end
