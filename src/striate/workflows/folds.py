"""Cross-validation: the images divided anew for each fold, and the predictions of all folds together."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from striate.base import config
from striate.data import split
from striate.training.inference import Predictions
from striate.workflows.dataset import Dataset


def requested(run: config.Run) -> int:
    """How many folds a run tests by; 0 for none, and for a run that is one of them."""
    return 0 if run.data.fold is not None else run.data.folds or 0


def divide(run: config.Run, dataset: Dataset, fold: int) -> tuple[config.Run, Dataset]:
    """The settings and the images of one fold, whose test part is that piece of them."""
    fold_run = config.change(run, {"data": {"fold": fold}})
    near = dataset.stored.near if run.data.near_duplicates else None
    parts = split.divide(dataset.examples, dataset.stored.pixel_hash_N, fold_run.data, near)
    return fold_run, replace(dataset, parts=parts)


def pool(tests: Sequence[Predictions]) -> Predictions:
    """The predictions of all folds for their test images, in the order of ids."""
    order = np.argsort(np.concatenate([test.ids_N for test in tests]))
    return Predictions(*(np.concatenate(columns)[order] for columns in zip(*tests, strict=True)))
