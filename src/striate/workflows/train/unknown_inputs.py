"""The unknown-input flag of a model that has been trained: statistics of training images, a threshold by validation images.

Legend: N images, V validation images, M training images, D features.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base.events import progress
from striate.base.phrases import plural
from striate.metrics import unknown_inputs
from striate.metrics.unknown_inputs import MOST_IMAGES, FeatureStatistics, UnknownInputs
from striate.nets import catalogue
from striate.nets.images_at_once import images_at_once
from striate.training.inference import Predictions, predict, predict_with_distances
from striate.training.transfer import feature_cache
from striate.workflows.inspect.model_on_data import affordable, sample
from striate.workflows.run_context import RunContext
from striate.workflows.train.setup import TrainingSetup

log = logging.getLogger("striate")

_BATCH = 128


class Predicted(NamedTuple):
    """What a trained network says of validation and test images, and how its model tells unknown ones."""

    val: Predictions
    test: Predictions | None
    unknown_inputs: UnknownInputs | None


def predict_parts(context: RunContext, setup: TrainingSetup) -> Predicted:
    """The predictions for validation and test images, whose distances are taken from the same passes."""
    net, loaders, engine = setup.net, setup.loaders, context.engine
    report, has_test = progress(context.watch, "test"), len(loaders["test"]) > 0
    statistics = _statistics(context, setup)
    if statistics is None:
        plain = predict(net, loaders["val"], engine, report=report)
        assert plain is not None
        return Predicted(plain, predict(net, loaders["test"], engine, report=report) if has_test else None, None)
    val = predict_with_distances(net, loaders["val"], engine, report, statistics.distances)
    test = predict_with_distances(net, loaders["test"], engine, report, statistics.distances) if has_test else None
    distances_N = None if test is None else test.distances_N
    flag = unknown_inputs.calibrated(statistics, val.distances_N, context.run.unknown_rate, distances_N)
    return Predicted(val.predictions, None if test is None else test.predictions, flag)


def of_features(
    context: RunContext, train_rows_M: NDArray[np.int64], train_features: Callable[[NDArray[np.bool_]], NDArray[np.float32]],
    val_VD: NDArray[np.float32], test_ND: NDArray[np.float32] | None,
) -> UnknownInputs | None:  # fmt: skip
    """The same of features that are there already; `train_features` gives those of some of the training images."""
    if not _is_possible(context, len(val_VD)):
        return None
    chosen_M = np.isin(train_rows_M, sample(context.dataset, train_rows_M, MOST_IMAGES))
    labels_M = context.dataset.examples.labels_N[train_rows_M[chosen_M]]
    statistics = _fitted(train_features(chosen_M), labels_M)
    if statistics is None:
        return None
    distances_N = None if test_ND is None else statistics.distances(test_ND)
    return unknown_inputs.calibrated(statistics, statistics.distances(val_VD), context.run.unknown_rate, distances_N)


def _statistics(context: RunContext, setup: TrainingSetup) -> FeatureStatistics | None:
    dataset, net = context.dataset, setup.net
    learns_otherwise = catalogue.gradient_free(context.run.net.name or "") is not None
    if learns_otherwise or not _is_possible(context, len(dataset.parts.val_M)):
        return None
    rows_M = dataset.by_id(sample(dataset, dataset.parts.train_M, min(MOST_IMAGES, affordable(net))))
    size = images_at_once(net, net.input_chw, min(_BATCH, len(rows_M)))
    loader = dataset.loader(rows_M, setup.preprocess, max(1, size), context.engine)
    (features_MD,) = feature_cache.compute(net, loader)
    return _fitted(features_MD, dataset.examples.labels_N[rows_M])


def _fitted(features_MD: NDArray[np.float32], labels_M: NDArray[np.int64]) -> FeatureStatistics | None:
    statistics = unknown_inputs.fit(features_MD, labels_M)
    if statistics is None:
        log.info("Unknown images are not flagged: the training images are too few, or their features do not differ.")
    return statistics


def _is_possible(context: RunContext, count: int) -> bool:
    rate = context.run.unknown_rate
    if not rate:
        return False
    if count < (least := unknown_inputs.images_needed(rate)):
        log.info(
            "Unknown images are not flagged: that needs %s at a rate of %g; there %s %s.",
            plural(least, "validation image"), rate, "is" if count == 1 else "are", f"{count:,}",
        )  # fmt: skip
        return False
    return True
