import colorsys

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from striate.base.config import Augment
from striate.batches import color

IDS = np.arange(1, 9, dtype=np.uint64)
MEANS = np.full((8, 3), 0.5)


def through(matrix: NDArray[np.float64], *levels: float) -> list[float]:
    pixel = torch.tensor(levels).view(1, -1, 1, 1)
    return [float(level) for level in color.apply(pixel, matrix).flatten()]


def one(value: float) -> NDArray[np.float64]:
    return np.array([value])


def test_brightness_multiplies_and_stays_within_bounds():
    assert through(color.brightness(one(1.5), 3), 0.2, 0.4, 0.8) == pytest.approx([0.3, 0.6, 1.0])
    assert through(color.brightness(one(0.5), 1), 0.8) == pytest.approx([0.4])


def test_contrast_is_the_distance_to_the_mean_gray():
    assert through(color.contrast(one(0.5), one(0.4), 3), 0.2, 0.4, 0.8) == pytest.approx([0.3, 0.4, 0.6])


def test_saturation_zero_is_the_gray_of_itu_601_and_one_is_nothing():
    gray = 0.299 * 0.2 + 0.587 * 0.4 + 0.114 * 0.8
    assert through(color.saturation(one(0.0)), 0.2, 0.4, 0.8) == pytest.approx([gray] * 3)
    assert through(color.saturation(one(1.0)), 0.2, 0.4, 0.8) == pytest.approx([0.2, 0.4, 0.8])
    assert through(color.saturation(one(0.5)), 0.2, 0.4, 0.8) == pytest.approx([(gray + x) / 2 for x in (0.2, 0.4, 0.8)])


def test_a_turn_of_hue_keeps_the_gray_and_a_whole_turn_is_nothing():
    before = (0.6, 0.4, 0.5)
    after = through(color.hue(one(0.2)), *before)
    assert np.dot(after, color.LUMA) == pytest.approx(np.dot(before, color.LUMA), abs=1e-3)
    assert through(color.hue(one(1.0)), *before) == pytest.approx(before, abs=1e-5)
    assert after != pytest.approx(before, abs=0.02)


def test_a_third_of_a_turn_takes_reddish_to_the_hue_a_third_further_on():
    before = (0.55, 0.45, 0.45)
    hues = [colorsys.rgb_to_hsv(*through(color.hue(one(turn)), *before))[0] for turn in (1 / 3, -1 / 3)]
    assert sorted(hues) == pytest.approx([1 / 3, 2 / 3], abs=0.08)


def test_lighting_adds_components_times_variances_times_draws():
    components = np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [0.0, -0.8, 0.6]]).T * np.array([0.3, 0.2, 0.1])
    ids = np.arange(4000, dtype=np.uint64)
    result = color.matrices(Augment(pca_noise=0.1), ids, np.full((4000, 3), 0.5), components, 0, 0)
    assert result is not None
    added = result[..., 3]
    assert np.array_equal(result[..., :3], np.tile(np.eye(3), (4000, 1, 1)))
    expected = 0.01 * components @ components.T
    assert np.cov(added.T, bias=True) == pytest.approx(expected, abs=0.06 * expected.max())
    assert np.abs(added.mean(axis=0)).max() < 0.002


def test_gray_images_come_as_often_as_asked():
    ids = np.arange(2000, dtype=np.uint64)
    result = color.matrices(Augment(gray=0.3), ids, np.full((2000, 3), 0.5), None, 0, 0)
    assert result is not None
    assert 0.27 < np.mean(result[:, 0, 0] < 0.5) < 0.33


def test_one_matrix_does_what_all_do_one_after_another():
    rng = np.random.default_rng(0)
    parts = [
        color.brightness(rng.uniform(0.8, 1.1, 8), 3), color.contrast(rng.uniform(0.7, 1.2, 8), rng.random(8), 3),
        color.saturation(rng.uniform(0.5, 1.2, 8)), color.hue(rng.uniform(-0.1, 0.1, 8)),
    ]  # fmt: skip
    images = torch.rand(8, 3, 4, 4) * 0.2 + 0.4  # so that no step reaches 0 or 1
    after = images
    for part in parts:
        after = color.apply(after, part)
    assert torch.allclose(color.apply(images, color.multiply(parts, 8, 3)), after, atol=1e-5)


def test_contrast_turns_around_what_brightness_has_made_of_the_mean():
    wanted = Augment(brightness=0.4, contrast=0.4)
    result = color.matrices(wanted, IDS, MEANS, None, 3, 4)
    bright = color.matrices(Augment(brightness=0.4), IDS, MEANS, None, 3, 4)
    assert result is not None
    assert bright is not None
    mean_after = color.compose([result], 8, 3, MEANS)
    assert mean_after == pytest.approx(color.compose([bright], 8, 3, MEANS))


def test_nothing_of_color_gives_no_matrix_and_draws_depend_on_seed_epoch_and_id():
    assert color.matrices(Augment(rotate=10), IDS, MEANS, None, 0, 0) is None
    wanted = Augment(brightness=0.4, saturation=0.4, hue=0.1)
    result = color.matrices(wanted, IDS, MEANS, None, 1, 2)
    assert result is not None
    alone = color.matrices(wanted, IDS[3:4], MEANS[3:4], None, 1, 2)
    assert alone is not None
    assert np.array_equal(alone[0], result[3])
    for seed, epoch in ((2, 2), (1, 3)):
        other = color.matrices(wanted, IDS, MEANS, None, seed, epoch)
        assert other is not None
        assert not np.isclose(other, result).all(axis=(1, 2)).any()
