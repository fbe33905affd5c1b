import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.batches.loader import Loader
from striate.batches.preprocess import Preprocess
from striate.training.transfer.head_training import FeatureStream, fresh

COUNT = 23


def streams(batch_size: int, seed: int | None, kept: int = COUNT) -> tuple[Loader, FeatureStream]:
    """Images whose one pixel is their number, and features that are the same number."""
    numbers = np.arange(COUNT)
    ids_N, labels_N = np.sort(np.random.default_rng(0).integers(0, 2**63, COUNT, np.uint64)), numbers % 3
    rows_M = numbers[:kept]
    images = Loader(
        pixels_NHWC=numbers.astype(np.uint8).reshape(-1, 1, 1, 1), labels_N=labels_N, ids_N=ids_N, rows_M=rows_M,
        preprocess=Preprocess(torch.zeros(1, 1, 1), torch.ones(1, 1, 1)), batch_size=batch_size, shuffle_seed=seed,
    )  # fmt: skip
    values = numbers.astype(np.float32).reshape(-1, 1)
    return images, FeatureStream([values, values + 100], rows_M, labels_N[:kept], ids_N[:kept], batch_size, seed)


@given(st.integers(1, 30), st.one_of(st.none(), st.integers(0, 5)), st.integers(0, 4), st.integers(1, COUNT))
def test_features_come_in_the_order_of_their_images(batch_size: int, seed: int | None, epoch: int, kept: int):
    images, features = streams(batch_size, seed, kept)
    assert features.steps == images.steps
    for start in {0, features.steps - 1}:
        pairs = list(zip(images.epoch(epoch, start), features.epoch(epoch, start), strict=True))
        for of_images, of_features in pairs:
            assert of_images.ids_N.tolist() == of_features.ids_N.tolist()
            assert of_images.labels_N.tolist() == of_features.labels_N.tolist()
            assert of_images.whole == of_features.whole
            numbers = (of_images.images_NCHW.flatten() * 255).round().tolist()
            assert numbers == (of_features.images_NCHW.flatten() % 100).tolist()


def test_each_epoch_shows_the_next_of_the_changed_copies():
    _, features = streams(COUNT, 0)
    seen = [float(next(features.epoch(epoch)).images_NCHW.min()) for epoch in range(4)]
    assert seen == [0, 100, 0, 100]


def test_a_fresh_head_says_nothing():
    head = fresh(5, 3)
    assert torch.equal(head(torch.randn(2, 5)), torch.zeros(2, 3))
