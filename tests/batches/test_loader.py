from dataclasses import replace

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.batches.loader import Loader
from striate.batches.preprocess import Preprocess

PLAIN = Preprocess(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))


def make(count: int, batch: int, seed: int | None = 0) -> Loader:
    pixels_NHWC = np.arange(count, dtype=np.uint8).reshape(count, 1, 1, 1)
    ids_N = np.arange(count, dtype=np.uint64) + 1000
    return Loader(pixels_NHWC, np.arange(count), ids_N, np.arange(count), PLAIN, batch, seed)


def ids(stream: Loader, epoch: int, start: int = 0) -> list[int]:
    return [int(i) for batch in stream.epoch(epoch, start) for i in batch.ids_N]


@given(st.integers(1, 120), st.integers(1, 50), st.integers(1, 5), st.integers(0, 3))
def test_every_image_is_seen_exactly_once_whatever_the_batch_and_the_processes(count: int, batch: int, world: int, epoch: int):
    whole = make(count, batch)
    seen = [i for rank in range(world) for i in ids(replace(whole, rank=rank, world=world), epoch)]
    assert sorted(seen) == [1000 + i for i in range(count)]
    assert sorted(seen) == sorted(ids(whole, epoch))


@given(st.integers(1, 120), st.integers(1, 50))
def test_batches_differ_by_at_most_one_image_and_none_is_larger_than_asked_for(count: int, batch: int):
    stream = make(count, batch)
    sizes = [actual.whole for actual in stream.epoch(0)]
    assert len(sizes) == stream.steps
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1


def test_the_order_is_a_function_of_seed_and_epoch():
    stream = make(50, 8)
    assert ids(stream, 3) == ids(stream, 3)
    assert ids(stream, 3) != ids(stream, 4)
    assert ids(stream, 3) != ids(replace(stream, shuffle_seed=1), 3)
    assert ids(replace(stream, shuffle_seed=None), 3) == list(range(1000, 1050))


def test_an_epoch_can_begin_anywhere():
    stream = make(50, 8)
    whole = list(stream.epoch(2))
    rest = list(stream.epoch(2, start=4))
    assert [batch.ids_N.tolist() for batch in rest] == [batch.ids_N.tolist() for batch in whole[4:]]


def test_the_order_does_not_depend_on_the_size_of_batches():
    assert ids(make(60, 7), 1) == ids(make(60, 20), 1)


def test_images_labels_and_ids_stay_together():
    for batch in make(30, 7).epoch(0):
        assert torch.allclose(batch.images_NCHW.flatten() * 255, batch.labels_N.float())
        assert (batch.ids_N - 1000).tolist() == batch.labels_N.tolist()
        assert batch.images_NCHW.shape[1:] == (1, 1, 1)


def test_the_first_batch_of_an_epoch_costs_no_other():
    reads: list[int] = []

    class Watched(np.ndarray):
        def __getitem__(self, rows):
            reads.append(len(rows))
            return np.asarray(self)[rows]

    stream = make(100, 10)
    watched = replace(stream, pixels_NHWC=stream.pixels_NHWC.view(Watched))
    next(watched.epoch(0, start=9))
    assert reads == [10]


def test_channels_last_is_a_matter_of_memory_alone():
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (4, 5, 5, 3), np.uint8)
    three = Preprocess(torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    plain = Loader(pixels_NHWC, np.arange(4), np.arange(4, dtype=np.uint64), np.arange(4), three, 4)
    last = replace(plain, channels_last=True)
    one, other = next(plain.epoch(0)).images_NCHW, next(last.epoch(0)).images_NCHW
    assert torch.equal(one, other)
    assert one.is_contiguous()
    assert other.is_contiguous(memory_format=torch.channels_last)
