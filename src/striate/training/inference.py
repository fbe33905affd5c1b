"""Logits of a network over a stream of batches, in float32 and evaluation mode.

Legend: N images, K classes.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.nets.eval_mode import evaluating
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
    logits_NK: NDArray[np.float32]


def predict(
    net: nn.Module, batches: Batches, engine: Engine, stopped: Callable[[], bool] = lambda: False,
    report: Callable[[int, int], None] = lambda _done, _total: None,
) -> Predictions | None:  # fmt: skip
    """The logits of every image of one epoch, in each process those of all; None where `stopped` became true half-way.

    `report` is called with batches done and all.
    """
    ids, labels, logits = [], [], []
    with evaluating(net), torch.inference_mode():
        for number, batch in enumerate(batches.epoch(0)):
            if engine.world == 1 and stopped():
                return None
            report(number, batches.steps)
            ids.append(batch.ids_N)
            labels.append(batch.labels_N.cpu().numpy())
            logits.append(net(batch.images_NCHW).float().cpu().numpy())
    gathered = [np.concatenate(engine.gather(np.concatenate(part))) for part in (ids, labels, logits)]
    order = np.argsort(gathered[0], kind="stable")
    return Predictions(gathered[0][order], gathered[1][order], gathered[2][order])
