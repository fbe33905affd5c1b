"""One fold of a cross-validation: a training in a folder of its own, by the command or by a worker of a cluster."""

import logging
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from striate.base import files, run_folder
from striate.base.events import quiet
from striate.base.signals import catch_signals
from striate.data import sources
from striate.training import device as machine
from striate.training.inference import Predictions
from striate.workflows import folds as folding
from striate.workflows import spread
from striate.workflows.dataset import gather
from striate.workflows.run_context import Resume, RunContext
from striate.workflows.train import check
from striate.workflows.train.fit import fit

log = logging.getLogger("striate")


def folder_of(folder: Path, fold: int) -> Path:
    """Where a fold of a run lies."""
    return folder / "folds" / f"fold-{fold}"


def train_fold(context: RunContext, fold: int, resume: Resume) -> Predictions:
    """The predictions of a fold for its test images, trained or read from where it was trained before."""
    inner, engine = folder_of(context.folder, fold), context.engine
    if engine.agree(float((inner / "result.json").exists())):  # one answer for all processes, while one of them writes
        return Predictions(*run_folder.load_predictions(inner / "predictions-test.npz"))
    count = folding.requested(context.run)
    log.info("Fold %d of %d.", fold + 1, count)
    fold_resume = resume if engine.agree(float((inner / "run.toml").exists())) else False
    fold_run, fold_dataset = folding.divide(context.run, context.dataset, fold)
    fold_context = replace(context, run=fold_run, dataset=fold_dataset, folder=inner, trainings=count - fold + 1)
    test = fit(fold_context, fold_resume).test
    assert test is not None
    return test


def spread_folds(context: RunContext) -> None:
    """Train the folds by the workers of a cluster, where there is one."""
    if context.engine.world > 1:
        return
    folder, count = context.folder, folding.requested(context.run)
    calls = [
        spread.Call(f"Fold {fold + 1} of {count}", fold_in_worker, (str(folder), fold))
        for fold in range(count)
        if not (folder_of(folder, fold) / "result.json").exists()
    ]
    spread.run(calls, lambda: context.stop.check("training folds", "resume with --resume."))


def fold_in_worker(folder: str, fold: int) -> None:
    """In a worker: a fold of a run whose settings are written, resumed where a worker before has begun it."""
    place = Path(folder)
    with catch_signals() as stop, files.lock(folder_of(place, fold)):
        files.sweep(folder_of(place, fold))
        run = check.settings_to_resume(place.parent, place.name, {})
        engine = machine.pick(run.engine)
        with closing(gather(sources.read(run.data), run, stop, quiet, engine.workers)) as dataset:
            train_fold(RunContext(run, dataset, place, engine, stop, quiet), fold, True)
