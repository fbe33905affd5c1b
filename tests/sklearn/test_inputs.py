"""X and y of scikit-learn as images and labels, with levels worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.base import BaseEstimator

from striate.base.errors import EstimatorError
from striate.sklearn import inputs


class Asking(BaseEstimator):
    """An estimator with what `inputs` reads of one."""

    def __init__(self, image_shape: Any = None, pixel_range: Any = None) -> None:
        self.image_shape = image_shape
        self.pixel_range = pixel_range


def levels(values: Any, **settings: Any) -> Any:
    """Levels of images; without the axis of channels where there is one."""
    return plain(inputs.images(Asking(**settings), values, fitting=True))


def plain(images: Any) -> Any:
    return images[..., 0] if isinstance(images, np.ndarray) and images.shape[-1] == 1 else images


def test_bytes_stay_as_they_are_and_other_values_go_from_the_least_to_the_greatest():
    bytes_NHW = np.array([[[3, 7], [9, 200]]], np.uint8)
    assert np.shares_memory(levels(bytes_NHW), bytes_NHW)
    assert levels(bytes_NHW).tolist() == bytes_NHW.tolist()
    assert levels(np.array([[[0.0, 0.5], [0.25, 1.0]]])).tolist() == [[[0, 128], [64, 255]]]
    assert levels(np.array([[[-100, 155], [0, 55]]], np.int16)).tolist() == [[[0, 255], [100, 155]]]
    assert levels(np.array([[[False, True]]])).tolist() == [[[0, 255]]]
    assert levels(np.full((1, 2, 2), 7.0)).tolist() == [[[0, 0], [0, 0]]]


def test_black_and_white_are_as_given_and_what_lies_beyond_is_cut():
    assert levels(np.array([[[-1.0, 2.0, 4.0, 5.0]]]), pixel_range=(0, 4)).tolist() == [[[0, 128, 255, 255]]]
    with pytest.raises(ValueError, match=r"expected pixel_range=\(black, white\), the first below the second; got \(4, 4\)"):
        levels(np.ones((1, 2, 2)), pixel_range=(4, 4))


def test_later_images_are_scaled_as_the_first_and_refused_where_they_are_of_another_range():
    estimator = Asking()
    inputs.images(estimator, np.array([[[0.0, 1.0]]]), fitting=True)
    assert estimator.pixel_range_ == (0.0, 1.0)
    assert plain(inputs.images(estimator, np.array([[[0.4, 1.5]]]), fitting=False)).tolist() == [[[102, 255]]]
    with pytest.raises(EstimatorError) as refused:
        inputs.images(estimator, np.array([[[0, 200]]], np.uint8), fitting=False)
    assert str(refused.value) == (
        "expected values from 0 (black) to 1 (white); got 0 to 200. Scale them as those that fit was given, or give "
        "pixel_range=(black, white)."
    )
    inputs.images(estimator, ["a.png"], fitting=True)
    assert estimator.pixel_range_ == (0.0, 255.0)
    assert plain(inputs.images(estimator, np.array([[[0.0, 200.0]]]), fitting=False)).tolist() == [[[0, 200]]]
    with pytest.raises(EstimatorError, match=r"expected values from 0 \(black\) to 255 \(white\); got 0 to 1\."):
        inputs.images(estimator, np.array([[[0.0, 1.0]]]), fitting=False)


def test_flat_rows_are_square_or_of_the_shape_given():
    row = np.arange(12, dtype=np.uint8)[None]
    assert levels(row[:, :9]).tolist() == [[[0, 1, 2], [3, 4, 5], [6, 7, 8]]]
    assert levels(row, image_shape=(2, 2, 3)).tolist() == [[[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]]
    assert levels(row, image_shape=(4, 3)).shape == (1, 4, 3)
    assert levels(row, image_shape="row").shape == (1, 1, 12)
    for shape, message in (
        (
            None,
            r"expected rows of a square gray image, as 64 values of 8 x 8 pixels; got 12. Give image_shape=\(height, width\)",
        ),
        ((3, 3), r"expected rows of 9 values, for image_shape=\(3, 3\); got 12"),
        ((3, 2, 2), r"expected image_shape as \(height, width\), .*; got \(3, 2, 2\)"),
    ):
        with pytest.raises(EstimatorError, match=message):
            levels(row, image_shape=shape)


def test_channels_come_last():
    assert levels(np.zeros((2, 5, 6, 3), np.uint8)).shape == (2, 5, 6, 3)
    with pytest.raises(EstimatorError, match=r"got \(2, 3, 5, 6\). Move the channels to the end: np.moveaxis\(X, 1, -1\)"):
        levels(np.zeros((2, 3, 5, 6), np.uint8))
    with pytest.raises(EstimatorError, match=r"with 1 or 3 channels; got \(2, 5, 6, 4\).$"):
        levels(np.zeros((2, 5, 6, 4), np.uint8))


@pytest.mark.parametrize("hold", [list, tuple, np.array, lambda names: np.array(names, object), pd.Series, pd.DataFrame])
def test_paths_are_a_list_however_they_are_held(hold: Any):
    assert levels(hold(["a.png", "b.png"])) == ["a.png", "b.png"]


def test_one_thing_for_each_image_is_a_list():
    image, path = Image.new("L", (2, 2)), Path("a.png")
    assert levels([image]) == [image]
    assert levels([path]) == [path]
    several = [np.zeros((2, 3), np.uint8), np.zeros((4, 2), np.uint8)]
    assert levels(several) == several
    assert levels([np.zeros((2, 3), np.uint8)] * 2).shape == (2, 2, 3)


def test_what_is_no_image_is_refused():
    for values, message in (
        ([], "Expected 2D array"),
        (np.zeros((0, 4, 4), np.uint8), "0 sample"),
        (np.array([[[np.nan, 1.0]]]), "contains NaN"),
        (np.zeros(4), "Expected 2D array, got 1D array"),
    ):
        with pytest.raises(ValueError, match=message):
            levels(values)


def test_labels_are_of_any_type_and_none_is_missing():
    images = np.zeros((2, 4, 4), np.uint8)
    for labels in (["b", "a"], [1, 0], [1.0, 0.0], [True, False]):
        assert_array_equal(inputs.labels(Asking(), labels, images), labels)
    for labels, message in (
        (None, "Asking requires y to be passed, but the target y is None"),
        ([1, 2, 3], "inconsistent numbers of samples"),
        ([1.0, np.nan], "Input y contains NaN"),
        ([0.5, 1.5], "Unknown label type: continuous"),
        ([[1, 2], [3, 4]], "y should be a 1d array"),
    ):
        with pytest.raises(ValueError, match=message):
            inputs.labels(Asking(), labels, images)


def test_classes_are_named_by_their_labels_where_these_make_names():
    assert inputs.class_names(np.array([2, 10])) == ["2", "10"]
    assert inputs.class_names(np.array(["", "a"])) == ["class 0", "class 1"]
    assert inputs.class_names(np.array(["a", " a"])) == ["class 0", "class 1"]
