import pytest
import torch

from striate.base import config
from striate.data.survey import SampleStats
from striate.nets.factory import build
from striate.workflows.train.defaults import PHOTO_NET, SMALL_COLOR, Plan, choose_input, choose_schedule


def sample_stats(side: int = 28, aspect: float = 1.0, gray: bool = True) -> SampleStats:
    return SampleStats(1000, 200, side, round(side * aspect), aspect, gray)


def choose(run: config.Run, stats: SampleStats, train_images: int) -> Plan:
    """What the rule chooses before and after decoding."""
    before = choose_input(run, stats)
    after = choose_schedule(before.run, stats, train_images)
    return Plan(after.run, before.reasons + after.reasons)


def plan(seen: SampleStats, images: int = 1000, **asked: object) -> config.Run:
    return choose(config.build(asked), seen, images).run


@pytest.mark.parametrize(
    ("side", "net", "size"),
    [(8, "mnist_cnn", 16), (16, "mnist_cnn", 16), (17, "mnist_cnn", 28), (28, "mnist_cnn", 28), (32, "mnist_cnn", 32),
     (40, "mnist_cnn", 32), (41, PHOTO_NET, 64), (900, PHOTO_NET, 64)],
)  # fmt: skip
def test_network_and_size_follow_the_median_short_side(side: int, net: str, size: int):
    found = plan(sample_stats(side))
    assert (found.net.name, found.preprocess.size_px) == (net, size)


@pytest.mark.parametrize(
    ("name", "side", "size"),
    [("resnet18", 300, 224), ("resnet18", 168, 224), ("resnet18", 167, 64), ("resnet18", 28, 32), ("resnet18", 8, 32),
     ("alexnet", 100, 67), ("resnet20", 300, 64), ("resnet20", 32, 32), ("lenet5", 28, 32), ("mnist_cnn", 300, 64),
     ("timm:resnet18", 300, 224), ("timm:resnet18", 60, 64)],
)  # fmt: skip
def test_a_network_that_is_named_gets_the_size_that_it_was_published_for(name: str, side: int, size: int):
    assert plan(sample_stats(side), net={"name": name}).preprocess.size_px == size


def test_color_follows_the_sample():
    assert plan(sample_stats(gray=True)).preprocess.channels == 1
    assert plan(sample_stats(gray=False)).preprocess.channels == 3


def test_gray_images_are_not_mirrored_and_those_in_color_are_left_to_the_test_of_mirroring():
    assert plan(sample_stats(gray=False)).augment.flip is None
    assert plan(sample_stats(gray=True)).augment.flip is False
    assert plan(sample_stats(gray=True), preprocess={"channels": 3}).augment.flip is None
    assert plan(sample_stats(gray=True), augment={"flip": True}).augment.flip is True


@pytest.mark.parametrize(("side", "size"), [(8, 16), (28, 28), (32, 32), (40, 32), (41, 64)])
def test_small_images_in_color_get_the_network_of_large_ones_at_their_own_size(side: int, size: int):
    chosen = plan(sample_stats(side, gray=False))
    assert (chosen.net.name, chosen.preprocess.size_px) == (PHOTO_NET, size)
    assert build(PHOTO_NET, (3, size, size), 4)(torch.rand(2, 3, size, size)).shape == (2, 4)


def test_small_images_in_color_are_augmented_and_others_are_not():
    small = plan(sample_stats(32, gray=False), augment={"contrast": 0.5})
    assert config.given(small.augment).items() >= {**SMALL_COLOR, "contrast": 0.5}.items()
    for other in (
        plan(sample_stats(41, gray=False)), plan(sample_stats(32)), plan(sample_stats(32, gray=False), net={"name": "mlp"}),
        plan(sample_stats(32, gray=False), preprocess={"channels": 1}), plan(sample_stats(32), preprocess={"channels": 3}),
    ):  # fmt: skip
        assert other.augment.shift == other.augment.saturation == 0
    assert plan(sample_stats(32), preprocess={"channels": 3}).net.name == "mnist_cnn"


def test_the_reason_of_augmentation_names_what_the_rule_added():
    reasons = choose_input(config.build({"augment": {"shift": 0.0}}), sample_stats(32, gray=False)).reasons
    assert (
        "augmented: brightness 0.2, contrast 0.2 and saturation 0.2, since small images in color are learned better so"
        in reasons
    )
    own = {"augment": dict.fromkeys(SMALL_COLOR, 0.1)}
    assert not any("augmented" in reason for reason in choose_input(config.build(own), sample_stats(32, gray=False)).reasons)


@pytest.mark.parametrize(("aspect", "fit"), [(1.0, "squash"), (1.05, "squash"), (1.33, "crop"), (1.5, "pad"), (3.0, "pad")])
def test_fit_follows_what_a_crop_would_hide(aspect: float, fit: str):
    assert plan(sample_stats(aspect=aspect)).preprocess.resize_mode == fit


@pytest.mark.parametrize(("images", "batch", "epochs"), [(60, 8, 60), (300, 30, 60), (1258, 64, 43), (54_000, 100, 1)])
def test_batch_and_epochs_follow_the_number_of_images(images: int, batch: int, epochs: int):
    found = plan(sample_stats(), images)
    assert (found.train.batch_size, found.train.epochs) == (batch, epochs)


def test_an_epoch_of_balanced_classes_counts_with_the_images_that_it_shows():
    reasons = choose(config.build({"train": {"sampling": "balanced"}}), sample_stats(), 3000).reasons
    assert "batches of 64: 3,000 training images an epoch" in reasons
    assert "epochs 18: to show about 54,000 images, at most 60 times each" in reasons


def test_what_the_user_gave_is_kept_and_needs_no_reason():
    asked = {
        "preprocess": {"size_px": 20, "channels": 3, "resize_mode": "pad"}, "net": {"name": "mlp"}, "augment": {"flip": False},
        "train": {"steps": 7, "batch_size": 5},
    }  # fmt: skip
    made = choose(config.build(asked), sample_stats(), 1000)
    assert made.reasons == ()
    assert config.merge(config.given(made.run), asked) == config.given(made.run)


def test_every_choice_has_its_reason():
    reasons = " / ".join(choose(config.Run(), sample_stats(60, 1.2, gray=False), 500).reasons)
    for word in ("color:", "network of four convolutions:", "size 64 px:", "resize crop:", "batches of 50:", "epochs 60:"):
        assert word in reasons
    assert "hide 17% of the median image" in reasons


def test_the_network_for_photos_can_be_built():
    convolutions = (27 * 32 + 32) + (9 * 32 * 64 + 64) + (9 * 64 * 128 + 128) + (9 * 128 * 256 + 256)
    norms, head = 2 * (32 + 64 + 128 + 256), 256 * 5 + 5
    net = build(PHOTO_NET, (3, 64, 64), 5)
    assert sum(weight.numel() for weight in net.parameters()) == convolutions + norms + head
