import numpy as np
import pytest
import torch

from striate.base.config import Augment
from striate.base.errors import SettingError
from striate.batches import augment
from striate.batches.loader import Loader
from striate.batches.preprocess import Preprocess

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
PIXELS_NHWC = RNG.integers(0, 256, (40, 17, 17, 3), np.uint8)
IDS = RNG.integers(0, 2**63, 40).astype(np.uint64)
ROWS = np.arange(40)
EVERYTHING = Augment(
    flip=True, flip_vertical=True, shift=0.1, rotate=15, shear=5, scale=0.8, perspective=0.2, crop=0.3, brightness=0.4,
    contrast=0.4, saturation=0.4, hue=0.1, pca_noise=0.1, gray=0.2, posterize=4, solarize=0.5, equalize=0.3, autocontrast=0.3,
    policy="randaugment", policy_ops=3, policy_magnitude=20, random_erasing=0.5,
)  # fmt: skip


def result(settings: Augment, seed: int = 0) -> augment.Augmentation:
    actual = augment.fit(settings, PIXELS_NHWC, ROWS, seed)
    assert actual is not None
    return actual


def test_nothing_asked_for_is_no_augmentation():
    assert augment.fit(Augment(), PIXELS_NHWC, ROWS, 0) is None
    assert augment.fit(Augment(flip=False, border="edge"), PIXELS_NHWC, ROWS, 0) is None


@pytest.mark.parametrize("batch", [1, 3, 7, 16])
def test_the_pixels_do_not_depend_on_the_batch(batch: int):
    whole = result(EVERYTHING).images(PIXELS_NHWC, IDS, 3, CPU)
    starts = range(0, 40, batch)
    parts = [result(EVERYTHING).images(PIXELS_NHWC[at : at + batch], IDS[at : at + batch], 3, CPU) for at in starts]
    assert torch.equal(torch.cat(parts), whole)
    assert float(whole.min()) >= 0.0
    assert float(whole.max()) <= 1.0


def test_no_images_give_none():
    none = result(EVERYTHING).images(PIXELS_NHWC[:0], IDS[:0], 3, CPU)
    assert none.shape == (0, 3, 17, 17)


@pytest.mark.parametrize("side", [5, 127, 200])
def test_the_mean_level_of_each_channel_is_summed_in_whole_numbers(side: int):
    pixels = np.full((2, side, side, 3), (255, 254, 0), np.uint8)
    assert augment._means(pixels, None, np.array([True, False])).tolist() == [[1.0, 254 / 255, 0.0], [0.0, 0.0, 0.0]]


def test_another_seed_and_another_epoch_change_every_image_and_the_same_none():
    first = result(EVERYTHING).images(PIXELS_NHWC, IDS, 3, CPU)
    assert torch.equal(result(EVERYTHING).images(PIXELS_NHWC, IDS, 3, CPU), first)
    for other in (result(EVERYTHING).images(PIXELS_NHWC, IDS, 4, CPU), result(EVERYTHING, 1).images(PIXELS_NHWC, IDS, 3, CPU)):
        assert not (other == first).flatten(1).all(dim=1).any()


STRONG = {
    "flip": True, "flip_vertical": True, "rotate": 20.0, "shear": 20.0, "crop": 0.9, "gray": 0.9, "random_erasing": 0.9,
    "perspective": 0.9, "posterize": 4, "equalize": 1.0, "policy": "trivialaugment",
}  # fmt: skip
OTHERS = ("border", "flip_alternate", "mixup", "cutmix", "policy_ops", "policy_magnitude")


@pytest.mark.parametrize("name", [name for name in Augment.model_fields if name not in OTHERS])
def test_every_setting_changes_images(name: str):
    wanted = Augment.model_validate({name: STRONG.get(name, 0.4)})
    images = result(wanted).images(PIXELS_NHWC, IDS, 0, CPU)
    plain = torch.from_numpy(PIXELS_NHWC).permute(0, 3, 1, 2) / 255.0
    assert (images != plain).flatten(1).any(dim=1).float().mean() > 0.3


def test_an_erased_rectangle_has_the_mean_color_and_the_size_that_was_drawn():
    actual = result(Augment(random_erasing=1.0))
    images = actual.images(PIXELS_NHWC, IDS, 0, CPU)
    plain = torch.from_numpy(PIXELS_NHWC).permute(0, 3, 1, 2) / 255.0
    mean = torch.from_numpy(PIXELS_NHWC.reshape(-1, 3).mean(axis=0) / 255).float()
    assert actual.mean_C == pytest.approx(mean.tolist())
    for changed, before in zip(images, plain, strict=True):
        erased = (changed != before).any(dim=0)
        ys, xs = torch.nonzero(erased, as_tuple=True)
        tall, wide = int(ys.max() - ys.min() + 1), int(xs.max() - xs.min() + 1)
        assert int(erased.sum()) == tall * wide
        assert torch.allclose(changed[:, erased], mean[:, None].expand(3, tall * wide))
        assert 0.01 * 289 <= tall * wide <= 0.40 * 289  # 0.02 to 0.33, and sides of whole pixels


def test_lighting_knows_the_principal_colors_of_the_training_pixels_alone():
    half = np.arange(20)
    actual = augment.fit(Augment(pca_noise=0.1), PIXELS_NHWC, half, 0)
    assert actual is not None
    assert actual.colors_33 is not None
    levels = PIXELS_NHWC[half].reshape(-1, 3) / 255
    covariance = np.cov(levels.T, bias=True)
    variances = np.linalg.norm(actual.colors_33, axis=0)
    assert np.sort(variances) == pytest.approx(np.linalg.eigvalsh(covariance))
    directions = actual.colors_33 / variances
    assert directions @ np.diag(variances) @ directions.T == pytest.approx(covariance)


@pytest.mark.parametrize("name", ["saturation", "hue", "pca_noise", "gray"])
def test_changes_of_color_are_refused_for_gray_images(name: str):
    with pytest.raises(SettingError) as refused:
        augment.fit(Augment(**{name: 0.1}), PIXELS_NHWC[..., :1], ROWS, 0)
    assert str(refused.value) == f"augment.{name} does not apply to gray images; remove it."
    assert augment.fit(Augment(brightness=0.2, rotate=5), PIXELS_NHWC[..., :1], ROWS, 0) is not None


def test_gray_images_are_changed_too():
    wanted = Augment(brightness=0.4, contrast=0.4, rotate=10, equalize=0.5, solarize=0.5, policy="randaugment", policy_ops=3)
    actual = augment.fit(wanted, PIXELS_NHWC[..., :1], ROWS, 0)
    assert actual is not None
    whole = actual.images(PIXELS_NHWC[..., :1], IDS, 0, CPU)
    assert whole.shape == (40, 1, 17, 17)
    assert torch.equal(actual.images(PIXELS_NHWC[7:9, ..., :1], IDS[7:9], 0, CPU), whole[7:9])


def test_equalizing_images_that_are_too_small_for_it_is_refused():
    small = PIXELS_NHWC[:, :15, :15]
    with pytest.raises(SettingError) as refused:
        augment.fit(Augment(equalize=0.5), small, ROWS, 0)
    assert str(refused.value) == (
        "augment.equalize changes no image below 16 px; the images have 15. Remove it, or make preprocess.size_px larger."
    )
    assert augment.fit(Augment(equalize=0.5), PIXELS_NHWC[:, :16, :16], ROWS, 0) is not None


def stream(batch: int, rank: int = 0, world: int = 1) -> Loader:
    half = torch.full((3, 1, 1), 0.5)
    return Loader(
        PIXELS_NHWC, np.arange(40) % 4, IDS, ROWS, Preprocess(half, half), batch, shuffle_seed=0, rank=rank, world=world,
        augmentation=result(EVERYTHING),
    )  # fmt: skip


def by_id(*streams: Loader, start: int = 0) -> dict[int, tuple[torch.Tensor, int]]:
    batches = [batch for one in streams for batch in one.epoch(2, start)]
    return {
        int(i): (image, int(label))
        for batch in batches
        for i, image, label in zip(batch.ids_N, batch.images_NCHW, batch.labels_N, strict=True)
    }


def test_strength_and_number_of_a_policy_change_images():
    plain = result(Augment(policy="randaugment")).images(PIXELS_NHWC, IDS, 0, CPU)
    for name, default, other in (("policy_ops", 2, 3), ("policy_magnitude", 9, 20)):
        wanted = [Augment.model_validate({"policy": "randaugment", name: value}) for value in (default, other)]
        same, different = (result(one).images(PIXELS_NHWC, IDS, 0, CPU) for one in wanted)
        assert torch.equal(same, plain)
        assert (different != plain).flatten(1).any(dim=1).float().mean() > 0.3


def test_a_stream_gives_each_image_the_same_pixels_whatever_batch_process_or_resumption():
    whole = by_id(stream(8))
    assert len(whole) == 40
    for other in (by_id(stream(5)), by_id(stream(8, 0, 2), stream(8, 1, 2))):
        assert other.keys() == whole.keys()
        assert all(torch.equal(other[i][0], whole[i][0]) for i in whole)
    resumed = by_id(stream(8), start=3)
    assert len(resumed) == 16
    assert all(torch.equal(image, whole[i][0]) for i, (image, _) in resumed.items())


def test_labels_stay_with_their_images_whatever_is_changed():
    labels = dict(zip(IDS.tolist(), (np.arange(40) % 4).tolist(), strict=True))
    assert all(label == labels[i] for i, (_, label) in by_id(stream(8)).items())


def test_augmented_levels_are_preprocessed_as_plain_ones_are():
    half = Preprocess(torch.full((3, 1, 1), 0.25), torch.full((3, 1, 1), 0.5))
    shown = Loader(PIXELS_NHWC, ROWS % 4, IDS, ROWS, half, 40, augmentation=result(Augment(brightness=0.3)))
    batch = next(iter(shown.epoch(1)))
    levels = result(Augment(brightness=0.3)).images(PIXELS_NHWC, IDS, 1, CPU)
    assert torch.allclose(batch.images_NCHW, (levels - 0.25) / 0.5)
