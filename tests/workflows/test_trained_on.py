"""How many tested images a run learned from, and what a score on them is worth."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate
from striate.base import run_images
from striate.base.run_images import RunImages
from striate.metrics.intervals import wilson
from striate.workflows import stored_copies, trained_on
from striate.workflows.report import run_facts


@pytest.fixture
def images() -> RunImages:
    """A run that trained on the hashes 0 to 5, chose by 6 and 7, and tested on 8 and 9; an image of 0 is in validation too."""
    hashes_N = np.array([*range(10), 0], np.uint64)
    rows = (np.arange(6), np.array([6, 7, 10]), np.array([8, 9]))
    return run_images.of_parts(np.arange(11, dtype=np.uint64), np.zeros(11, np.int64), hashes_N, *rows)


def test_images_are_counted_once_by_their_pixels_and_scored_apart(images: RunImages, tmp_path: Path):
    tested_M = np.array([0, 0, 3, 7, 8, 77], np.uint64)  # twice the same; the test image and the new one are unseen
    right_M = np.array([True, True, True, False, True, False])
    seen = trained_on.find(tmp_path, images, tested_M, None)
    overlap = trained_on.compare(seen, right_M)
    assert overlap == (3, 1, 0, wilson(3, 4), wilson(1, 2))
    json = overlap.as_json()
    assert json["unseen"] == {"accuracy": 0.5, "low": wilson(1, 2).low, "high": wilson(1, 2).high, "n": 2}
    assert trained_on.describe(overlap, "r") == (
        "4 images of 6 are ones that the run was trained on (3 in training and 1 in validation), so this accuracy says little "
        "of new images. Without them it is 50.00 % (95 % interval 9.45 % to 90.55 %, 2 images)."
    )


def test_near_duplicates_are_counted_apart(images: RunImages):
    flags = (np.array(mask, bool) for mask in ([1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0]))
    overlap = trained_on.compare(trained_on.Seen(*flags), np.array([True, True, False, False]))
    assert overlap == (1, 0, 2, wilson(2, 3), wilson(0, 1))
    assert trained_on.describe(overlap, "r").startswith(
        "3 images of 4 are ones that the run was trained on, or nearly equal to one (1 in training and 2 nearly equal to one "
        "of these), so this accuracy says little of new images. Without them it is 0.00 % ("
    )


def texture(number: int, side: int = 48) -> Image.Image:
    """Spots of two sizes, other ones for each number."""
    rng = np.random.default_rng(number)
    layers = [Image.fromarray(rng.integers(0, 256, (spots, spots, 3)).astype(np.uint8)) for spots in (6, 14)]
    return Image.blend(*(layer.resize((side, side), Image.Resampling.BICUBIC) for layer in layers), 0.4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 36 textures, divided by folders, where test image 31 is training image 1 in another size."""
    root = tmp_path_factory.mktemp("near")
    for number in range(36):
        path = root / "d" / ("train" if number < 24 else "test") / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        (texture(number) if number != 31 else texture(1).resize((36, 36))).save(path)
    striate.train(root / "d", net="pool 8, fc", epochs=1, out=root, name="r", report=False)
    return root


def test_a_run_knows_copies_of_its_images_in_other_sizes(trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for number in (0, 1, 2, 3, 100, 101):  # two equal, two resized, two new
        path = tmp_path / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        (texture(number).resize((40, 40)) if number in (2, 3) else texture(number)).save(path)
    with caplog.at_level(logging.WARNING, "striate"):
        overlap = striate.evaluate(trained / "r", tmp_path)["trained_on"]
    assert (overlap["train"] + overlap["val"], overlap["near"], overlap["unseen"]["n"]) == (2, 2, 2)
    assert "2 nearly equal to one of these" in caplog.text
    (trained / "r" / stored_copies.FILE).rename(trained / "copies")
    assert striate.evaluate(trained / "r", tmp_path)["trained_on"]["near"] is None
    (trained / "copies").rename(trained / "r" / stored_copies.FILE)


def test_of_a_split_that_is_given_the_test_images_that_have_a_copy_in_training_are_known(trained: Path):
    result = striate.evaluate(trained / "r")
    assert (result["trained_on"]["near"], result["trained_on"]["unseen"]["n"], result["n"]) == (1, 11, 12)
    known = run_facts.read(trained / "r")
    assert known.facts.origin is not None
    assert known.facts.origin["trained_on"] == result["trained_on"]
    assert known.facts.origin["baselines"] == result["baselines"]
    assert known.facts.origin["test_looks"] == result["test_looks"]
    sentence = "1 image of 12 is nearly equal to ones that the run was trained on, so this accuracy says little of new images."
    assert any(finding.sentence.startswith(sentence) for finding in known.findings)


def test_where_all_or_none_were_trained_on(images: RunImages, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    def compare(hashes: list[int]) -> trained_on.TrainedOn:
        return trained_on.compare(trained_on.find(tmp_path, images, np.array(hashes, np.uint64), None), np.ones(2, bool))

    whole = compare([1, 2])
    assert trained_on.describe(whole, "r") == (
        "All 2 images are ones that the run was trained on (2 in training), so this accuracy says little of new images. "
        "`striate evaluate r` scores its test images."
    )
    new = compare([8, 9])
    assert new == (0, 0, 0, None, wilson(2, 2))
    with caplog.at_level(logging.INFO, "striate"):
        trained_on.warn(new, "r")
        assert caplog.messages == []
        trained_on.warn(None, "m")
    assert caplog.messages == [
        "Whether m was trained on some of these images cannot be told: only a run keeps a list of its images."
    ]
