"""The second half of the decoder: an image brought to the size of a network, and what is known of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from striate.data.decode import InputSpec, measure, square

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.integers(1, 30), st.sampled_from([1, 3]),
    st.sampled_from(["crop", "pad", "squash"]),
)  # fmt: skip
@settings(max_examples=60)
def test_any_image_becomes_the_square_asked_for(height: int, width: int, of: int, size: int, channels: int, fit: str):
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (height, width, of), np.uint8)
    found = square(pixels_HWC, InputSpec(size, channels, fit))
    assert found.shape == (size, size, channels)
    assert found.dtype == np.uint8


def test_a_image_of_the_right_size_is_left_bit_for_bit():
    whole = RGB[:5, :5]
    for fit in ("crop", "pad", "squash"):
        assert np.array_equal(square(whole, InputSpec(5, 3, fit)), whole)
    assert np.array_equal(square(whole[..., :1], InputSpec(5, 3, "crop"))[..., 2], whole[..., 0])


def test_crop_pad_and_squash_by_hand():
    wide = np.array([[10, 20, 30, 40], [10, 20, 30, 40]], np.uint8)[..., None]
    assert square(wide, InputSpec(2, 1, "crop"))[..., 0].tolist() == [[20, 30], [20, 30]]
    padded = square(wide, InputSpec(4, 1, "pad", (7, 7, 7)))[..., 0]
    assert padded.tolist() == [[7] * 4, [10, 20, 30, 40], [10, 20, 30, 40], [7] * 4]
    flat = np.full((2, 6, 1), 90, np.uint8)
    assert square(flat, InputSpec(3, 1, "squash"))[..., 0].tolist() == [[90] * 3] * 3
    # shrunk by two, the filter is a triangle over four pixels: weights 1 3 3 1 inside, 3 3 1 where the image ends
    steps = np.array([[0] * 4, [0] * 4, [70] * 4, [70] * 4], np.uint8)[..., None]
    assert square(steps, InputSpec(2, 1, "squash"))[..., 0].tolist() == [[10, 10], [60, 60]]


def test_a_tall_image_is_cropped_and_padded_as_a_wide_one_on_its_side():
    wide = np.random.default_rng(1).integers(0, 256, (3, 9, 3), np.uint8)
    tall = np.ascontiguousarray(wide.transpose(1, 0, 2))
    for fit in ("crop", "pad"):
        assert np.array_equal(square(tall, InputSpec(3, 3, fit)), square(wide, InputSpec(3, 3, fit)).transpose(1, 0, 2))


def test_padding_takes_the_background_in_the_channels_of_the_image():
    tall = np.full((4, 2, 3), (1, 2, 3), np.uint8)
    assert square(tall, InputSpec(4, 3, "pad", (9, 8, 7)))[0].tolist() == [[9, 8, 7], [1, 2, 3], [1, 2, 3], [9, 8, 7]]
    # the luma of red is 76
    assert square(tall[..., :1], InputSpec(4, 3, "pad", (255, 0, 0)))[0].tolist() == [[76] * 3, [1] * 3, [1] * 3, [76] * 3]


def test_gray_is_the_luma_of_itu_r_601():
    red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    assert square(red, InputSpec(2, 1, "squash")).ravel().tolist() == [round(0.299 * 255)] * 4


def by_hand(pixels_HWC: NDArray[np.uint8]) -> tuple[list[float], list[float]]:
    scaled = pixels_HWC / 255
    return scaled.mean(axis=(0, 1)).tolist(), (scaled**2).mean(axis=(0, 1)).tolist()


def test_facts_by_hand():
    found = measure(RGB)
    mean, square_ = by_hand(RGB)
    assert found[:3] == (5, 7, False)
    assert list(found.mean) == pytest.approx(mean, rel=1e-6)
    assert list(found.mean_square) == pytest.approx(square_, rel=1e-6)
    gray = measure(RGB[..., :1])
    assert gray.gray
    assert list(gray.mean) == pytest.approx([mean[0]] * 3)
    assert measure(RGB.copy()).pixel_hash == found.pixel_hash
    assert measure(RGB.reshape(7, 5, 3)).pixel_hash != found.pixel_hash
