"""Logits of a network over a stream of batches, in float32 and evaluation mode.

Legend: N images, K classes.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.base.nameless_files import GrowingArray, room_in_cache
from striate.nets.eval_mode import evaluating
from striate.nets.feature_layer import flatten_features
from striate.nets.hooks import inputs
from striate.nets.net import Net
from striate.training.device import Engine


class BatchLike(Protocol):
    """What training needs of a batch."""

    @property
    def images_NCHW(self) -> Tensor:
        """float32, on the device."""

    @property
    def labels_N(self) -> Tensor:
        """int64, on the device."""

    @property
    def ids_N(self) -> NDArray[np.uint64]:
        """Ids of the examples."""

    @property
    def whole(self) -> int:
        """Images in the batch over all processes."""

    @property
    def others_N(self) -> Tensor | None:
        """Labels of what was mixed into the images; None where nothing was."""

    @property
    def shares_N(self) -> Tensor | None:
        """Share of each image's own label, 0..1."""


class Batches(Protocol):
    """What training needs of a stream."""

    @property
    def steps(self) -> int:
        """Batches in an epoch."""

    def epoch(self, epoch: int, start: int = 0) -> Iterator[BatchLike]:
        """The batches of an epoch, from position `start` on."""


class Predictions(NamedTuple):
    """What a network said of N images, ordered by id, whatever the order and the number of processes."""

    ids_N: NDArray[np.uint64]
    labels_N: NDArray[np.int64]
    logits_NK: NDArray[np.floating[Any]]


class PredictionsAndDistances(NamedTuple):
    """Predictions, and a distance that was computed of the features of each image."""

    predictions: Predictions
    distances_N: NDArray[np.float64]


def predict(
    net: nn.Module, batches: Batches, engine: Engine, stopped: Callable[[], bool] = lambda: False,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> Predictions | None:  # fmt: skip
    """The logits of every image of one epoch, in each process those of all; None where `stopped` became true half-way.

    `report` is called with batches done and all.
    """
    columns = _columns(net, batches, engine, stopped, report, lambda: None)
    return None if columns is None else Predictions(*columns)


def predict_with_distances(
    net: Net, batches: Batches, engine: Engine, report: Callable[[int, int], None],
    distances: Callable[[NDArray[np.float32]], NDArray[np.float64]],
) -> PredictionsAndDistances:  # fmt: skip
    """The same, and what `distances` makes of the features of each image, which the head is given, by the same pass."""
    with inputs(net, net.head_name) as head_inputs:
        columns = _columns(
            net, batches, engine, lambda: False, report,
            lambda: distances(flatten_features(head_inputs[net.head_name]).float().cpu().numpy()),
        )  # fmt: skip
    assert columns is not None
    return PredictionsAndDistances(Predictions(*columns[:3]), columns[3])


def _columns(
    net: nn.Module, batches: Batches, engine: Engine, stopped: Callable[[], bool], report: Callable[[int, int], None],
    more: Callable[[], NDArray[Any] | None],
) -> list[NDArray[Any]] | None:  # fmt: skip
    """Ids, labels and logits in the order of the ids, and what `more` gives after each batch, where it gives something."""
    columns = [GrowingArray() for _ in range(4)]  # small arrays kept among the images of batches would hold memory of these
    with evaluating(net), torch.inference_mode():
        for number, batch in enumerate(batches.epoch(0)):
            if engine.world == 1 and stopped():
                return None
            report(number, batches.steps)
            logits_NK = net(batch.images_NCHW).float().cpu().numpy()
            for column, part in zip(columns, (batch.ids_N, batch.labels_N.cpu().numpy(), logits_NK, more()), strict=True):
                if part is not None:
                    column.add(part)
    own = [rows for column in columns if (rows := column.whole()) is not None]
    whole = [_joined(engine.gather(column)) for column in own]
    order = np.argsort(whole[0], kind="stable")
    return [_in_order(column, order) for column in whole]


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _in_order(column: NDArray[Any], order: NDArray[np.int64]) -> NDArray[Any]:
    ordered = room_in_cache(column.shape, column.dtype)
    np.take(column, order, axis=0, out=ordered, mode="clip")  # by another mode numpy makes a copy of all in between
    return ordered
