"""Cross-validation of a fine-tuning: each fold tests on other images, and the validation images of all folds choose.

The frozen body computes the features of all images once, for every fold and for the model that is made of all images.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from striate.base import config, run_folder
from striate.data import split
from striate.metrics.intervals import Interval, wilson
from striate.training.inference import Predictions
from striate.workflows.finetune.task import TransferTask
from striate.workflows.train.artifacts import Score, score


class FoldResults(NamedTuple):
    """What the folds gave for each strategy."""

    val: Mapping[str, Interval]  # accuracy on the validation images of all folds
    test: Mapping[str, Predictions]  # of every image, in the order of ids
    scores: Mapping[str, tuple[Score, ...]]  # of each fold's test images


def task_of(whole: TransferTask, folder: Path, fold: int) -> TransferTask:
    """The fine-tuning of a fold, in a folder of its own."""
    run = config.change(whole.run, {"data": {"fold": fold}})
    parts = split.divide(whole.dataset.examples, whole.dataset.stored.pixel_hash_N, run.data)
    dataset = replace(whole.dataset, parts=parts)
    inner = folder / "folds" / f"fold-{fold}"
    return replace(whole, run=run, dataset=dataset, whole=dataset, folder=inner / "strategies")


def collect(folders: list[Path], names: list[str]) -> FoldResults:
    """The predictions that the folds in these folders have written, for these strategies."""
    val: dict[str, Interval] = {}
    test: dict[str, Predictions] = {}
    scores: dict[str, tuple[Score, ...]] = {}
    for name in names:
        parts = {part: [_predictions(folder, name, part) for folder in folders] for part in ("val", "test")}
        right = sum(int((one.logits_NK.argmax(axis=1) == one.labels_N).sum()) for one in parts["val"])
        val[name] = wilson(right, sum(len(one.labels_N) for one in parts["val"]))
        order = np.argsort(np.concatenate([one.ids_N for one in parts["test"]]))
        test[name] = Predictions(*(np.concatenate(columns)[order] for columns in zip(*parts["test"], strict=True)))
        scores[name] = tuple(given for one in parts["test"] if (given := score(one)) is not None)
    return FoldResults(val, test, scores)


def _predictions(folder: Path, name: str, part: str) -> Predictions:
    return Predictions(*run_folder.load_predictions(folder / "strategies" / name / f"predictions-{part}.npz"))
