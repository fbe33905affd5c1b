import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torchvision.transforms.v2 import functional as published

from striate.base.config import Augment
from striate.batches import lookup_tables

CPU = torch.device("cpu")
IDS = np.arange(1, 13, dtype=np.uint64)
RNG = np.random.default_rng(0)


def random_images(channels: int, side_px: int = 21) -> NDArray[np.uint8]:
    """Twelve images: noise within bounds of its own for each, one that is plain, one of two levels, one almost plain."""
    ends = np.sort(RNG.integers(0, 256, (12, 2, 1, 1, channels)), axis=1)
    result = RNG.integers(ends[:, 0], ends[:, 1] + 1, (12, side_px, side_px, channels)).astype(np.uint8)
    result[0] = 77
    result[1] = RNG.choice([10, 240], result[1].shape)
    result[2], result[2, 0, 0] = 200, 13  # fewer than 255 pixels are not of the highest level: they stay as they are
    return result


def looked_up(pixels_NHWC: NDArray[np.uint8], result: lookup_tables.Tables | None) -> torch.Tensor:
    assert result is not None
    whole = np.broadcast_to(result, (len(pixels_NHWC), pixels_NHWC.shape[3], 256)).copy()
    return lookup_tables.apply(torch.from_numpy(pixels_NHWC).permute(0, 3, 1, 2), whole)


def theirs(pixels_NHWC: NDArray[np.uint8], change: object, *arguments: float) -> torch.Tensor:
    assert callable(change)
    images = torch.from_numpy(pixels_NHWC).permute(0, 3, 1, 2).contiguous()
    return torch.stack([change(image, *arguments) for image in images]).float()


def stretch(image: torch.Tensor) -> torch.Tensor:
    """Autocontrast in whole numbers."""
    low, high = (end(image, dim=(1, 2), keepdim=True).int() for end in (torch.amin, torch.amax))
    wide = ((image.int() - low) * 255).div((high - low).clamp(min=1), rounding_mode="floor")
    return torch.where(high > low, wide, image).byte()


def step(n: int = 12, **changes: int | bool) -> lookup_tables.Step:
    none = {"posterize": 0, "solarize": lookup_tables.UNTOUCHED, "equalize": False, "autocontrast": False}
    return lookup_tables.Step(*(np.full(n, value) for value in (none | changes).values()))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kept", range(9))
def test_posterizing_keeps_the_levels_that_torchvision_keeps(channels: int, kept: int):
    pixels = random_images(channels)
    assert torch.equal(
        looked_up(pixels, lookup_tables.posterize(np.full(12, 8 - kept))), theirs(pixels, published.posterize, kept)
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("threshold", [0, 1, 128, 255])
def test_solarizing_inverts_what_torchvision_inverts(channels: int, threshold: int):
    pixels = random_images(channels)
    result = looked_up(pixels, lookup_tables.solarize(np.full(12, threshold)))
    assert torch.equal(result, theirs(pixels, published.solarize, threshold))
    assert np.array_equal(lookup_tables.solarize(np.array([lookup_tables.UNTOUCHED]))[0, 0], lookup_tables.LEVELS)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side_px", [21, 64])
def test_equalizing_and_stretching_give_the_levels_that_torchvision_gives(channels: int, side_px: int):
    pixels = random_images(channels, side_px)
    counts = lookup_tables.histograms(pixels, CPU)
    assert torch.equal(looked_up(pixels, lookup_tables.equalize(counts)), theirs(pixels, published.equalize))
    stretched = looked_up(pixels, lookup_tables.autocontrast(counts))
    assert torch.equal(stretched, theirs(pixels, stretch))
    above = stretched - theirs(pixels, published.autocontrast)
    assert set(above.unique().tolist()) <= {0.0, 1.0}  # float32, which ends below a whole level and is cut off there


def test_levels_worked_out_by_hand():
    assert lookup_tables.posterize(np.array([6]))[0, 0, [63, 64, 200, 255]].tolist() == [0, 64, 192, 192]
    assert lookup_tables.solarize(np.array([128]))[0, 0, [127, 128, 255]].tolist() == [127, 127, 0]
    counts = np.zeros((1, 1, 256), np.int64)
    counts[0, 0, [50, 100, 150]] = 1
    assert lookup_tables.autocontrast(counts)[0, 0, [50, 100, 150]].tolist() == [0, 127, 255]
    counts[0, 0, [50, 100, 150]] = 510, 510, 2000  # 1020 below the highest: 4 pixels a level, and half of that is added
    assert lookup_tables.equalize(counts)[0, 0, [50, 100, 150]].tolist() == [0, 128, 255]
    counts[0, 0, [50, 100, 150]] = 4, 250, 2
    assert np.array_equal(
        lookup_tables.equalize(counts)[0, 0], lookup_tables.LEVELS
    )  # 254 below the highest: too few for 255 steps


def test_histograms_count_every_pixel_of_every_channel():
    pixels = np.zeros((2, 3, 3, 2), np.uint8)
    pixels[0, 0, :, 1], pixels[1, ..., 0] = 255, 7
    counts = lookup_tables.histograms(pixels, CPU)
    assert counts.shape == (2, 2, 256)
    assert (counts[0, 0, 0], counts[0, 1, 0], counts[0, 1, 255]) == (9, 6, 3)
    assert (counts[1, 0, 7], counts[1, 1, 0], counts.sum()) == (9, 9, 36)
    big = RNG.integers(0, 256, (3, 700, 700, 1), np.uint8)  # counted in more than one part
    assert np.array_equal(lookup_tables.histograms(big, CPU)[2, 0], np.bincount(big[2].ravel(), minlength=256))


@settings(deadline=None, max_examples=25)
@given(
    bits=st.integers(0, 8), threshold=st.integers(0, 256), even=st.booleans(), wide=st.booleans(),
    again=st.booleans(), channels=st.sampled_from([1, 3]),
)  # fmt: skip
def test_one_table_does_what_the_changes_do_one_after_another(
    bits: int, threshold: int, even: bool, wide: bool, again: bool, channels: int
):
    pixels = random_images(channels)
    steps = [step(posterize=bits, solarize=threshold, equalize=even, autocontrast=wide), step(equalize=again)]
    result = lookup_tables.compose(steps, pixels, CPU)
    images = theirs(pixels, published.posterize, 8 - bits).byte()
    if threshold < 256:
        images = published.solarize(images, threshold)
    for wanted, change in ((even, published.equalize), (wide, stretch), (again, published.equalize)):
        images = torch.stack([change(image) for image in images]) if wanted else images
    plain = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    assert torch.equal(plain if result is None else looked_up(pixels, result), images.float())


def test_an_image_that_drew_nothing_keeps_its_table():
    pixels = random_images(3)
    some = step(equalize=True, autocontrast=True, posterize=3)
    some = lookup_tables.Step(*(np.where(np.arange(12) < 6, drawn, none) for drawn, none in zip(some, step(), strict=True)))
    result = lookup_tables.compose([some], pixels, CPU)
    assert result is not None
    assert np.array_equal(result[6:], np.broadcast_to(lookup_tables.LEVELS, (6, 3, 256)))
    assert lookup_tables.compose([step()], pixels, CPU) is None


def test_draws_have_the_bounds_and_shares_that_were_asked_for():
    ids = np.arange(4000, dtype=np.uint64)
    result = lookup_tables.draw(Augment(posterize=3, solarize=0.5, equalize=0.25, autocontrast=0.75), ids, 0, 0)
    assert result is not None
    assert np.bincount(result.posterize_N) / 4000 == pytest.approx([0.25] * 4, abs=0.03)
    assert (result.solarize_N.min(), result.solarize_N.max()) == (128, 255)
    assert result.solarize_N.mean() == pytest.approx(191.75, abs=2)
    assert (result.equalize_N.mean(), result.autocontrast_N.mean()) == pytest.approx((0.25, 0.75), abs=0.03)
    assert lookup_tables.draw(Augment(rotate=10), ids, 0, 0) is None
    other = lookup_tables.draw(Augment(solarize=0.5), ids, 0, 1)
    assert other is not None
    assert not np.array_equal(other.solarize_N, result.solarize_N)
    assert not other.equalize_N.any()
