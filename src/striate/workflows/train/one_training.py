"""One training by back-propagation, from complete settings to its artifact; `striate.train` and each of its folds run this."""

import logging
from contextlib import nullcontext
from dataclasses import replace

from striate.base.signals import Stop
from striate.training import checkpoint, layer_lr, loop, lr_finder, lr_schedule, tensorboard, weight_histograms
from striate.training.journal import Journal, read
from striate.workflows.run_context import Resume, RunContext
from striate.workflows.train.artifacts import Trained, evaluate_and_save, write_start
from striate.workflows.train.epoch_health_log import observer
from striate.workflows.train.schedule_length import count_steps
from striate.workflows.train.setup import StartingWeights, build_task, set_up

log = logging.getLogger("striate")


def train(
    context: RunContext,
    resume: Resume,
    starting_weights: StartingWeights | None = None,
) -> Trained:
    """Train, from the last checkpoint where `resume`, and write the artifact and the predictions."""
    setup = set_up(context, starting_weights)
    task = build_task(context, setup)
    net, loaders, engine, folder = setup.net, setup.loaders, context.engine, context.folder
    if factors := layer_lr.factors(net, context.run.train):
        log.info("learning rates: %s", layer_lr.describe(factors))
    if (scaling := lr_schedule.describe_scaling(context.run.train)) is not None:
        log.info("%s", scaling)
    if resume:
        engine.agree(0.0)  # nobody reads before the process that writes has swept the folder
    resume_from = checkpoint.latest(folder / "checkpoints") if resume else None
    run, steps, estimate = count_steps(context, setup, task, resume_from)
    context = replace(context, run=run)
    identity = None
    if engine.writes:
        saved = None if resume_from is None else resume_from.state
        identity = write_start(context, saved, other_processes=resume == "other-processes")
    journal = Journal(folder / "journal.jsonl" if engine.writes else None)
    stamp = {} if identity is None else identity.stamp()
    if resume_from is not None:
        for sentence in resume_from.refused:
            log.warning("%s The checkpoint before it is used.", sentence)
        journal.write("resumed", step=resume_from.state["step"], processes=engine.world, run=stamp)
    else:
        if steps_saved := [event["step"] for event in read(folder / "journal.jsonl") if event["event"] == "checkpoint"]:
            log.warning("%s had a checkpoint of step %d and has none now; it begins anew.", folder, steps_saved[-1])
        notes = list(context.dataset.hidden())
        journal.write("start", run=stamp, steps=steps, estimate=estimate, reasons=list(engine.reasons), notes=notes)
    observers = [context.watch]
    if engine.writes:
        observers.append(observer(net, loaders["val"], loaders["train"].places, journal))
    unfreeze = starting_weights.unfreeze_epochs if starting_weights is not None else None
    task = replace(
        task, settings=run.train, steps=steps, journal=journal, checkpoints=folder / "checkpoints", identity=identity,
        observers=observers, unfreeze_epochs=unfreeze(net, -(-steps // loaders["train"].steps)) if unfreeze is not None else {},
    )  # fmt: skip
    board = tensorboard.following(journal, net, loaders["train"].places) if run.tensorboard and engine.writes else nullcontext()
    with board:
        weight_histograms.record(journal, net, "start")
        fitted = loop.fit(task, resume_from)
        weight_histograms.record(journal, net, "end")
    return evaluate_and_save(context, setup, fitted, journal, identity, starting_weights)


def lr_range_test(context: RunContext) -> lr_finder.Curve:
    """The learning-rate range test with what a training of these settings would start with; nothing is saved."""
    setup = set_up(context)
    task = replace(
        build_task(context, setup), settings=context.run.train.model_copy(update={"lr": 1.0, "lr_batch_size": None}),
        steps=lr_finder.steps_for(setup.loaders["train"].steps), stop=Stop(),
    )  # fmt: skip
    return lr_finder.run(task, lambda: context.stop.check("looking for the learning rate"))
