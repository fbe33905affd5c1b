"""Strategies and folds of a fine-tuning, given to the workers of a cluster."""

import copy
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from striate.base import files, run_record
from striate.base.events import quiet
from striate.base.signals import catch_signals
from striate.data import sources
from striate.training import device as machine
from striate.workflows import folds, spread
from striate.workflows.dataset import gather
from striate.workflows.finetune import check, cross_validation, plan, start
from striate.workflows.finetune.strategies import STRATEGIES, attempt
from striate.workflows.finetune.task import RESUME, Outcome, TransferTask
from striate.workflows.load_model import load_network

_WAITS_FOR = {"retrain": "adapt"}  # which it begins with


def spread_attempts(task: TransferTask, folder: Path) -> None:
    """Run the strategies, or the folds of the one strategy, by the workers of a cluster, where there is one."""
    names = [name for name in STRATEGIES if name in (task.run.finetune.strategies or ("extract",))]
    count = folds.requested(task.run)
    chains = [[name] for name in names if _WAITS_FOR.get(name) not in names]
    for name in names:
        if (before := _WAITS_FOR.get(name)) in names:
            next(chain for chain in chains if before in chain).append(name)
    attempts: list[tuple[str, Sequence[str], int | None]] = (
        [(", ".join(chain), chain, None) for chain in chains] if not count else []
    )
    attempts += [(f"Fold {fold + 1} of {count}", names[:1], fold) for fold in range(count)]
    calls = [
        spread.Call(title, attempt_in_worker, (str(folder), chain, task.trainings, fold))
        for title, chain, fold in attempts
        if not all((_place(folder, fold) / name / "strategy.json").exists() for name in chain)
    ]
    spread.refuse_unused(len(attempts))
    if len(attempts) > 1:
        spread.run(calls, lambda: task.stop.check("fine-tuning", RESUME))


def _place(folder: Path, fold: int | None) -> Path:
    return folder / "strategies" if fold is None else cross_validation.place_of(folder, fold)


def attempt_in_worker(folder: str, names: Sequence[str], trainings: int, fold: int | None) -> None:
    """In a worker: strategies of a run whose settings are written, one after the other; of a fold its one strategy."""
    root = Path(folder)
    place = _place(root, fold)
    with catch_signals() as stop, files.lock(place / names[0]):
        run = check.settings_to_resume(root.parent, root.name, {})
        engine = machine.pick(run.engine)
        pretrained = load_network(run.finetune.weights or "")
        pretrained = start.at_size(pretrained, run.preprocess.size_px or pretrained.input_spec.size_px)
        with closing(gather(sources.read(run.data), run, stop, quiet, engine.workers)) as dataset:
            body = copy.deepcopy(pretrained.net)
            engine.place(body)
            run = plan.complete(run, pretrained, len(dataset.parts.train_M))
            stamp = run_record.read(root).identity.stamp()
            task = TransferTask(run, dataset, place, engine, stop, quiet, pretrained, body, dataset, stamp, trainings=trainings)
            if fold is not None:
                fold_run, part = folds.divide(run, dataset, fold)
                task = replace(task, run=fold_run, dataset=part, whole=part)
            done: dict[str, Outcome] = {}
            for name in names:
                done[name] = attempt(task, name, done)
