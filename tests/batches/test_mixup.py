import numpy as np
import pytest
import torch

from striate.base.config import Augment
from striate.batches import augment, mixup
from striate.batches.loader import Batch, Loader
from striate.batches.preprocess import Preprocess

RNG = np.random.default_rng(0)
PIXELS_NHWC = RNG.integers(0, 256, (30, 9, 9, 3), np.uint8)
IDS = RNG.integers(0, 2**63, 30).astype(np.uint64)
LABELS = np.arange(30) % 3
BLACK, WHITE = torch.zeros(30, 1, 8, 8), torch.ones(30, 1, 8, 8)


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.5, 1.0])
def test_shares_come_from_a_beta_distribution(alpha: float):
    drawn = mixup.beta(alpha, np.arange(20_000, dtype=np.uint64), 0, 0, "share")
    assert np.all((drawn >= 0) & (drawn <= 1))
    assert drawn.mean() == pytest.approx(0.5, abs=0.015)
    assert drawn.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


def test_mixup_lays_one_image_over_the_other_by_its_share():
    mixed, shares = mixup.mix(BLACK, WHITE, Augment(mixup=0.4), IDS, 0, 0)
    assert torch.allclose(mixed, (1 - shares).view(-1, 1, 1, 1).expand_as(mixed), atol=1e-6)
    assert len(shares.unique()) > 20


def test_cutmix_puts_in_a_rectangle_and_counts_its_pixels():
    mixed, shares = mixup.mix(BLACK, WHITE, Augment(cutmix=1.0), IDS, 0, 0)
    assert set(mixed.unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(1 - mixed.mean((1, 2, 3)), shares, atol=1e-6)
    for image in mixed[:, 0]:
        rows, columns = image.any(1).sum(), image.any(0).sum()
        assert int(image.sum()) == int(rows * columns)
    assert float(shares.mean()) == pytest.approx(0.65, abs=0.15)  # half, and what the border cuts off


def test_where_both_are_asked_for_each_image_is_mixed_in_one_of_the_ways():
    mixed, shares = mixup.mix(BLACK, WHITE, Augment(cutmix=1.0, mixup=1.0), IDS, 0, 0)
    cut = torch.tensor([bool(((image == 0) | (image == 1)).all()) for image in mixed])
    assert 5 < int(cut.sum()) < 25
    assert torch.allclose(1 - mixed.mean((1, 2, 3)), shares, atol=1e-5)


def stream(settings: Augment, batch: int, rank: int = 0, world: int = 1) -> Loader:
    half = torch.full((3, 1, 1), 0.5)
    changes = augment.fit(settings, PIXELS_NHWC, np.arange(30), 0)
    return Loader(
        PIXELS_NHWC, LABELS, IDS, np.arange(30), Preprocess(half, half), batch, shuffle_seed=1, rank=rank, world=world,
        augmentation=changes,
    )  # fmt: skip


def rows(*batches: Batch) -> dict[int, tuple[list[float], int, int, float]]:
    actual = {}
    for batch in batches:
        assert batch.others_N is not None
        assert batch.shares_N is not None
        for i, image, *labels in zip(
            batch.ids_N, batch.images_NCHW, batch.labels_N, batch.others_N, batch.shares_N, strict=True
        ):
            actual[int(i)] = (image.flatten().tolist(), *(label.item() for label in labels))
    return actual


def test_a_partner_is_the_next_of_the_order_whatever_batch_process_or_resumption():
    settings = Augment(mixup=0.5, flip=True, rotate=10, cutmix=0.5)
    whole = rows(*stream(settings, 30).epoch(3))
    assert len(whole) == 30
    for batch in (1, 4, 7):
        assert rows(*stream(settings, batch).epoch(3)) == whole
    shared = [batch for rank in range(3) for batch in stream(settings, 8, rank, 3).epoch(3)]
    assert rows(*shared) == whole
    assert rows(*stream(settings, 8).epoch(3, 2)).items() <= whole.items()


def test_the_order_is_a_ring_of_partners():
    batch = next(iter(stream(Augment(mixup=1.0), 30).epoch(0)))
    assert batch.others_N is not None
    assert torch.equal(batch.others_N, batch.labels_N.roll(-1))


def test_without_mixing_there_are_no_partners():
    batch = next(iter(stream(Augment(flip=True), 30).epoch(0)))
    assert batch.others_N is None
    assert batch.shares_N is None
