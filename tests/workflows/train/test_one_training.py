# Trainings that need more than the loop: balanced classes

from pathlib import Path

import pytest

import striate
from support.shape_images import make_folder

LINE = "conv 3x3x4, relu, pool 4, fc"


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    photos = make_folder(tmp_path / "photos", each=20)
    for path in sorted((photos / "circle").iterdir())[5:]:
        path.unlink()
    return photos


def test_an_epoch_of_balanced_classes_has_the_steps_for_what_it_shows(
    uneven: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", "striate")
    settings = {"preprocess": {"size_px": 16}, "train": {"sampling": "balanced", "batch_size": 8}}
    result = striate.train(str(uneven), net=LINE, epochs=2, out=tmp_path / "runs", settings=settings)
    train = result["images"]["train"]
    assert train == 14 + 14 + 3
    assert "sampling balanced: an epoch shows 42 images in place of 31" in caplog.messages
    assert result["steps"] == 2 * 6
