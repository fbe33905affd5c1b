import numpy as np
import pytest
import torch

from striate.batches import patch_responses
from striate.batches.patch_responses import PatchResponses, shrink


def test_a_filter_responds_by_quarter_whatever_the_sign_of_the_contrast():
    # a vertical edge filter; the step lies in the left half, where 2 of its 4 places see it
    filters = torch.tensor([[1.0, -1.0], [1.0, -1.0]]).view(1, 1, 2, 2)
    pixels = np.zeros((1, 9, 9, 1), np.uint8)
    pixels[:, :, :2] = 255
    features_ND = PatchResponses(filters).features(shrink(np.concatenate([pixels, 255 - pixels])))
    assert features_ND.shape == (2, 4 + 16)
    np.testing.assert_allclose(features_ND[0, :4], features_ND[1, :4], rtol=1e-5)
    # a patch of the step has the levels 1 0 1 0, 1 from their mean by norm: its response is 2 / 1.3, in one column of four
    np.testing.assert_allclose(features_ND[0, :4], [2 / 1.3 / 4, 0, 2 / 1.3 / 4, 0], atol=1e-5)


def test_colors_are_means_of_sixteenths():
    pixels = np.zeros((1, 16, 16, 3), np.uint8)
    pixels[0, :4, 4:8, 2] = 255
    colors = patch_responses.fit(shrink(pixels)).features(shrink(pixels))[0, -48:].reshape(3, 4, 4)
    assert colors[2, 0, 1] == 1
    assert colors.sum() == 1


@pytest.mark.parametrize(("side", "channels"), [(1, 3), (6, 1), (32, 3), (100, 3)])
def test_images_of_any_side_and_the_same_ones_each_time(side: int, channels: int):
    pixels = np.random.default_rng(0).integers(0, 256, (20, side, side, channels)).astype(np.uint8)
    features_ND = patch_responses.fit(shrink(pixels)).features(shrink(pixels))
    assert features_ND.shape[0] == 20
    assert np.isfinite(features_ND).all()
    np.testing.assert_array_equal(features_ND, patch_responses.fit(shrink(pixels)).features(shrink(pixels)))


def test_flat_images_respond_to_nothing():
    pixels = np.full((3, 32, 32, 3), 200, np.uint8)
    assert np.abs(patch_responses.fit(shrink(pixels)).features(shrink(pixels))[:, :-48]).max() < 1e-3


def test_large_images_are_averaged_down_and_the_mirror_image_is_that_of_the_small_one():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 100, 100, 3)).astype(np.uint8)
    images = shrink(pixels)
    assert images.shape == (2, 3, 32, 32)
    assert images[0, 1, 0, 0] == pytest.approx(pixels[0, :4, :4, 1].mean() / 255)  # 100 / 32 places, so the first is 4 wide
    torch.testing.assert_close(shrink(np.ascontiguousarray(pixels[:, :, ::-1])), images.flip(3))
