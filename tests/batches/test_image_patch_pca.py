import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.base.errors import ShapeError
from striate.batches import image_patch_pca
from striate.batches.image_patch_pca import components
from striate.batches.preprocess import Preprocess
from striate.nets.init import whiten

PIXELS_NHWC = np.random.default_rng(0).integers(0, 256, (7, 5, 6, 3), np.uint8)
ALL = np.arange(7)
COLOR = Preprocess(torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1), torch.tensor([0.2, 0.3, 0.5]).view(3, 1, 1))


def plain(channels: int) -> Preprocess:
    return Preprocess(torch.zeros(channels, 1, 1), torch.ones(channels, 1, 1))


def patches_by_loop(pixels_NHWC: NDArray[np.uint8], k: int) -> NDArray[np.float64]:
    # Every patch of the images as a row, its numbers in the order C, k, k
    images_NCHW = COLOR.images(torch.from_numpy(pixels_NHWC)).double().numpy()
    n, _, h, w = images_NCHW.shape
    corners = [(i, y, x) for i in range(n) for y in range(h - k + 1) for x in range(w - k + 1)]
    return np.stack([images_NCHW[i, :, y : y + k, x : x + k].ravel() for i, y, x in corners])


class Counting(Preprocess):
    # Remembers the first pixel of every image that it is given

    def images(self, pixels_NHWC: Tensor) -> Tensor:
        seen.extend(pixels_NHWC[:, 0, 0, 0].tolist())
        return super().images(pixels_NHWC)


seen: list[int] = []


@pytest.fixture(autouse=True)
def nothing_seen():
    seen.clear()


def test_two_pixels_of_two_channels_by_hand():
    pixels_NHWC = np.array([[[[255, 0], [0, 51]]]], np.uint8)  # (1, 0) and (0, .2): E[x x^T] = diag(1/2, .04/2)
    actual = components(pixels_NHWC, np.arange(1), plain(2), 1, 0)
    assert actual.variances_P.tolist() == pytest.approx([0.5, 0.02])
    assert actual.components_PP.abs().flatten().tolist() == pytest.approx([1, 0, 0, 1])


def test_the_mean_is_not_taken_out():
    white = np.full((3, 4, 4, 1), 255, np.uint8)  # each patch is (1, 1, 1, 1): E[x x^T] is all ones
    actual = components(white, np.arange(3), plain(1), 2, 0)
    assert actual.variances_P.tolist() == pytest.approx([4, 0, 0, 0], abs=1e-12)
    assert actual.components_PP[:, 0].abs().tolist() == pytest.approx([0.5] * 4)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_it_is_the_decomposition_of_the_moments_of_all_patches(k: int):
    patches_QP = patches_by_loop(PIXELS_NHWC, k)
    assert patches_QP.shape == (7 * (6 - k) * (7 - k), 3 * k * k)
    moments_PP = patches_QP.T @ patches_QP / len(patches_QP)
    actual = components(PIXELS_NHWC, ALL, COLOR, k, 0)
    assert actual.variances_P.tolist() == pytest.approx(np.linalg.eigvalsh(moments_PP)[::-1].tolist())
    again_PP = actual.components_PP @ actual.variances_P.diag() @ actual.components_PP.T
    assert again_PP.flatten().tolist() == pytest.approx(moments_PP.ravel().tolist())


def test_variances_fall_and_components_are_orthonormal():
    actual = components(PIXELS_NHWC, ALL, COLOR, 3, 0)
    assert (actual.variances_P.diff() <= 0).all()
    assert torch.allclose(actual.components_PP.T @ actual.components_PP, torch.eye(27, dtype=torch.float64))
    assert actual.variances_P.dtype == torch.float64


def test_a_convolution_with_a_component_gives_the_projection_on_it():
    actual = components(PIXELS_NHWC, ALL, COLOR, 2, 0)
    conv = nn.Conv2d(3, 12, kernel_size=2, bias=False).double()
    with torch.no_grad():
        conv.weight.copy_(actual.components_PP.T.reshape(12, 3, 2, 2))
        maps_NCHW = conv(COLOR.images(torch.from_numpy(PIXELS_NHWC)).double())
    projected_QP = maps_NCHW.permute(0, 2, 3, 1).reshape(-1, 12)
    assert torch.allclose(projected_QP, torch.from_numpy(patches_by_loop(PIXELS_NHWC, 2)) @ actual.components_PP)
    assert torch.allclose(projected_QP.T @ projected_QP / len(projected_QP), actual.variances_P.diag())


def test_a_convolution_that_starts_from_them_puts_out_unit_variance_on_the_images():
    conv = nn.Conv2d(3, 24, kernel_size=2)
    actual = components(PIXELS_NHWC, ALL, COLOR, 2, 0)
    assert whiten(conv, *actual) == 24
    with torch.no_grad():
        outputs_F = conv(COLOR.images(torch.from_numpy(PIXELS_NHWC))).square().mean((0, 2, 3))
    expected_P = actual.variances_P / (actual.variances_P + 0.01)
    assert outputs_F.tolist() == pytest.approx(expected_P.repeat(2).tolist(), rel=1e-4)
    assert outputs_F.tolist() == pytest.approx([1] * 24, rel=0.1)


def test_neither_the_order_of_the_rows_nor_images_outside_of_them_matter():
    actual = components(PIXELS_NHWC, ALL, COLOR, 2, 0)
    shuffled = components(PIXELS_NHWC, np.array([3, 0, 6, 1, 5, 2, 4]), COLOR, 2, 0)
    poisoned = components(np.concatenate([PIXELS_NHWC, 255 - PIXELS_NHWC]), ALL, COLOR, 2, 0)
    for other in (shuffled, poisoned):
        assert torch.equal(other.variances_P, actual.variances_P)
        assert torch.equal(other.components_PP, actual.components_PP)


def test_all_rows_are_looked_at_once_where_they_are_few():
    pixels_NHWC = np.arange(200, dtype=np.uint8).reshape(200, 1, 1, 1)
    components(pixels_NHWC, np.arange(20, 120), Counting(torch.zeros(1, 1, 1), torch.ones(1, 1, 1)), 1, 0)
    assert seen == list(range(20, 120))


def numbered(n: int) -> NDArray[np.uint8]:
    # Images of one pixel, whose level is the number of the image divided by 10
    return (np.arange(n) // 10).astype(np.uint8).reshape(n, 1, 1, 1)


def test_of_many_a_sample_of_two_thousand_is_looked_at_which_the_seed_draws():
    looking = Counting(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    samples = []
    for seed in (0, 0, 1):
        seen.clear()
        components(numbered(2560), np.arange(2560), looking, 1, seed)
        assert len(seen) == 2000
        assert max(np.bincount(seen)) <= 10  # none twice
        samples.append(sorted(seen))
    assert samples[0] == samples[1] != samples[2]
    assert set(samples[0]) == set(range(256))  # from everywhere


def test_the_moments_are_the_sample_s_mean(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(image_patch_pca, "_IMAGES", 6)
    monkeypatch.setattr(image_patch_pca, "_NUMBERS", 4)
    actual = components(numbered(90), np.arange(90), Counting(torch.zeros(1, 1, 1), torch.ones(1, 1, 1)), 1, 0)
    assert len(seen) == 6
    assert actual.variances_P.tolist() == pytest.approx([sum((level / 255) ** 2 for level in seen) / 6])


def test_of_large_images_a_grid_of_patches_is_looked_at_a_few_images_at_a_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(image_patch_pca, "_PLACES", 4)  # of the 9 places of a 1 px patch: every second in each direction
    monkeypatch.setattr(image_patch_pca, "_NUMBERS", 4)  # one image at a time
    pixels_NHWC = np.zeros((2, 3, 3, 1), np.uint8)
    pixels_NHWC[:, ::2, ::2] = 255
    looking = Counting(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    assert components(pixels_NHWC, np.arange(2), looking, 1, 0).variances_P.tolist() == [1.0]


def test_patches_larger_than_the_images_are_refused():
    for kernel_px, size in ((6, "5 x 6"), (7, "5 x 6")):
        with pytest.raises(ShapeError) as refused:
            components(PIXELS_NHWC, ALL, COLOR, kernel_px, 0)
        assert str(refused.value) == (
            f"patches of {kernel_px} px do not fit into images of {size}. Set preprocess.size_px higher, or net.init=paper."
        )
