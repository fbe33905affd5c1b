"""How many steps a training takes, and how long it and the whole command last.

`--minutes` are those of the whole command: what has passed before the first step, the trainings that follow, the test and the
report are counted. The number of steps is fixed once, before the first, and stored.
"""

import logging
from typing import NamedTuple

from striate.base import config
from striate.base.events import progress
from striate.base.phrases import format_duration
from striate.base.wall_clock import elapsed
from striate.training import checkpoint, loop, timing
from striate.training.timing import TrainingCost
from striate.workflows.report import cost as report_cost
from striate.workflows.run_context import RunContext
from striate.workflows.train.epoch_health_log import SHARE
from striate.workflows.train.setup import StartingWeights, TrainingSetup, build_task, set_up

log = logging.getLogger("striate")

_FEW_STEPS, _TIMED_STEPS = 5, 20  # timed for the estimate alone, and where minutes are given, which fix the steps
_FORWARD = 1 / 3  # of the time of a step, as the pass back has twice the multiply-adds of that forward
_FEWEST_STEPS = 20


class Length(NamedTuple):
    """How long a training is."""

    run: config.Run  # its settings, with the steps where minutes were given
    steps: int  # of the optimizer
    estimate: float | None = None  # seconds of the whole command, as far as this training's settings know it


class Costs(NamedTuple):
    """What the parts of a training take, in seconds."""

    training: TrainingCost
    end: float  # predictions for the validation and test images, and the model
    report: float  # 0 where there is none


def measure(context: RunContext, setup: TrainingSetup, task: loop.Task, minutes: float | None) -> Costs:
    """Time a few steps of a copy; where the time that is given depends on it more of them, a forward pass, and a checkpoint."""
    val, engine, settings = setup.loaders["val"], context.engine, context.run.train
    if minutes is None:
        few = timing.few_steps(timing.planned_steps(settings, setup.loaders["train"].steps), _FEW_STEPS)
        step = timing.estimated_seconds_a_step(task, few, 0.5, progress(context.watch, "time"))
        image = _FORWARD * step * engine.world / setup.loaders["train"].batch_size
        saving = timing.estimated_seconds_a_checkpoint(setup.net, settings) if engine.writes else 0.0
    else:
        at_most = min(60.0, max(2.0, 6 * minutes))
        step = timing.seconds_a_step(task, _TIMED_STEPS, at_most, progress(context.watch, "time"))
        image = timing.seconds_an_image(setup.net, val, at_most=1.0) if len(val) else _FORWARD * step / task.train.steps
        saving = timing.seconds_a_checkpoint(setup.net, settings, context.folder) if engine.writes else 0.0
    parts = context.dataset.parts
    end = image * (len(parts.val_M) + len(parts.test_M)) / engine.world + saving
    report = report_cost.seconds(setup.net, context.dataset, image, timing.slowness()) if context.report else 0.0
    epoch = image * len(val) / engine.world + saving
    costs = [engine.agree(value) for value in (step * (1 + SHARE), epoch, end, report)]
    return Costs(TrainingCost(*costs[:2]), *costs[2:])


def count_steps(
    context: RunContext, setup: TrainingSetup, task: loop.Task, resume_from: checkpoint.Checkpoint | None
) -> Length:
    """The settings and the number of steps; where minutes are given it is measured now, and fixed in the settings.

    Minutes of `striate train` and finetune.minutes are those of the whole command; those of one strategy are its training's.
    """
    run, steps_an_epoch = context.run, setup.loaders["train"].steps
    if resume_from is not None:
        steps = int(resume_from.state["steps"])
        fixed = resume_from.state["run"]["settings"]["train"].get("steps") is not None
        return Length(config.change(run, {"train": {"steps": steps}}) if fixed else run, steps)
    finetuning = run.finetune.weights is not None
    minutes = run.train.minutes or run.finetune.minutes
    costs = measure(context, setup, task, minutes)
    before, step = context.engine.agree(elapsed()), costs.training.step
    steps = timing.planned_steps(run.train, steps_an_epoch)
    if minutes is not None:
        others = 0.0 if finetuning and run.train.minutes else before + costs.report
        left = (60 * minutes - others) / (1 if finetuning and run.train.minutes else context.trainings) - costs.end
        fitting = _fitting(costs.training, left, 60 * minutes, steps_an_epoch)
        if run.train.minutes is not None or fitting < steps:
            steps = fitting
            run = config.change(run, {"train": {"steps": steps}})
            log.info("%d steps fit in the given minutes, at %.0f ms a step; the run is exact from here.", steps, 1e3 * step)
    training = costs.training.seconds(steps, steps_an_epoch)
    text = f"Training takes about {format_duration(training)}: {steps} steps of {1e3 * step:.0f} ms, and validation."
    estimate = None
    if not finetuning:
        estimate = before + context.trainings * (training + costs.end) + costs.report
        text += f" In all about {format_duration(estimate)}, of which {format_duration(before)} are over."
    log.info("%s", text)
    return Length(run, steps, estimate)


def _fitting(training: TrainingCost, left: float, given: float, steps_an_epoch: int) -> int:
    """Most steps in the seconds that are left, a few where there are none: without any, nothing would be learned."""
    fitting, fewest = training.steps_in(left, steps_an_epoch), min(_FEWEST_STEPS, steps_an_epoch)
    if fitting >= fewest:
        return fitting
    log.warning(
        "%s are too few: what is not training takes %s. Training takes %d steps all the same.",
        format_duration(given), format_duration(given - left), fewest,
    )  # fmt: skip
    return fewest


def training_cost(context: RunContext, starting_weights: StartingWeights | None) -> Costs:
    """What a training of these settings costs, from a few steps of a copy."""
    setup = set_up(context, starting_weights)
    return measure(context, setup, build_task(context, setup), None)
