import numpy as np
import pytest
from numpy.typing import NDArray

from striate.data.image_facts import measure
from striate.data.small_copies import color_difference, have_color, of_facts


def cells(ground: tuple[int, ...], inside: tuple[int, ...]) -> NDArray[np.float32]:
    """8 x 8 cells of one color, of which 4 x 4 in the middle have another."""
    levels_QQ3 = np.full((8, 8, 3), ground, np.float32)
    levels_QQ3[2:6, 2:6] = inside
    return levels_QQ3[None]


def test_the_color_of_a_cell_is_the_mean_of_its_pixels():
    pixels_HWC = np.zeros((64, 64, 3), np.uint8)
    pixels_HWC[:24, :24] = (200, 100, 50)  # 3 x 3 cells
    pixels_HWC[:24, 40::2] = (0, 0, 80)  # and black between: half of 80
    copies = of_facts([measure(pixels_HWC)])
    luma = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert copies.chroma_NQQ2[0, 1, 1].tolist() == [round(128 + 0.564 * (50 - luma)), round(128 + 0.713 * (200 - luma))]
    assert copies.cells_NQQ3()[0, 1, 1] == pytest.approx((200, 100, 50), abs=2)
    assert copies.cells_NQQ3()[0, 1, 6] == pytest.approx((0, 0, 40), abs=2)
    assert copies.cells_NQQ3()[0, 5, 4].tolist() == [0, 0, 0]
    assert copies.sizes_N2.tolist() == [[64, 64]]


def test_gray_images_have_no_color():
    gray, color = np.full((40, 40, 1), 90, np.uint8), np.full((40, 40, 3), (90, 90, 104), np.uint8)
    copies = of_facts([measure(gray), measure(color)])
    assert (copies.chroma_NQQ2[0] == 128).all()
    assert have_color(copies.chroma_NQQ2).tolist() == [False, True]
    assert of_facts([]).of(slice(0)).chroma_NQQ2.shape == (0, 8, 8, 2)


def test_a_shape_in_another_color_differs_and_a_brighter_or_tinted_image_does_not():
    plain = cells((60, 60, 60), (150, 120, 100))
    assert color_difference(plain, plain).tolist() == [0]
    assert color_difference(plain, 1.3 * plain)[0] < 0.01
    assert color_difference(plain, plain * 0.7 + 40)[0] < 0.01
    assert color_difference(plain, plain + np.array([10, 0, -10], np.float32))[0] < 0.3
    assert color_difference(plain, cells((60, 60, 60), (100, 120, 150)))[0] > 1


def test_what_is_clipped_where_an_image_is_brighter_is_no_other_color():
    dark = cells((40, 60, 90), (180, 120, 100))
    dark[:, 3:5, 3:5] = (200, 190, 60)
    bright = (dark * 1.6).clip(0, 255)  # 288 and 320 are 255
    assert color_difference(dark, bright)[0] == color_difference(bright, dark)[0] < 0.1
    assert color_difference(dark, cells((64, 96, 144), (160, 192, 255)))[0] > 1


def test_the_difference_is_of_red_and_blue_against_gray_as_a_share_of_the_most():
    plain, other = cells((100, 100, 100), (100, 100, 100)), cells((100, 100, 100), (100, 100, 100))
    plain[:, 1:4, 1:7], other[:, 1:4, 1:7] = (200, 200, 200), (200, 200, 200)  # half of the 6 x 6 cells inside
    other[:, 1:7, 1:4, 0] += 20  # half of these are redder, the same share of the bright and of the dark ones
    luma = 0.299 * 20
    in_all = np.hypot(20 - luma, luma) / 2  # of what is there in one half
    assert color_difference(plain, other)[0] == pytest.approx(in_all / 16, rel=0.1)
