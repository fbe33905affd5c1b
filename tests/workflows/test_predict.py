"""Rows for images however they are held: from files by child processes, from memory in this one."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import torch
from PIL import Image

import striate
from striate.base.errors import DataError, SettingError
from striate.data import decode
from striate.metrics.confidence import Prediction
from striate.model import Model
from striate.workflows.predict import stream
from striate.workflows.prediction_options import PredictionOptions
from support.command_line import run
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
    rows = stream("m", [PIXELS_NHWC[0]] * 300, "cpu", PredictionOptions()).rows
    next(rows)
    assert len(decoded) <= 64


def test_embeddings_lie_in_the_order_of_the_rows_and_a_bad_file_is_nan(model: Model):
    Path("bad.png").write_bytes(b"no image")
    given = ["p/2.png", "bad.png", PIXELS_NHWC[0]]
    rows = striate.predict("m", given, out="rows.csv", embed="deep/e.npy")
    embeddings_ND = np.load("deep/e.npy")
    expected_ND = model.embed(["p/2.png", PIXELS_NHWC[0]])
    assert embeddings_ND.dtype == np.float32
    assert embeddings_ND[[0, 2]] == pytest.approx(expected_ND)
    assert np.isnan(embeddings_ND[1]).all()
    assert rows[1].embedding is None
    assert rows[2].embedding.tolist() == embeddings_ND[2].tolist()  # type: ignore[union-attr]
    assert [row.prediction for row in rows] == [row.prediction for row in striate.predict("m", given)]


def test_embeddings_as_a_table(model: Model):
    Path("bad.png").write_bytes(b"no image")
    rows = striate.predict("m", ["p/2.png", "bad.png", "p/0.png"], embed="e.parquet")
    table = pyarrow.parquet.read_table("e.parquet")
    assert table.column_names == ["path", "label", "probability", "embedding", "error"]
    assert table["path"].to_pylist() == ["p/2.png", "bad.png", "p/0.png"]
    assert table["label"].to_pylist() == [row.prediction and row.prediction.label for row in rows]
    assert [value is None for value in table["error"].to_pylist()] == [True, False, True]
    first, missing, last = table["embedding"].to_pylist()
    assert missing is None
    assert np.array([first, last], np.float32) == pytest.approx(model.embed(["p/2.png", "p/0.png"]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"embed": "e.csv"}, SettingError, r"expected a file that ends in .npy, .parquet; got e.csv."),
        ({"out": "rows.npy"}, SettingError, r"expected a file that ends in .csv, .jsonl, .ndjson, .parquet; got rows.npy."),
        ({"embed": "e.npy", "crops": 5}, SettingError, r"embed=e.npy does not apply to crops=5: an embedding is of one crop"),
    ],
)
def test_what_cannot_be_written_is_refused_before_a_model_is_looked_for(options: Any, error: Any, message: str):
    with pytest.raises(error, match=message):
        striate.predict("no such run", "no such image", **options)


def test_without_any_image_there_are_no_embeddings(model: Model):
    Path("bad.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"none of the 1 images can be decoded, so there is nothing to write to e.npy."):
        striate.predict("m", ["bad.png"], embed="e.npy")
    assert not Path("e.npy").exists()


def test_the_command_writes_both(model: Model, capsys: pytest.CaptureFixture[str]):
    done = run(capsys, "predict", "m", "p", "--out", "rows.csv", "--embed", "e.npy")
    assert done.out.splitlines() == ["5 rows in rows.csv, 0 of them errors", "5 rows in e.npy, 0 of them errors"]
    assert np.load("e.npy").shape == (5, 4 * 6 * 6)
