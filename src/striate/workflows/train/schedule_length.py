"""How many steps a training takes, and how long they last."""

import logging

from striate.base import config
from striate.base.phrases import format_duration
from striate.training import checkpoint, timing
from striate.training.loss import Loss
from striate.workflows.run_context import RunContext
from striate.workflows.train.setup import StartingWeights, TrainingSetup, build_loss, set_up

log = logging.getLogger("striate")

_TIMED_STEPS = 20


def count_steps(
    context: RunContext,
    setup: TrainingSetup,
    loss: Loss,
    resume_from: checkpoint.Checkpoint | None,
    most_minutes: float | None,
) -> tuple[config.Run, int]:
    """The settings and the number of steps; where minutes are given it is measured now, and fixed in the settings."""
    run, loaders = context.run, setup.loaders
    if resume_from is not None:
        steps = int(resume_from.state["steps"])
        fixed = resume_from.state["run"]["settings"]["train"].get("steps") is not None
        return config.change(run, {"train": {"steps": steps}}) if fixed else run, steps
    timed = run.train.minutes is not None or most_minutes is not None
    step_seconds = timing.seconds_a_step(
        setup.net, loaders["train"], run.train, loss, context.engine, _TIMED_STEPS if timed else 5,
        at_most=60.0 if timed else 3.0,
    )  # fmt: skip
    steps = fitting = timing.planned_steps(run.train, loaders["train"].steps)
    if run.train.minutes is not None:
        steps = fitting = max(1, int(60 * run.train.minutes / step_seconds))
    elif most_minutes is not None:
        with_validation = timing.with_validation(step_seconds, loaders["train"].places, len(loaders["val"]))
        fitting = max(1, int(60 * most_minutes / with_validation))
    if run.train.minutes is not None or fitting < steps:
        steps = fitting
        run = config.change(run, {"train": {"steps": steps}})
        log.info("%d steps fit in the given minutes, at %.0f ms a step; the run is exact from here.", steps, 1e3 * step_seconds)
    log.info("Training takes about %s: %d steps of %.0f ms.", format_duration(steps * step_seconds), steps, 1e3 * step_seconds)
    return run, steps


def seconds_per_image(context: RunContext, starting_weights: StartingWeights) -> float:
    """What training on one image takes, validation included, from a few steps of a copy."""
    setup = set_up(context, starting_weights)
    train, val = setup.loaders["train"], setup.loaders["val"]
    step_seconds = timing.seconds_a_step(
        setup.net, train, context.run.train, build_loss(context), context.engine, 3, at_most=2.0
    )
    return timing.with_validation(step_seconds, train.places, len(val)) * train.steps / train.places
