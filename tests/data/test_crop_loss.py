import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from striate.base.config import Data
from striate.data import decode, folders
from striate.data.crop_loss import describe, describe_center_crop, hidden
from striate.data.decode import InputSpec
from striate.data.survey import survey

SIZES = np.array([[10, 10], [10, 11], [100, 90], [10, 20], [40, 10], [30, 20]], np.int32)
CROP, PAD, SQUASH = (InputSpec(8, 3, fit) for fit in ("crop", "pad", "squash"))


def test_what_a_crop_hides_by_hand():
    assert hidden(SIZES).tolist() == pytest.approx([0, 1 / 11, 0.1, 0.5, 0.75, 1 / 3])
    assert hidden(SIZES[:1], share=0.5).tolist() == [0.75]


def test_more_than_a_tenth_is_said_with_the_median_of_those():
    expected = (
        "50% of the image in 3 of 6 images (the median of those that lose more than 10 %) is cut off by the center crop: "
        "preprocess.resize_mode=pad shows them whole.",
    )
    assert describe(SIZES, CROP) == expected
    assert describe(SIZES[:3], CROP) == ()
    assert describe(SIZES, PAD) == ()
    assert describe_center_crop(SIZES)[0].startswith(
        "A center crop would cut off 50% of the image in 3 of 6 images (the median of"
    )
    assert describe_center_crop(SIZES[:3]) == ()


def test_shapes_that_are_bent_are_said():
    assert describe(SIZES, SQUASH) == (
        "3 of 6 images are squashed 2.00-fold (the median of those above 1.25-fold), which bends what they show: "
        "preprocess.resize_mode=pad keeps its shape.",
    )
    assert describe(SIZES[:3], SQUASH) == ()


@given(st.integers(1, 40), st.integers(1, 40))
def test_it_is_the_area_that_the_decoder_leaves_out(height: int, width: int):
    """The crop's window is a square with the short side, whatever the size that it is brought to."""
    kept = min(height, width) ** 2 / (height * width)
    assert hidden(np.array([[height, width]], np.int32))[0] == pytest.approx(1 - kept)
    image_HWC = np.zeros((height, width, 1), np.uint8)
    low = (max(height, width) - min(height, width)) // 2
    inside = slice(low, low + min(height, width))
    image_HWC[inside if height > width else slice(None), inside if width > height else slice(None)] = 255
    if (height - width) % 2 == 0:
        assert decode.square(image_HWC, InputSpec(min(height, width), 1, "crop")).min() == 255


def test_the_survey_and_a_training_say_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    from striate.workflows.train.run import run_in

    monkeypatch.chdir(tmp_path)
    for kind in ("a", "b"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for i in range(6):
            Image.new("RGB", (32, 16), (20 * i, 90, 9 if kind == "a" else 200)).save(tmp_path / "photos" / kind / f"{i}.png")
    note = "A center crop would cut off 50% of the image in 12 of 12 images"
    assert any(each.startswith(note) for each in survey(folders.read(tmp_path / "photos"), Data(path="photos")).notes)
    settings = {
        "data": {"path": "photos"}, "net": {"name": "globalpool, fc"}, "train": {"steps": 1},
        "preprocess": {"size_px": 8, "resize_mode": "crop"},
    }  # fmt: skip
    with caplog.at_level(logging.INFO, "striate"):
        run_in(Path("runs"), "cropped", settings, False, lambda _event: None)
    assert caplog.text.count("50% of the image in 12 of 12 images") == 1
    assert "50% of the image in 12 of 12 images" in Path("runs/cropped/journal.jsonl").read_text()
