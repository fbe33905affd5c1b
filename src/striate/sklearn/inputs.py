"""What scikit-learn hands over as X and y: arrays of images, flat rows, or one thing for each image; and classes.

Legend: N images, H x W pixels, C channels, D values of a flat row.
"""

import os
from collections.abc import Iterator, Sequence
from math import isqrt, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from striate.base.errors import EstimatorError
from striate.data import decode
from striate.model import Model

Images = NDArray[np.uint8] | list[Any]

_CHUNK = 256  # images that are decoded at once


def images(estimator: Any, X: Any, fitting: bool) -> Images:
    """X as uint8 N x H x W x C, or as a list of what is one image each, as paths.

    Where `fitting`, what later images must agree with is stored in the estimator: `n_features_in_` of flat rows, and
    `pixel_range_`, which values are black and white.

    Raises:
        ValueError: X is empty, not finite, or of a shape that no images have.

    """
    listed = _listed(X)
    if listed is not None:
        if fitting:
            estimator.pixel_range_ = _range(estimator.pixel_range, np.empty(0, np.uint8))
        return listed
    if not hasattr(X, "ndim"):
        X = np.asarray(X)
    if X.ndim in (3, 4):
        values = check_array(X, allow_nd=True, estimator=estimator)
        if values.ndim == 4 and values.shape[3] not in (1, 3):
            hint = " Move the channels to the end: np.moveaxis(X, 1, -1)." if values.shape[1] in (1, 3) else ""
            raise EstimatorError(
                f"expected images as N x H x W or N x H x W x C with 1 or 3 channels; got {values.shape}.{hint}"
            )
    else:
        rows_ND = validate_data(estimator, X, reset=fitting)
        values = rows_ND.reshape(len(rows_ND), *_shape_of_rows(estimator.image_shape, rows_ND.shape[1]))
    if fitting:
        estimator.pixel_range_ = _range(estimator.pixel_range, values)
    return _levels(values, estimator.pixel_range_)


def _listed(X: Any) -> list[Any] | None:
    """The images one by one, where X holds paths, bytes, PIL images or arrays of several sizes; None where it is numbers."""
    if getattr(X, "ndim", 1) == 2 and X.shape[1] == 1:  # a column of a table
        X = X.iloc[:, 0] if hasattr(X, "iloc") else X[:, 0]
    if getattr(X, "ndim", 1) != 1 or not hasattr(X, "__len__") or len(X) == 0 or isinstance(X, str | bytes):
        return None
    listed = list(X)
    first = listed[0]
    several_sizes = isinstance(first, np.ndarray) and first.ndim > 1 and len({np.shape(image) for image in listed}) > 1
    if isinstance(first, str | os.PathLike | bytes) or several_sizes or decode.is_pil(first):
        return listed
    return None


def _shape_of_rows(image_shape: Any, width: int) -> tuple[int, ...]:
    """The image that a flat row is."""
    if image_shape == "row":
        return (1, width)
    if image_shape is None:
        side = isqrt(width)
        if side * side != width:
            raise EstimatorError(
                f"expected rows of a square gray image, as 64 values of 8 x 8 pixels; got {width}. Give image_shape=(height, "
                "width) or (height, width, 3), or the images as N x H x W x C."
            )
        return (side, side)
    shape = tuple(int(side) for side in image_shape)
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3)):
        raise EstimatorError(f"expected image_shape as (height, width), (height, width, 1) or (height, width, 3); got {shape}.")
    if prod(shape) != width:
        raise EstimatorError(f"expected rows of {prod(shape)} values, for image_shape={shape}; got {width}.")
    return shape


def _range(pixel_range: Any, values: NDArray[Any]) -> tuple[float, float]:
    """The values that are black and white: as given; else 0 and 255 of bytes, and the least and greatest of others."""
    if pixel_range is not None:
        low, high = (float(level) for level in pixel_range)
        if low >= high:
            raise EstimatorError(f"expected pixel_range=(black, white), the first below the second; got {pixel_range}.")
        return low, high
    if values.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(values.min()), float(values.max())
    return low, high if high > low else low + 1.0


def _levels(values: NDArray[Any], pixel_range: tuple[float, float]) -> NDArray[np.uint8]:
    """Values as levels of 0 to 255, N x H x W x C: those beyond black and white are cut, those of another range refused."""
    low, high = pixel_range
    if values.dtype == np.uint8 and pixel_range == (0.0, 255.0):
        return values.reshape(*values.shape[:3], -1)
    width = high - low
    least, greatest = values.min(), values.max()
    shares_of_bytes = values.dtype.kind == "f" and width > 100 and 0 < greatest <= 1
    if least < low - width or greatest > high + width or shares_of_bytes:
        raise EstimatorError(
            f"expected values from {low:g} (black) to {high:g} (white); got {least:g} to {greatest:g}. "
            "Scale them as those that fit was given, or give pixel_range=(black, white)."
        )
    levels: NDArray[np.float64] = np.clip((values.astype(np.float64) - low) * (255.0 / width), 0.0, 255.0)
    return np.rint(levels).astype(np.uint8).reshape(*values.shape[:3], -1)


def pixel_chunks(images: Images, model: Model) -> Iterator[NDArray[np.uint8]]:
    """These images at the size and with the channels of a model, so many at a time."""
    for start in range(0, len(images), _CHUNK):
        part = images[start : start + _CHUNK]
        if not isinstance(part, list):
            yield np.stack([decode.square(image_HWC, model.input_spec) for image_HWC in part])
            continue
        pixels_NHWC = model.pixels(part)
        if len(pixels_NHWC) != len(part):
            raise EstimatorError(
                f"expected one image for each entry of X; got {len(pixels_NHWC)} for {len(part)}. Give files, no folders."
            )
        yield pixels_NHWC


def labels(estimator: Any, y: Any, X: Images) -> NDArray[Any]:
    """Y as N labels of classes.

    Raises:
        ValueError: they are missing, not finite, of another number than X, or no classes.

    """
    if y is None:
        raise EstimatorError(f"{type(estimator).__name__} requires y to be passed, but the target y is None.")
    checked = check_array(y, ensure_2d=False, dtype=None, input_name="y", estimator=estimator)
    labels_N: NDArray[Any] = column_or_1d(checked, warn=True)
    check_consistent_length(X, labels_N)
    check_classification_targets(labels_N)
    return labels_N


def class_names(classes: NDArray[Any]) -> Sequence[str]:
    """Names of classes for a model: the labels as text, or their numbers where texts would be empty or alike."""
    names = [str(label).strip() for label in classes]
    return names if len({*names}) == len(names) and all(names) else [f"class {number}" for number in range(len(names))]
