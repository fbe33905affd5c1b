"""`images.npz`: which image is in which part of a run, the same bytes for the same images."""

from pathlib import Path

import numpy as np
import pytest

from striate.base import run_images, run_record
from striate.base.errors import ArtifactError
from striate.base.run_images import RunImages, RunPart


@pytest.fixture
def images() -> RunImages:
    """Five images, of which the one of row 2 is in no part."""
    ids_N = np.array([50, 10, 99, 30, 20], np.uint64)
    rows = (np.array([0, 3]), np.array([1]), np.array([4]))
    return run_images.of_parts(ids_N, np.array([0, 1, 1, 0, 1]), ids_N + np.uint64(1), *rows)


def test_images_are_in_the_order_of_their_ids_with_their_parts(images: RunImages):
    assert images.ids_N.tolist() == [10, 20, 30, 50]
    assert images.part_N.tolist() == [RunPart.VAL, RunPart.TEST, RunPart.TRAIN, RunPart.TRAIN]
    assert images.labels_N.tolist() == [1, 1, 0, 0]
    assert images.hashes(RunPart.TRAIN).tolist() == [31, 51]


def test_what_is_written_is_read_and_bound_to_the_run(images: RunImages, tmp_path: Path):
    assert images.as_bytes() == images.as_bytes()
    run_record.begin(tmp_path, run_record.identify({}), {run_images.FILE: images.as_bytes()})
    again = run_images.read(tmp_path)
    assert again is not None
    assert again.as_bytes() == images.as_bytes()
    moved = images._replace(part_N=np.zeros(4, np.uint8))  # test images as if they were trained on
    (tmp_path / run_images.FILE).write_bytes(moved.as_bytes())
    with pytest.raises(ArtifactError, match=r"images\.npz has changed since the run wrote it"):
        run_images.read(tmp_path)
    (tmp_path / run_images.FILE).unlink()
    assert run_images.read(tmp_path) is None
