from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.base.errors import DataError
from striate.history.sample_images import gray, shapes


def test_colors_become_gray_levels_by_the_weights_of_itu_r_601(tmp_path: Path):
    Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)).save(tmp_path / "rgb.png")
    image = gray(tmp_path / "rgb.png", 100)
    assert image.description == "rgb.png"
    assert image.levels_HW.tolist() == [pytest.approx([0.299, 0.587, 0.114])]


def test_a_large_image_is_averaged_over_blocks_and_that_is_said(tmp_path: Path):
    levels = np.zeros((4, 10), np.uint8)
    levels[:, ::2] = 255
    Image.fromarray(levels).save(tmp_path / "wide.png")
    image = gray(tmp_path / "wide.png", 5)
    assert image.description == "wide.png, reduced 2 times"
    assert image.levels_HW.tolist() == np.full((2, 5), 0.5).tolist()


def test_a_image_of_one_row_is_averaged_too(tmp_path: Path):
    Image.fromarray(np.full((1, 30), 51, np.uint8)).save(tmp_path / "line.png")
    assert gray(tmp_path / "line.png", 10).levels_HW.tolist() == [pytest.approx([0.2] * 10)]


def test_without_a_file_shapes_are_drawn():
    image = gray(None, 10)
    assert image.description == "shapes drawn here"
    assert image.levels_HW.shape == (64, 64)
    assert shapes(32).min() == pytest.approx(0.1)
    assert shapes(32).max() == pytest.approx(0.9)
    assert shapes(64)[17, 17] == pytest.approx(0.9)  # within the disc
    assert shapes(64)[32, 32] == pytest.approx(0.1)


def test_what_is_no_image_is_refused_with_its_name(tmp_path: Path):
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(DataError, match=r"expected an image at '.*text.png'; it is refused: not one of the formats"):
        gray(tmp_path / "text.png", 10)
    with pytest.raises(DataError, match=r"expected an image at '.*none.png'; it is refused: cannot be read: No such file"):
        gray(tmp_path / "none.png", 10)
    with pytest.raises(DataError, match="it is refused: not a regular file"):
        gray(tmp_path, 10)
