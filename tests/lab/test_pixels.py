import numpy as np

from striate.lab.pixels import ABOVE, BELOW, gray, mosaic, two_hues


def test_gray_levels_end_at_black_and_white():
    assert gray(np.array([-1.0, 0, 1, 2, 3]), 0, 2).tolist() == [0, 0, 128, 255, 255]
    assert gray(np.ones(2), 1, 1).tolist() == [0, 0]


def test_zero_is_white_and_the_signs_are_two_hues():
    pixels = two_hues(np.array([[-2.0, 0, 1, 2]]))
    assert pixels[0, 0].tolist() == list(BELOW)
    assert pixels[0, 1].tolist() == [255, 255, 255]
    assert pixels[0, 2].tolist() == [226, 166, 128]  # halfway from white to 196, 78, 0: 225.5, 166.5, 127.5
    assert pixels[0, 3].tolist() == list(ABOVE)
    assert two_hues(np.zeros((1, 1))).tolist() == [[[255, 255, 255]]]


def test_planes_are_laid_side_by_side():
    sheet = mosaic(np.arange(3, dtype=np.uint8).reshape(3, 1, 1), across=2)
    assert sheet.tolist() == [[0, 128, 1], [128, 128, 128], [2, 128, 128]]
