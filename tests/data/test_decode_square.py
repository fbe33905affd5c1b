"""The second half of the decoder: an image brought to the size of a network, and what is known of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from striate.data.decode import InputSpec, square
from striate.data.image_facts import measure

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


def test_a_share_below_1_cuts_out_the_pixels_that_torchvision_does():
    from torchvision.transforms import v2

    rng = np.random.default_rng(2)
    for height, width, side, share in ((96, 128, 56, 0.875), (131, 77, 40, 0.9), (60, 60, 30, 224 / 232), (20, 45, 32, 0.75)):
        small = Image.fromarray(rng.integers(0, 256, (height // 8, width // 8, 3), np.uint8)).resize((width, height))
        for interpolation in ("bilinear", "bicubic"):
            resize = v2.Resize(int(side / share), getattr(v2.InterpolationMode, interpolation.upper()))
            expected = np.asarray(v2.CenterCrop(side)(resize(small)))
            spec = InputSpec(side, 3, "crop", share=share, interpolation=interpolation)
            assert np.array_equal(square(np.asarray(small), spec), expected)
    strip = np.asarray(Image.fromarray(rng.integers(0, 256, (4, 90, 3), np.uint8)))
    assert square(strip, InputSpec(2, 3, "crop", share=0.5)).tolist() == strip[1:3, 44:46].tolist()


def test_bicubic_interpolation_by_hand():
    # Between the second and the third of four pixels Keys' kernel with a = -0.5 weighs -1/16, 9/16, 9/16 and -1/16
    row = np.array([[0, 0, 160, 160, 0, 0]], np.uint8)[..., None]
    middle = square(row, InputSpec(12, 1, "squash", interpolation="bicubic"))[0, :, 0]
    linear = square(row, InputSpec(12, 1, "squash"))[0, :, 0]
    assert linear.tolist() == [0, 0, 0, 40, 120, 160, 160, 120, 40, 0, 0, 0]
    # at a quarter of a pixel the weights are -9/128, 111/128, 29/128 and -3/128
    assert middle.tolist() == [0, 0, 0, 33, 128, 175, 175, 128, 33, 0, 0, 0]


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
