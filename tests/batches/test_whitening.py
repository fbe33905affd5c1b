import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from striate.base.config import PreprocessSettings
from striate.base.errors import ShapeError
from striate.batches import preprocess, whitening
from striate.batches.preprocess import Preprocess

# two pixels of four images: 0 0 / 0 255 / 255 0 / 255 255 have the covariance I / 4; the others lie on a line
SQUARE_N12 = np.array([[[[0], [0]]], [[[0], [255]]], [[[255], [0]]], [[[255], [255]]]], np.uint8)
LINE_N12 = np.array([[[[0], [0]]], [[[255], [255]]]], np.uint8)


def rows(pixels_NHWC: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.arange(len(pixels_NHWC))


def correlated(seed: int = 0, images: int = 400, side: int = 4, channels: int = 1) -> NDArray[np.uint8]:
    draws = np.random.default_rng(seed)
    size = side * side * channels
    mixing = draws.normal(size=(size, size)) / size**0.5
    levels = 0.5 + 0.15 * draws.normal(size=(images, size)) @ mixing
    return np.rint(255 * levels.clip(0, 1)).astype(np.uint8).reshape(images, side, side, channels)


def whitened(pixels_NHWC: NDArray[np.uint8], **how: object) -> tuple[Preprocess, NDArray[np.float64]]:
    fitted = preprocess.fit(pixels_NHWC, rows(pixels_NHWC), PreprocessSettings.model_validate(how))
    return fitted, fitted.images(torch.from_numpy(pixels_NHWC)).flatten(1).double().numpy()


def covariance(values_ND: NDArray[np.float64]) -> NDArray[np.float64]:
    centered = values_ND - values_ND.mean(axis=0)
    return centered.T @ centered / len(centered)


def test_two_pixels_by_hand():
    # variance 1/4 along the first axis and along the second: S / (S + eps) = 0.25 / 0.5
    _, values_N2 = whitened(SQUARE_N12, scale="zca", epsilon=0.25)
    assert values_N2.tolist() == pytest.approx(((SQUARE_N12 / 255 - 0.5) / 0.5**0.5).reshape(4, 2), abs=1e-6)
    # along the diagonal all the variance, 1/2; across it none
    fitted, values_N2 = whitened(LINE_N12, scale="pca", epsilon=0.5)
    assert fitted.whitening is not None
    assert fitted.whitening.variances_K.tolist() == pytest.approx([0.5, 0.0], abs=1e-9)
    assert abs(fitted.whitening.components_KD[0]).tolist() == pytest.approx([0.5**0.5, 0.5**0.5])
    assert np.abs(values_N2).tolist() == pytest.approx(np.array([[0.5**0.5, 0.0], [0.5**0.5, 0.0]]), abs=1e-6)


@pytest.mark.parametrize("kind", ["pca", "zca"])
@pytest.mark.parametrize("epsilon", [1e-5, 0.01])
def test_the_covariance_of_whitened_images_is_s_over_s_plus_epsilon(kind: str, epsilon: float):
    fitted, values_ND = whitened(correlated(), scale=kind, epsilon=epsilon)
    assert fitted.whitening is not None
    shares_D = fitted.whitening.variances_K.double().numpy()
    shares_D = shares_D / (shares_D + epsilon)
    expected = np.diag(shares_D)
    if kind == "zca":
        rotation_DD = fitted.whitening.components_KD.double().numpy()
        expected = rotation_DD.T @ expected @ rotation_DD
    assert covariance(values_ND) == pytest.approx(expected, abs=2e-4)
    assert shares_D.min() < 0.999  # not the unit matrix, which a test with I would not notice


def test_zca_is_symmetric_and_is_pca_turned_back():
    pixels_NHWC = correlated(1)
    fitted, turned_ND = whitened(pixels_NHWC, scale="zca")
    pca, coordinates_ND = whitened(pixels_NHWC, scale="pca")
    assert fitted.whitening is not None
    assert pca.whitening is not None
    matrix_DD = fitted.whitening._in_one_DD
    assert matrix_DD is not None
    assert matrix_DD.numpy() == pytest.approx(matrix_DD.T.numpy(), abs=1e-4)
    assert coordinates_ND @ pca.whitening.components_KD.double().numpy() == pytest.approx(turned_ND, abs=1e-3)


def test_a_move_to_where_it_is_already_multiplies_nothing_out_again():
    fitted, _ = whitened(correlated(), scale="zca")
    assert fitted.to(torch.device("cpu")).whitening is fitted.whitening


def test_zca_is_the_whitening_nearest_to_the_centered_images():
    pixels_NHWC = correlated(2)
    fitted, turned_ND = whitened(pixels_NHWC, scale="zca")
    _, coordinates_ND = whitened(pixels_NHWC, scale="pca")
    centered_ND = pixels_NHWC.transpose(0, 3, 1, 2).reshape(len(pixels_NHWC), -1) / 255 - fitted.mean.flatten().numpy()
    other = np.linalg.qr(np.random.default_rng(0).normal(size=(16, 16)))[0]
    distance = np.square(turned_ND - centered_ND).sum()
    assert distance < np.square(coordinates_ND - centered_ND).sum()
    assert distance < np.square(coordinates_ND @ other - centered_ND).sum()


def test_the_chapters_code_gives_the_same_coordinates():
    pixels_NHWC = correlated(3)
    centered_ND = pixels_NHWC.reshape(len(pixels_NHWC), -1) / 255
    centered_ND = centered_ND - centered_ND.mean(axis=0)
    vectors_DD, variances_D, _transposed = np.linalg.svd(centered_ND.T @ centered_ND / len(centered_ND))
    expected = (centered_ND @ vectors_DD) / np.sqrt(variances_D + 1e-5)
    _, values_ND = whitened(pixels_NHWC, scale="pca")
    assert np.abs(values_ND) == pytest.approx(np.abs(expected), abs=2e-3)  # the sign of a component is nobody's


def test_components_keep_the_largest_variances():
    pixels_NHWC = correlated(4)
    whole, all_ND = whitened(pixels_NHWC, scale="pca")
    fitted, few_NK = whitened(pixels_NHWC, scale="pca", components=3)
    assert whole.whitening is not None
    assert (whole.whitening.variances_K.diff() <= 0).all()
    assert few_NK == pytest.approx(all_ND[:, :3], abs=1e-5)
    assert fitted.output_chw((1, 4, 4)) == (3, 1, 1)
    assert fitted.images(torch.from_numpy(pixels_NHWC[:5])).shape == (5, 3, 1, 1)


def test_zca_with_few_components_is_an_image_of_that_rank():
    fitted, values_ND = whitened(correlated(5, channels=3), scale="zca", components=5)
    assert fitted.output_chw((3, 4, 4)) == (3, 4, 4)
    assert np.linalg.matrix_rank(values_ND, tol=1e-3) == 5


@given(st.integers(0, 1000), st.sampled_from(["pca", "zca"]), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_the_inverse_gives_every_pixel_back(seed: int, kind: str, channels: int):
    channels = 3 if channels > 1 else 1
    pixels_NHWC = correlated(seed, images=60, side=3, channels=channels)
    fitted = preprocess.fit(pixels_NHWC, rows(pixels_NHWC), PreprocessSettings.model_validate({"scale": kind}))
    tensor = torch.from_numpy(pixels_NHWC)
    assert torch.equal(fitted.pixels(fitted.images(tensor)), tensor)


@pytest.mark.parametrize("how", [{"scale": "pca", "components": 4}, {"scale": "zca"}, {"scale": "std-image"}], ids=str)
def test_it_travels_bit_for_bit(how: dict[str, object]):
    pixels_NHWC = correlated(6)
    fitted, _ = whitened(pixels_NHWC, **how)
    again = Preprocess.from_json(fitted.as_json(), fitted.tensors())
    tensor = torch.from_numpy(pixels_NHWC)
    assert torch.equal(again.images(tensor), fitted.images(tensor))
    assert torch.equal(again.pixels(again.images(tensor)), fitted.pixels(fitted.images(tensor)))


def test_order_and_parts_of_the_images_change_no_bit(monkeypatch: pytest.MonkeyPatch):
    pixels_NHWC = correlated(7)
    one, mean = whitening.fit(pixels_NHWC, rows(pixels_NHWC), "zca")
    monkeypatch.setattr(whitening, "_EXACT_ROWS", 7)
    other, other_mean = whitening.fit(pixels_NHWC, rows(pixels_NHWC)[::-1], "zca")
    assert torch.equal(one.components_KD, other.components_KD)
    assert torch.equal(one.variances_K, other.variances_K)
    assert torch.equal(mean, other_mean)


def test_sums_of_products_of_bytes_stay_whole_numbers_in_float32():
    assert whitening._EXACT_ROWS * 255**2 < 2**24


def test_incremental_components_are_those_of_the_exact_ones(monkeypatch: pytest.MonkeyPatch):
    pixels_NHWC = correlated(8, images=900)
    exact, mean = whitening.fit(pixels_NHWC, rows(pixels_NHWC), "pca", 3)
    monkeypatch.setattr(whitening, "MOST_EXACT", 10)
    actual, found_mean = whitening.fit(pixels_NHWC, rows(pixels_NHWC), "pca", 3)
    assert found_mean.numpy() == pytest.approx(mean.numpy(), abs=1e-6)
    assert actual.variances_K.numpy() == pytest.approx(exact.variances_K.numpy(), rel=0.02)
    overlaps_K = (actual.components_KD * exact.components_KD).sum(1).abs()
    assert overlaps_K.min() > 0.95


def test_what_can_be_whitened_neither_way_is_refused_with_advice():
    large = np.zeros((3, 40, 40, 3), np.uint8)
    with pytest.raises(ShapeError) as refused:
        whitening.fit(large, rows(large), "zca")
    assert str(refused.value) == (
        "whitening 40 x 40 pixels of 3 channels means 4,800 dimensions; exactly it is done up to 4,096. "
        "Set preprocess.components, to 256 say (at most 1,024), or a smaller preprocess.size_px."
    )
    with pytest.raises(ShapeError, match=r"preprocess.components of at most 3 for .* and 3 training images; got 200"):
        whitening.fit(large, rows(large), "zca", 200)
    with pytest.raises(ShapeError, match=r"preprocess.components of at most 2 for 2 x 1 pixels of 1 channel and 4 .*; got 3"):
        whitening.fit(SQUARE_N12, rows(SQUARE_N12), "pca", 3)


def test_directions_without_variance_are_told(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, logger="striate"):
        whitening.fit(LINE_N12, rows(LINE_N12), "zca")
        whitening.fit(LINE_N12, rows(LINE_N12), "zca", 1)
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 2 directions have no variance in the 2 training images, and whitening them only brings out noise: "
        "preprocess.components=1 leaves them out."
    ]


def test_the_deviation_of_each_pixel_by_hand():
    # pixel 1: 0 .4, pixel 2: .2 1: variances .04 and .16 around the mean image
    pixels_NHWC = np.array([[[[0], [51]]], [[[102], [255]]]], np.uint8)
    fitted, values_N2 = whitened(pixels_NHWC, center="image", scale="std-image", epsilon=0.05)
    assert fitted.std.flatten().tolist() == pytest.approx([0.09**0.5, 0.21**0.5])
    assert values_N2[1].tolist() == pytest.approx([0.2 / 0.3, 0.4 / 0.21**0.5])


def test_constant_pixels_are_not_divided_by_zero():
    pixels_NHWC = np.full((4, 2, 2, 1), 9, np.uint8)
    _, values_ND = whitened(pixels_NHWC, center="image", scale="std-image")
    assert np.abs(values_ND).max() < 1e-3
