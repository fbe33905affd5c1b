import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.base import config, run_folder
from striate.base.errors import SettingError
from striate.base.signals import Stop
from striate.data import cache_cleanup, sources
from striate.workflows.dataset import Dataset, gather
from striate.workflows.report import run_facts
from striate.workflows.train import mirroring
from support.finetuned import finetune

pytestmark = pytest.mark.usefixtures("logged", "own_cache")

TINY = {"preprocess": {"size_px": 16, "channels": 3, "resize_mode": "squash"}, "net": {"name": "conv 3x3x2, globalpool, fc"}}


def arrow(number: int, left: bool) -> Image.Image:
    """An arrow that points left or right, on colored noise."""
    generator = np.random.default_rng([number, left])
    levels = generator.normal(90, 20, (16, 16, 3))
    row = int(generator.integers(5, 11))
    levels[row : row + 2, 3:13] = (240, 200, 30)
    levels[row - 4 : row + 6, 2:5] = (240, 200, 30)
    levels = levels if left else levels[:, ::-1]
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "striate")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of each test, so that none is given what another has put in the place of the filters."""
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def arrows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("arrows")
    for name in ("left", "right"):
        (root / name).mkdir()
        for number in range(20):
            arrow(number, name == "left").save(root / name / f"{number:02d}.png")
    return root


def gathered(path: Path, **augment: bool) -> tuple[config.Run, Dataset]:
    run = config.build({"data": {"path": path}, "augment": augment, **TINY})
    return run, gather(sources.read(run.data), run, Stop(), lambda _event: None)


def test_arrows_are_not_mirrored_and_the_log_says_why(arrows: Path, caplog: pytest.LogCaptureFixture):
    run, dataset = mirroring.choose(*gathered(arrows))
    assert run.augment.flip is False
    assert dataset.mirroring is not None
    assert (dataset.mirroring["verdict"], dataset.mirroring["classes"]) == ("swapped", ["left", "right"])
    assert dataset.mirroring["images"] == len(dataset.parts.train_M) + len(dataset.parts.val_M)
    assert dataset.account()["mirroring"] == dataset.mirroring
    assert caplog.messages == [
        "not mirrored: the classes 'left' and 'right' depend on left and right: mirror images of one look like the other. Of "
        "32 images of these two a cross-validated linear classifier gets 100.00 % right, and 0.00 % of their mirror images "
        "(p = 5e-10). augment.flip=true mirrors all the same."
    ]


def test_the_same_images_and_labels_are_tested_once(
    arrows: Path, own_cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    run, dataset = gathered(arrows)
    tested, computed = mirroring.choose(run, dataset).dataset.mirroring, list[int]()

    def counted(images_NCHW: torch.Tensor) -> Recorder:
        computed.append(len(images_NCHW))
        return Recorder()

    monkeypatch.setattr(mirroring.patch_responses, "fit", counted)
    assert mirroring.choose(run, dataset).dataset.mirroring == tested
    assert (computed, caplog.messages[0]) == ([], caplog.messages[1])
    labels_N = dataset.examples.labels_N.copy()
    labels_N[dataset.parts.train_M[0]] ^= 1
    others = replace(dataset.stored, examples=replace(dataset.examples, labels_N=labels_N))
    mirroring.choose(run, replace(dataset, stored=others))
    assert computed == [32], "another label"
    mirroring.choose(run, replace(dataset, parts=replace(dataset.parts, val_M=dataset.parts.val_M[:-1])))
    assert computed == [32, 31], "other images"
    for kept in own_cache.glob("mirroring/*/result.json"):
        kept.write_bytes(kept.read_bytes().replace(b"swapped", b"same"))
    mirroring.choose(run, dataset)
    assert computed == [32, 31, 32], "a result that was changed on the disk"
    assert {(entry.what, entry.data, entry.images) for entry in cache_cleanup.list_cache(own_cache).entries} == {
        ("pixels", str(arrows), 40), ("mirroring", str(arrows), 40),
    }  # fmt: skip


def test_what_the_user_said_is_kept_with_a_warning_or_without_a_test(arrows: Path, caplog: pytest.LogCaptureFixture):
    run, dataset = mirroring.choose(*gathered(arrows, flip=True))
    assert run.augment.flip is True
    assert caplog.messages[0].startswith("augment.flip=true, but the classes 'left' and 'right' depend on left and right: ")
    assert caplog.messages[0].endswith(" Without mirroring the accuracy may be higher.")
    run, dataset = mirroring.choose(*gathered(arrows, flip=False))
    assert (run.augment.flip, dataset.mirroring, len(caplog.messages)) == (False, None, 1)


def test_features_of_weights_are_warned_of_where_left_and_right_are_classes(arrows: Path, caplog: pytest.LogCaptureFixture):
    run, dataset = gathered(arrows)
    run = config.change(run, {"finetune": {"weights": "efficientnet_lite0@imagenet"}})
    dataset = mirroring.warn_of_features(run, dataset)
    assert dataset.mirroring is not None
    assert dataset.mirroring["verdict"] == "swapped"
    assert caplog.messages[0].startswith("The classes 'left' and 'right' depend on left and right: ")
    assert caplog.messages[0].endswith(
        " Features of efficientnet_lite0@imagenet hardly tell left from right, since these weights were learned from mirrored "
        "images too: compare with --weights none."
    )


class Recorder:
    """Stands in for the filters, and keeps the images that it is given."""

    def __init__(self, constant: bool = False) -> None:
        self.seen: list[torch.Tensor] = []
        self.constant = constant

    def features(self, images_NCHW: torch.Tensor) -> np.ndarray:
        self.seen.append(images_NCHW)
        return np.ones((len(images_NCHW), 1)) if self.constant else images_NCHW.flatten(1).numpy()


def test_test_images_are_not_looked_at(arrows: Path, monkeypatch: pytest.MonkeyPatch):
    run, dataset = gathered(arrows)
    recorder = Recorder()
    monkeypatch.setattr(mirroring.patch_responses, "fit", lambda _images_NCHW: recorder)
    monkeypatch.setattr(mirroring, "_MOST_IMAGES", 25)
    assert mirroring.choose(run, dataset).run.augment.flip is False
    plain, mirrored = recorder.seen
    assert torch.equal(plain.flip(3), mirrored)
    pixels = (255 * plain).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    test = {image.tobytes() for image in dataset.stored.pixels_NHWC[dataset.parts.test_M]}
    known = {image.tobytes() for image in dataset.stored.pixels_NHWC[:]}
    seen = {image.tobytes() for image in pixels}
    assert len(seen) == len(seen & known) == 25
    assert not test & seen


def test_classes_that_have_no_side_are_mirrored(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for name, color in (("red", (200, 30, 30)), ("green", (30, 200, 30))):
        (tmp_path / name).mkdir()
        for number in range(10):
            Image.new("RGB", (16, 16), tuple(level + number for level in color)).save(tmp_path / name / f"{number}.png")
    assert mirroring.choose(*gathered(tmp_path)).run.augment.flip is True
    assert caplog.messages == [
        "mirrored at random: the images have color. Of 16 training and validation images a cross-validated linear classifier "
        "gets 100.00 % right, and 100.00 % of their mirror images."
    ]


def test_where_nothing_is_learned_the_default_stays_and_the_setting_is_named(
    arrows: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mirroring.patch_responses, "fit", lambda _images_NCHW: Recorder(constant=True))
    assert mirroring.choose(*gathered(arrows)).run.augment.flip is True
    assert caplog.messages == [
        "mirrored at random: the images have color. Whether classes depend on left and right cannot be told: of 32 training "
        "and validation images a cross-validated linear classifier gets 50.00 % right, no better than the majority class. "
        "augment.flip=false if left and right matter."
    ]


def test_networks_without_gradients_are_not_asked(arrows: Path):
    run, dataset = gathered(arrows)
    run = config.change(run, {"net": {"name": "gmdh"}})
    assert mirroring.choose(run, dataset) == (run, dataset)


def test_worse_as_no_other_class_and_too_few_images_in_words():
    tested = {"verdict": "worse", "images": 40, "accuracy": 0.9, "mirrored_accuracy": 0.5, "p_value": 1e-3}
    assert mirroring.describe(tested) == (
        "of 40 training and validation images a cross-validated linear classifier gets 90.00 % right, and 50.00 % of their "
        "mirror images, but does not take these for another class."
    )
    assert mirroring.describe({"verdict": "unknown", "images": 0}) == (
        "there are too few images to test whether classes depend on left and right."
    )


def test_a_run_keeps_the_choice_and_its_report_names_the_cause(arrows: Path, tmp_path: Path):
    for name, own in (("by-rule", {}), ("by-hand", {"augment": {"flip": True}})):
        settings = {**TINY, "train": {"epochs": 1}, **own}
        striate.train(arrows, name=name, out=tmp_path, report=False, settings=settings)
    assert run_folder.settings(tmp_path / "by-rule").augment.flip is False
    found = [finding.sentence for finding in run_facts.read(tmp_path / "by-rule").findings]
    assert any(sentence.startswith("Training images were not mirrored: the classes 'left' and") for sentence in found)
    found = [f"{finding.level} {finding.sentence}" for finding in run_facts.read(tmp_path / "by-hand").findings]
    assert any(sentence.startswith("bad Training images were mirrored at random, but the classes 'left'") for sentence in found)


def test_a_fine_tuning_does_not_mirror_them_either(arrows: Path, tmp_path: Path):
    result = finetune(arrows, tmp_path, "adapt", own={"adapt": {"epochs": 1}}, report=False)
    assert run_folder.settings(Path(result["run"])).augment.flip is False
    assert result["strategies"][0]["augmented_copies"] == 1
    account = run_folder.read_json(Path(result["run"]) / "data.json")
    assert account is not None
    assert account["mirroring"]["classes"] == ["left", "right"]
    with pytest.raises(SettingError, match=r"finetune\.augmented_copies does not apply without augmentation; remove it"):
        finetune(arrows, tmp_path / "copies", "adapt", own={"augmented_copies": 3}, report=False)
