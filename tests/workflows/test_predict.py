"""Rows for images however they are held: from files by child processes, from memory in this one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.data import decode
from striate.model import Model, Prediction
from striate.workflows.predict import stream
from support.models import tiny_model

PIXELS_NHWC = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), np.uint8)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """Saved as `m` in the current folder, beside the folder `p` of files 0.png to 4.png."""
    monkeypatch.chdir(tmp_path)
    model = tiny_model()
    model.save(Path("m"))
    Path("p").mkdir()
    for n, pixels in enumerate(PIXELS_NHWC):
        Image.fromarray(pixels).save(f"p/{n}.png")
    return model


def test_a_single_image_gives_a_row_and_several_a_list(model: Model):
    expected = [model.predict(pixels) for pixels in PIXELS_NHWC]
    assert all(isinstance(prediction, Prediction) for prediction in expected)
    one = striate.predict("m", "p/0.png")
    assert (one.path, one.prediction, one.error) == ("p/0.png", expected[0], None)
    assert striate.predict("m", PIXELS_NHWC[0]).prediction == expected[0]
    assert striate.predict("m", ["p/0.png"]) == [one]
    for several in ("p/*.png", "p", PIXELS_NHWC, torch.from_numpy(PIXELS_NHWC).permute(0, 3, 1, 2)):
        predictions = [row.prediction for row in striate.predict("m", several)]
        assert [each.label for each in predictions] == [each.label for each in expected]
        assert [each.probability for each in predictions] == pytest.approx([each.probability for each in expected])


def test_files_and_images_in_memory_keep_their_order(model: Model):
    Path("bad.png").write_bytes(b"no image")
    rows = striate.predict("m", ["p/1.png", PIXELS_NHWC[0], b"nothing", "bad.png", "p/2.png", Image.fromarray(PIXELS_NHWC[3])])
    assert [row.path for row in rows] == ["p/1.png", "[1]", "[2]", "bad.png", "p/2.png", "[5]"]
    assert [row.error is None for row in rows] == [True, True, False, False, True, True]
    good = [row.prediction for row in rows if row.prediction]
    assert [prediction.label for prediction in good] == [each.label for each in model.predict(PIXELS_NHWC[[1, 0, 2, 3]])]
    assert rows[2].error == rows[3].error is not None


@pytest.mark.children
def test_child_processes_decode_what_lies_between_images_in_memory(model: Model):
    rows = striate.predict("m", ["p/1.png", "p/2.png", PIXELS_NHWC[0], "p/3.png"])
    assert [row.path for row in rows] == ["p/1.png", "p/2.png", "[2]", "p/3.png"]
    assert [row.prediction for row in rows] == model.predict(PIXELS_NHWC[[1, 2, 0, 3]])


def test_out_is_written_for_a_single_image_too(model: Model):
    row = striate.predict("m", Path("p/3.png"), out="rows.jsonl")
    assert Path("rows.jsonl").read_text().count("\n") == 1
    assert row.path == "p/3.png"


def test_no_more_images_are_held_than_a_batch(model: Model, monkeypatch: pytest.MonkeyPatch):
    """The decoder is never more than a batch ahead of the rows."""
    decoded: list[int] = []
    whole = decode.square

    def counted(*arguments: Any) -> Any:
        decoded.append(1)
        return whole(*arguments)

    monkeypatch.setattr(decode, "square", counted)
    _, rows = stream("m", [PIXELS_NHWC[0]] * 300, "cpu", None)
    next(rows)
    assert len(decoded) <= 64
