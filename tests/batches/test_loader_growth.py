"""The first batches of any epoch cost as much whatever the number of images, for each of several processes."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from striate.batches import loader
from striate.batches.preprocess import Preprocess

BATCHES, SLACK_BYTES = 6, 200_000


class Gray:
    """Images that take no memory."""

    def __init__(self, count: int) -> None:
        self.shape = (count, 4, 4, 1)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows_M: NDArray[np.int64], /) -> Any:
        return np.zeros((len(rows_M), *self.shape[1:]), np.uint8)


def cost(count: int, epoch: int, rank: int, world: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Most bytes that the first batches of an epoch allocate, and how many places of the order are computed for them."""
    computed, places = [0], loader.places

    def counted(first: int, end: int, *more: Any) -> Any:
        computed[0] += end - first
        return places(first, end, *more)

    monkeypatch.setattr(loader, "places", counted)
    half = Preprocess(torch.full((1, 1, 1), 0.5), torch.full((1, 1, 1), 0.25))
    ids, labels = np.arange(count, dtype=np.uint64), np.zeros(count, np.int64)
    made = loader.Loader(Gray(count), labels, ids, np.arange(count), half, 64, 0, rank=rank, world=world)
    tracemalloc.start()
    batches = made.epoch(epoch)
    seen = [int(i) for _ in range(BATCHES) for i in next(batches).ids_N]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    monkeypatch.setattr(loader, "places", places)
    assert len({*seen}) == len(seen) > 0
    return most, computed[0]


@pytest.mark.parametrize(("rank", "world"), [(0, 1), (1, 2), (2, 3)])
def test_first_batches_allocate_and_compute_as_much_of_a_million_images_in_epoch_1000(
    rank: int, world: int, monkeypatch: pytest.MonkeyPatch
):
    cost(10_000, 0, rank, world, monkeypatch)  # what is made once
    expected, places = cost(10_000, 0, rank, world, monkeypatch)
    for count, epoch in ((10_000, 1000), (1_000_000, 0), (1_000_000, 1000)):
        most, computed = cost(count, epoch, rank, world, monkeypatch)
        assert computed <= places + 64  # a batch of them
        assert most < expected + SLACK_BYTES, (count, epoch)
