"""Batches of images that are decoded as they are needed are those from the store, bit for bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from striate.base.settings import Augment, PreprocessSettings
from striate.batches import augment, preprocess
from striate.batches.loader import Batch, Loader
from striate.data import folders, pixel_cache
from striate.data.decode import InputSpec
from striate.data.on_the_fly import DecodedOnTheFly, PixelRows
from support.forked_children import forked_children
from support.shape_images import make_folder

pytestmark = pytest.mark.children


@pytest.fixture(autouse=True)
def begun_as_forks(monkeypatch: pytest.MonkeyPatch) -> None:
    forked_children(monkeypatch)


LOOK = InputSpec(16, 3, "crop")
CHANGES = Augment(flip=True, rotate=20, crop=0.5, hue=0.1, brightness=0.3, random_erasing=0.5, pca_noise=0.1, mixup=0.2)
ROWS = np.arange(2, 28)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streamed")
    make_folder(folder / "photos", each=10)
    return folder


def stream(place: Path, workers: int, batch: int) -> Loader:
    """From the store where there are no workers; else decoded by so many."""
    examples = folders.read(place / "photos")
    if workers:
        stored = pixel_cache.build(examples, LOOK, place / "cache", most_bytes=0, workers=workers)
        assert isinstance(stored.pixels_NHWC, DecodedOnTheFly)
    else:
        stored = pixel_cache.build(examples, LOOK, place / "kept")
        assert isinstance(stored.pixels_NHWC, np.memmap)
    pixels: PixelRows = stored.pixels_NHWC
    return Loader(
        pixels, examples.labels_N, examples.ids_N, ROWS, preprocess.fit(pixels, ROWS, PreprocessSettings(center="image")),
        batch, 5,
        augmentation=augment.fit(CHANGES, pixels, ROWS, seed=5),
    )  # fmt: skip


def images(batches: list[Batch]) -> dict[int, torch.Tensor]:
    return {int(i): image for batch in batches for i, image in zip(batch.ids_N, batch.images_NCHW, strict=True)}


def assert_same(one: list[Batch], other: list[Batch]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.ids_N.tolist() == b.ids_N.tolist()
        assert a.whole == b.whole
        for name in ("images_NCHW", "labels_N", "others_N", "shares_N"):
            assert torch.equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("workers", [1, 2, pytest.param(4, marks=pytest.mark.soak)])
def test_changed_images_are_the_same_whoever_decodes_them(place: Path, workers: int):
    kept, actual = stream(place, 0, 7), stream(place, workers, 7)
    assert torch.equal(kept.preprocess.mean, actual.preprocess.mean)
    assert torch.equal(kept.preprocess.std, actual.preprocess.std)
    assert actual.augmentation is not None
    assert kept.augmentation is not None
    assert actual.augmentation.mean_C == kept.augmentation.mean_C
    assert np.array_equal(actual.augmentation.colors_33, kept.augmentation.colors_33)
    assert_same(list(kept.epoch(1)), list(actual.epoch(1)))
    assert_same(list(kept.epoch(2, start=2)), list(actual.epoch(2, start=2)))


def test_they_are_the_same_in_batches_of_any_size(place: Path):
    kept = images(list(stream(place, 0, 26).epoch(3)))
    streamed = stream(place, 2, 4)
    for batch in (1, 4, 50):
        actual = images(list(replace(streamed, batch_size=batch).epoch(3)))
        assert actual.keys() == kept.keys()
        for i, image in kept.items():
            assert torch.equal(image, actual[i])


def test_two_processes_get_their_shares(place: Path):
    kept, actual = stream(place, 0, 8), stream(place, 2, 8)
    for rank in (0, 1):
        share = {"rank": rank, "world": 2}
        assert_same(list(replace(kept, **share).epoch(0)), list(replace(actual, **share).epoch(0)))


def test_a_process_without_a_share_of_a_batch_goes_on(place: Path):
    one_each = replace(stream(place, 2, 1), rank=1, world=2, augmentation=None)
    assert [len(batch.ids_N) for batch in one_each.epoch(0)] == [0] * 26
