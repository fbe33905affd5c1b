import numpy as np
import pytest

from striate.data import gradient_histograms


def test_an_even_image_has_no_gradients():
    assert not gradient_histograms.of_images(np.full((1, 8, 8), 200, np.uint8)).any()


def test_an_edge_to_the_right_is_in_the_first_direction():
    image = np.zeros((1, 8, 8), np.uint8)
    image[:, :, 4:] = 255
    blocks = gradient_histograms.of_images(image).reshape(
        4, 9
    )  # one block of 2 x 2 cells: top left, lower left, top right, ...
    # the gradient (255 - 0) / 255 = 1 stands in the columns 3 and 4, of four rows in each of the four cells: 4 votes each
    assert blocks[:, 0] == pytest.approx([np.sqrt(4 / np.sqrt(64 + 0.01))] * 4)
    assert not blocks[:, 1:].any()


def test_a_direction_between_two_is_shared():
    image = np.zeros((1, 8, 8), np.uint8)
    image[:, 4:] = 255  # downwards: 90 degrees, direction 2.25 of nine, so 3/4 to the third and 1/4 to the fourth
    blocks = gradient_histograms.of_images(image).reshape(4, 9)
    inner = np.square(blocks[0])
    assert inner[2] / inner[3] == pytest.approx(3)
    assert not inner[[0, 1, 4, 5, 6, 7, 8]].any()


def test_how_many_there_are_of_an_image_of_28_px():
    assert gradient_histograms.of_images(np.zeros((3, 28, 28), np.uint8)).shape == (3, 6 * 6 * 4 * 9)
