"""Cross-validation of a fine-tuning: one strategy, run once for each fold, tested on that fold's images.

The features of the images are computed once for all folds; only what is learned from them is learned anew.
"""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

from striate.training.inference import Predictions
from striate.workflows import folds
from striate.workflows.finetune.result import Table
from striate.workflows.finetune.strategies import attempt
from striate.workflows.finetune.task import TransferTask
from striate.workflows.train.artifacts import score

log = logging.getLogger("striate")
FOLDER = "folds"


def test_folds(task: TransferTask, name: str, folder: Path) -> list[Predictions]:
    """The predictions of each fold's classifier for the images that it has not seen; none where no folds are requested.

    Each fold's files go to a folder of its own below `folder`, so that a run that is resumed does not repeat it.
    """
    tests, count = list[Predictions](), folds.requested(task.run)
    for fold in range(count):
        log.info("Fold %d of %d.", fold + 1, count)
        run, dataset = folds.divide(task.run, task.dataset, fold)
        place, left = place_of(folder, fold), count - fold + 1
        test = attempt(replace(task, run=run, dataset=dataset, whole=dataset, folder=place, trainings=left), name, {}).test
        assert test is not None
        tests.append(test)
    if count:
        log.info("The model itself: trained on all images, tested by the %d folds.", count)
    return tests


def place_of(folder: Path, fold: int) -> Path:
    """Where the strategy of a fold lies."""
    return folder / FOLDER / f"fold-{fold}"


def tested(table: Table, tests: list[Predictions]) -> Table:
    """The same table, its one strategy tested by the folds where there are any."""
    if not tests:
        return table
    pooled = folds.pool(tests)
    outcomes = {name: outcome._replace(test=pooled) for name, outcome in table.outcomes.items()}
    return table._replace(outcomes=outcomes, folds=tuple(map(score, tests)))


def remove_models(folder: Path) -> None:
    """Remove the classifiers of the folds, of which only the predictions are needed."""
    for model in folder.glob(f"{FOLDER}/*/*/model"):
        shutil.rmtree(model)
