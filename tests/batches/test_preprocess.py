import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from striate.base.config import PreprocessSettings
from striate.base.errors import ShapeError
from striate.batches import preprocess
from striate.batches.preprocess import Preprocess

# two images of 1 x 2 pixels, one channel: 0 51 / 102 255, in [0, 1]: 0 .2 / .4 1
PIXELS_NHWC = np.array([[[[0], [51]]], [[[102], [255]]]], np.uint8)
BOTH = np.arange(2)


def test_mean_pixel_and_deviation_by_hand():
    fitted = preprocess.fit(PIXELS_NHWC, BOTH, PreprocessSettings())
    assert fitted.mean.flatten().tolist() == pytest.approx([0.4])
    variance = (0.4**2 + 0.2**2 + 0 + 0.6**2) / 4
    assert fitted.std.flatten().tolist() == pytest.approx([(variance + 1e-6) ** 0.5])


def test_mean_image_and_deviation_around_it_by_hand():
    fitted = preprocess.fit(PIXELS_NHWC, BOTH, PreprocessSettings(center="image"))
    assert fitted.mean.flatten().tolist() == pytest.approx([0.2, 0.6])
    variance = (0.2**2 + 0.4**2 + 0.2**2 + 0.4**2) / 4
    assert fitted.std.flatten().tolist() == pytest.approx([(variance + 1e-6) ** 0.5])


def test_nothing_is_subtracted_or_divided_where_that_is_asked_for():
    fitted = preprocess.fit(PIXELS_NHWC, BOTH, PreprocessSettings(center="none", scale="none"))
    images_NCHW = fitted.images(torch.from_numpy(PIXELS_NHWC))
    assert images_NCHW.flatten().tolist() == pytest.approx([0, 0.2, 0.4, 1.0])


def test_only_the_rows_given_are_looked_at():
    poisoned = np.concatenate([PIXELS_NHWC, np.full((3, 1, 2, 1), 255, np.uint8)])
    assert torch.equal(
        preprocess.fit(poisoned, BOTH, PreprocessSettings()).mean, preprocess.fit(PIXELS_NHWC, BOTH, PreprocessSettings()).mean
    )


def test_constant_pixels_do_not_divide_by_zero():
    gray = np.full((4, 3, 3, 1), 77, np.uint8)
    fitted = preprocess.fit(gray, np.arange(4), PreprocessSettings())
    assert fitted.std.item() == pytest.approx(1e-3)
    assert fitted.images(torch.from_numpy(gray)).abs().max() < 1e-3


def test_epsilon_is_what_is_added_to_the_variance():
    fitted = preprocess.fit(PIXELS_NHWC, BOTH, PreprocessSettings(epsilon=0.5))
    assert fitted.std.item() == pytest.approx((0.14 + 0.5) ** 0.5)


def test_more_images_than_one_chunk_give_the_same_as_numpy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(preprocess, "_CHUNK", 3)
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (10, 4, 5, 3), np.uint8)
    fitted = preprocess.fit(pixels_NHWC, np.arange(10), PreprocessSettings())
    scaled = pixels_NHWC / 255
    assert fitted.mean.flatten().tolist() == pytest.approx(scaled.mean(axis=(0, 1, 2)).tolist())
    assert fitted.std.flatten().tolist() == pytest.approx(np.sqrt(scaled.var(axis=(0, 1, 2)) + 1e-6).tolist())


@given(st.integers(0, 2**32), st.sampled_from(["pixel", "image", "none"]), st.sampled_from(["std", "none"]))
def test_the_inverse_gives_every_pixel_back(seed: int, center: str, scale: str):
    pixels_NHWC = np.random.default_rng(seed).integers(0, 256, (3, 4, 4, 3), np.uint8)
    fitted = preprocess.fit(pixels_NHWC, np.arange(3), PreprocessSettings.model_validate({"center": center, "scale": scale}))
    tensor = torch.from_numpy(pixels_NHWC)
    assert torch.equal(fitted.pixels(fitted.images(tensor)), tensor)


@pytest.mark.parametrize("center", ["pixel", "image"])
def test_it_travels_bit_for_bit(center: str):
    pixels_NHWC: NDArray[np.uint8] = np.random.default_rng(1).integers(0, 256, (5, 4, 4, 3), np.uint8)
    fitted = preprocess.fit(pixels_NHWC, np.arange(5), PreprocessSettings.model_validate({"center": center}))
    again = Preprocess.from_json(json.loads(json.dumps(fitted.as_json())), fitted.tensors())
    assert torch.equal(again.mean, fitted.mean)
    assert torch.equal(again.std, fitted.std)


def test_pixels_with_other_channels_are_refused():
    fitted = preprocess.fit(PIXELS_NHWC, BOTH, PreprocessSettings())
    with pytest.raises(ShapeError, match=r"expected pixels_NHWC with C=1; got \(2, 1, 2, 3\)"):
        fitted.images(torch.zeros(2, 1, 2, 3, dtype=torch.uint8))
