from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.base import config
from striate.base.errors import SettingError
from striate.base.settings import Augment
from striate.batches import augment
from striate.batches.loader import Batch, Loader
from striate.batches.preprocess import Preprocess
from striate.batches.sampler import balanced

PLAIN = Preprocess(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
COUNTS = st.lists(st.integers(1, 12), min_size=1, max_size=4)


def make(counts: list[int], batch: int = 4, changes: Augment | None = None) -> Loader:
    """A class for each count; the image of row r has the id 1000 + r and noise for pixels."""
    labels_N = np.repeat(np.arange(len(counts)), counts)
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (len(labels_N), 6, 6, 1), np.uint8)
    rows_M, ids_N = np.arange(len(labels_N)), np.arange(len(labels_N), dtype=np.uint64) + 1000
    augmentation = None if changes is None else augment.fit(changes, pixels_NHWC, rows_M, seed=0)
    return Loader(
        pixels_NHWC, labels_N, ids_N, rows_M, PLAIN, batch, shuffle_seed=0,
        augmentation=augmentation, sampling=balanced(rows_M, labels_N),
    )  # fmt: skip


def ids(stream: Loader, epoch: int, start: int = 0) -> list[int]:
    return [int(i) for batch in stream.epoch(epoch, start) for i in batch.ids_N]


def test_each_class_has_as_many_places_as_the_largest_has_images():
    stream = make([6, 2, 3, 4])
    assert (len(stream), stream.places, stream.steps) == (15, 24, 6)
    shown = Counter(ids(stream, 0))
    assert [shown[1000 + row] for row in range(15)] == [1] * 6 + [3] * 2 + [2] * 3 + [2, 2, 1, 1]


def test_the_places_that_are_left_go_round_from_epoch_to_epoch():
    stream = make([5, 3])  # 5 places for 3 images: two of them have a second turn
    twice = [{i for i, count in Counter(ids(stream, epoch)).items() if count == 2} for epoch in range(4)]
    assert twice == [{1005, 1006}, {1007, 1005}, {1006, 1007}, {1005, 1006}]


@settings(max_examples=50)
@given(COUNTS, st.integers(1, 9), st.integers(1, 3), st.integers(0, 5))
def test_the_images_of_an_epoch_depend_neither_on_the_batch_nor_on_the_processes(
    counts: list[int], batch: int, world: int, epoch: int
):
    stream = make(counts, batch)
    shown = Counter(ids(stream, epoch))
    by_class = [[shown[1000 + row] for row in np.flatnonzero(stream.labels_N == k)] for k in range(len(counts))]
    assert [sum(turns) for turns in by_class] == [max(counts)] * len(counts)
    assert all(max(turns) - min(turns) <= 1 for turns in by_class)
    assert ids(stream, epoch) == ids(replace(stream, batch_size=7), epoch)
    dealt = Counter(i for rank in range(world) for i in ids(replace(stream, rank=rank, world=world), epoch))
    assert dealt == shown


@settings(max_examples=50)
@given(COUNTS)
def test_over_as_many_epochs_as_it_has_images_each_of_a_class_comes_equally_often(counts: list[int]):
    stream, n = make(counts), counts[-1]
    shown = Counter(i for epoch in range(n) for i in ids(stream, epoch))
    assert {shown[1000 + row] for row in range(sum(counts) - n, sum(counts))} == {max(counts)}


def test_an_epoch_can_begin_anywhere():
    stream = make([9, 4, 1], changes=Augment(rotate=30, mixup=0.5))
    whole, rest = list(stream.epoch(2)), list(stream.epoch(2, start=3))
    assert [batch.ids_N.tolist() for batch in rest] == [batch.ids_N.tolist() for batch in whole[3:]]
    assert all(torch.equal(one.images_NCHW, other.images_NCHW) for one, other in zip(rest, whole[3:], strict=True))


def by_id(batches: list[Batch]) -> dict[int, list[bytes]]:
    seen: dict[int, list[bytes]] = {}
    for batch in batches:
        for i, image_CHW in zip(batch.ids_N, batch.images_NCHW, strict=True):
            seen.setdefault(int(i), []).append(image_CHW.numpy().tobytes())
    return seen


@pytest.mark.parametrize("changes", [Augment(rotate=90), Augment(brightness=0.5), Augment(mixup=1.0, rotate=9)])
def test_no_two_copies_of_an_image_are_changed_alike(changes: Augment):
    stream = make([8, 1, 3], changes=changes)
    seen = by_id(list(stream.epoch(0)))
    assert [len(seen[i]) for i in (1000, 1008, 1009)] == [1, 8, 3]
    assert all(len(set(images)) == len(images) for images in seen.values())


def test_the_first_copy_is_changed_as_it_is_where_each_image_comes_once():
    stream = make([8, 1, 3], changes=Augment(rotate=90))
    copies, once = by_id(list(stream.epoch(0))), by_id(list(replace(stream, sampling=None).epoch(0)))
    assert all(once[i][0] in copies[i] for i in once)


def test_without_changes_the_copies_are_the_image():
    seen = by_id(list(make([8, 1, 3]).epoch(0)))
    assert all(len(set(images)) == 1 for images in seen.values())


def test_several_processes_change_and_mix_as_one_does():
    stream = make([7, 2, 3], batch=5, changes=Augment(rotate=30, mixup=0.5, cutmix=0.5))
    both = [list(replace(stream, rank=rank, world=2).epoch(1)) for rank in (0, 1)]
    for whole, *parts in zip(stream.epoch(1), *both, strict=True):
        for rank, part in enumerate(parts):
            assert torch.equal(part.images_NCHW, whole.images_NCHW[rank::2])
            assert torch.equal(part.others_N, whole.others_N[rank::2])
            assert torch.equal(part.shares_N, whole.shares_N[rank::2])


def test_balancing_twice_is_refused():
    with pytest.raises(SettingError) as refused:
        config.build({"train": {"sampling": "balanced", "class_weights": "balanced"}})
    expected = "train: class_weights and sampling are both balanced, which would count rare classes twice; remove one."
    assert str(refused.value) == expected
