import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from striate.base.config import Augment
from striate.batches import geometry

IDS = np.arange(1, 9, dtype=np.uint64)
ANGLES = st.floats(-60, 60)


def one(value: float) -> NDArray[np.float64]:
    return np.array([value])


def smooth(side_px: int = 48) -> torch.Tensor:
    along = (torch.arange(side_px, dtype=torch.float64) * 2 + 1) / side_px - 1
    y, x = along[:, None], along[None, :]
    waves = [torch.sin(3 * x + y), torch.cos(2 * y - x), torch.exp(-2 * (x**2 + y**2))]
    return torch.stack(waves)[None].float()


def moved(image: torch.Tensor, *matrices: NDArray[np.float64], size_px: int | None = None) -> torch.Tensor:
    for matrix in matrices:
        image = geometry.sample(image, matrix, size_px or image.shape[-1])
    return image


def test_a_mirror_is_exact():
    image = torch.rand(1, 2, 5, 5)
    assert torch.allclose(moved(image, geometry.scaling(one(-1.0), one(1.0))), image.flip(3), atol=1e-6)
    assert torch.allclose(moved(image, geometry.scaling(one(1.0), one(-1.0))), image.flip(2), atol=1e-6)


def test_a_shift_moves_to_the_right_and_down_by_whole_pixels():
    image = torch.rand(1, 1, 4, 4)
    actual = moved(image, geometry.translation(one(2 / 4), one(2 * 2 / 4)))  # one pixel and two, in half sides
    assert torch.allclose(actual[0, 0, 2:, 1:], image[0, 0, :2, :3], atol=1e-6)


def test_a_quarter_turn_is_clockwise_and_exact():
    image = torch.rand(1, 1, 6, 6)
    assert torch.allclose(moved(image, geometry.rotation(one(90.0))), torch.rot90(image, -1, (2, 3)), atol=1e-5)


def test_scaling_shows_as_much_as_it_says():
    image = torch.zeros(1, 1, 8, 8)
    image[..., 2:6, 2:6] = 1.0
    actual = moved(image, geometry.scaling(one(0.5), one(0.5)))  # the middle half of each side fills the image
    assert torch.allclose(actual[..., 1:-1, 1:-1], torch.ones(1, 1, 6, 6))


def test_shear_slants_to_the_right_at_the_bottom():
    matrix = geometry.shear(one(45.0))[0]
    old = np.linalg.inv(matrix) @ [0.0, 1.0, 1.0]  # where the middle of the bottom goes
    assert old == pytest.approx([1.0, 1.0, 1.0])


def test_perspective_takes_each_corner_where_it_was_sent():
    inward = np.array([[[0.1, 0.2], [0.3, 0.0], [0.05, 0.15], [0.0, 0.25]]])
    back = np.linalg.inv(geometry.perspective(inward)[0])
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    for (x, y), (dx, dy) in zip(corners, inward[0], strict=True):
        u, v, w = back @ [x, y, 1.0]
        assert (u / w, v / w) == pytest.approx((x * (1 - dx), y * (1 - dy)))


def test_a_crop_of_the_whole_area_is_the_image_and_others_stay_inside():
    whole = geometry.crop(1.0, one(0.5), one(0.5), one(0.5), one(0.5))
    assert whole[0] == pytest.approx(np.eye(3))
    rng = np.random.default_rng(0)
    result = geometry.crop(0.08, *rng.random((4, 500)))
    wide, tall = result[:, 0, 0], result[:, 1, 1]
    assert np.all(np.abs(result[:, 0, 2]) + wide <= 1 + 1e-12)
    assert np.all(np.abs(result[:, 1, 2]) + tall <= 1 + 1e-12)
    inside = (wide < 1) & (tall < 1)
    assert np.all((wide / tall)[inside] >= 3 / 4 - 1e-9)
    assert np.all((wide / tall)[inside] <= 4 / 3 + 1e-9)
    assert np.all(wide * tall >= 0.08 * 3 / 4)


@settings(deadline=None, max_examples=25)
@given(turn=ANGLES, slant=st.floats(-20, 20), factor=st.floats(0.8, 1.2), dx=st.floats(-0.2, 0.2))
def test_composed_matrices_do_what_they_do_one_after_another(turn: float, slant: float, factor: float, dx: float):
    parts = (
        geometry.scaling(one(factor), one(factor)), geometry.shear(one(slant)), geometry.rotation(one(turn)),
        geometry.translation(one(dx), one(0.1)),
    )  # fmt: skip
    together = parts[0] @ parts[1] @ parts[2] @ parts[3]
    image = smooth()
    difference = (moved(image, together) - moved(image, *parts))[..., 16:-16, 16:-16]
    assert float(difference.abs().max()) < 0.02


@settings(deadline=None, max_examples=25)
@given(turn=ANGLES, factor=st.floats(0.8, 1.2), pull=st.floats(0, 0.2))
def test_a_matrix_and_its_inverse_give_the_image_back_away_from_the_border(turn: float, factor: float, pull: float):
    matrix = (
        geometry.rotation(one(turn))
        @ geometry.scaling(one(factor), one(factor))
        @ geometry.perspective(np.full((1, 4, 2), pull))
    )
    image = smooth()
    difference = (moved(image, matrix, np.linalg.inv(matrix)) - image)[..., 16:-16, 16:-16]
    assert float(difference.abs().max()) < 0.02


def test_an_image_that_shrinks_is_averaged_and_not_picked():
    stripes = torch.zeros(1, 1, 32, 32)
    stripes[..., ::2] = 1.0  # every second column: any fourth column alone would be all black or all white
    actual = moved(stripes, np.eye(3)[None], size_px=8)
    assert torch.allclose(actual, torch.full((1, 1, 8, 8), 0.5), atol=1e-6)


def test_images_that_shrink_differently_go_side_by_side_as_they_go_alone():
    images = torch.rand(3, 1, 32, 32)
    factors = np.array([1.0, 2.2, 4.5])
    matrices = geometry.scaling(factors, factors)
    together = geometry.sample(images, matrices, 32)
    for i in range(3):
        assert torch.equal(together[i : i + 1], geometry.sample(images[i : i + 1], matrices[i : i + 1], 32))


@pytest.mark.parametrize("pull", [0.0, 0.2])
def test_places_of_some_images_are_those_of_all_and_are_divided_pixel_by_pixel(pull: float):
    images = torch.rand(5, 3, 32, 32)
    matrices = geometry.rotation(np.linspace(-40, 40, 5)) @ geometry.perspective(np.full((5, 4, 2), pull) * np.eye(4, 2))
    places = geometry.places(matrices, 32, 32, images.device)
    parts = [geometry.sample_at(*each) for each in zip(images.split(2), places.split(2), strict=True)]
    assert torch.equal(torch.cat(parts), geometry.sample(images, matrices, 32))

    along = (torch.arange(32, dtype=torch.float32) * 2 + 1) / 32 - 1
    m = torch.from_numpy(matrices / matrices[:, 2:, 2:]).float()[..., None, None]
    x, y = along[None, None, :], along[None, :, None]
    nearness = ((m[:, 2, 0] * x + 1.0) + m[:, 2, 1] * y).reciprocal()
    grid = torch.stack([((m[:, row, 0] * x + m[:, row, 2]) + m[:, row, 1] * y) * nearness for row in (0, 1)], -1)
    assert torch.equal(places.grid(), grid)


@pytest.mark.parametrize(("border", "expected"), [("black", 0.0), ("edge", 1.0), ("mirror", 1.0)])
def test_what_lies_outside_is_what_the_border_says(border: str, expected: float):
    image = torch.zeros(1, 1, 4, 4)
    image[..., 0] = 1.0
    actual = geometry.sample(image, geometry.translation(one(2 / 4), one(0.0)), 4, border)
    assert actual[0, 0, :, 0].tolist() == pytest.approx([expected] * 4, abs=1e-6)


def test_nothing_geometric_gives_no_matrix():
    assert geometry.homographies(Augment(brightness=0.4, flip=False), IDS, 32, 0, 0) is None


def test_draws_depend_on_seed_epoch_and_id_alone():
    wanted = Augment(flip=True, flip_vertical=True, shift=0.1, rotate=20, shear=5, scale=0.2, perspective=0.2, crop=0.3)
    result = geometry.homographies(wanted, IDS, 32, 1, 2)
    assert result is not None
    for i in range(len(IDS)):
        alone = geometry.homographies(wanted, IDS[i : i + 1], 32, 1, 2)
        assert alone is not None
        assert np.array_equal(alone[0], result[i])
    for seed, epoch in ((2, 2), (1, 3)):
        other = geometry.homographies(wanted, IDS, 32, seed, epoch)
        assert other is not None
        assert not np.isclose(other, result).all(axis=(1, 2)).any()


def test_shifts_are_whole_pixels_within_their_bound():
    ids = np.arange(400, dtype=np.uint64)
    result = geometry.homographies(Augment(shift=0.125), ids, 32, 0, 0)
    assert result is not None
    pixels = result[:, :2, 2] * 32 / 2
    assert np.allclose(pixels, np.rint(pixels))
    assert set(np.abs(np.rint(pixels)).astype(int).ravel()) == {0, 1, 2, 3, 4}


def test_half_of_the_images_are_mirrored():
    ids = np.arange(2000, dtype=np.uint64)
    result = geometry.homographies(Augment(flip=True), ids, 32, 0, 0)
    assert result is not None
    assert 0.45 < np.mean(result[:, 0, 0] < 0) < 0.55


def test_alternating_flips_show_each_image_both_ways_in_two_epochs():
    ids = np.arange(2000, dtype=np.uint64)
    mirrored = []
    for epoch in range(4):
        result = geometry.homographies(Augment(flip=True, flip_alternate=True), ids, 32, 0, epoch)
        assert result is not None
        mirrored.append(result[:, 0, 0] < 0)
    assert np.array_equal(mirrored[0], ~mirrored[1])
    assert np.array_equal(mirrored[0], mirrored[2])
    assert np.array_equal(mirrored[1], mirrored[3])
    assert 0.45 < np.mean(mirrored[0]) < 0.55
    first = geometry.homographies(Augment(flip=True), ids, 32, 0, 0)
    assert first is not None
    assert np.array_equal(mirrored[0], first[:, 0, 0] < 0)
