"""How many tested images a run learned from, and what a score on them is worth."""

import logging

import numpy as np
import pytest

from striate.base import run_images
from striate.base.run_images import RunImages
from striate.metrics.intervals import wilson
from striate.workflows import trained_on


@pytest.fixture
def images() -> RunImages:
    """A run that trained on the hashes 0 to 5, chose by 6 and 7, and tested on 8 and 9; an image of 0 is in validation too."""
    hashes_N = np.array([*range(10), 0], np.uint64)
    rows = (np.arange(6), np.array([6, 7, 10]), np.array([8, 9]))
    return run_images.of_parts(np.arange(11, dtype=np.uint64), np.zeros(11, np.int64), hashes_N, *rows)


def test_images_are_counted_once_by_their_pixels_and_scored_apart(images: RunImages):
    tested_M = np.array([0, 0, 3, 7, 8, 77], np.uint64)  # twice the same; the test image and the new one are unseen
    right_M = np.array([True, True, True, False, True, False])
    overlap = trained_on.compare(images, tested_M, right_M)
    assert overlap == (3, 1, wilson(3, 4), wilson(1, 2))
    json = overlap.as_json()
    assert json["unseen"] == {"accuracy": 0.5, "low": wilson(1, 2).low, "high": wilson(1, 2).high, "n": 2}
    assert trained_on.describe(overlap, "r") == (
        "4 images of 6 are ones that the run was trained on (3 in training and 1 in validation), so this accuracy says little "
        "of new images. Without them it is 50.00 % (95 % interval 9.45 % to 90.55 %, 2 images)."
    )


def test_where_all_or_none_were_trained_on(images: RunImages, caplog: pytest.LogCaptureFixture):
    whole = trained_on.compare(images, np.array([1, 2], np.uint64), np.ones(2, bool))
    assert trained_on.describe(whole, "r") == (
        "All 2 images are ones that the run was trained on (2 in training), so this accuracy says little of new images. "
        "`striate evaluate r` scores its test images."
    )
    new = trained_on.compare(images, np.array([8, 9], np.uint64), np.ones(2, bool))
    assert new == (0, 0, None, wilson(2, 2))
    with caplog.at_level(logging.INFO, "striate"):
        trained_on.warn(new, "r")
        assert caplog.messages == []
        trained_on.warn(None, "m")
    assert caplog.messages == [
        "Whether m was trained on some of these images cannot be told: only a run keeps a list of its images."
    ]
