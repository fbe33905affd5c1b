"""The main job as a user does it: a folder in, a tested and saved classifier out, asked about files."""

import csv
import hashlib
import json
import re
from pathlib import Path

import pyarrow.parquet
import pytest

from striate.base.files import sha256
from support.command_line import run
from support.shape_images import make_folder

EASY = ("--net", "conv 3x3x8, relu, pool 2, conv 3x3x16, relu, pool 2, fc", "--epochs", "4", "--set", "preprocess.size_px=16")


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in files}


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_folder(tmp_path / "photos", each=20)


@pytest.mark.children
def test_train_evaluate_predict_and_list(photos: Path, capsys: pytest.CaptureFixture[str]):
    (photos / "circle" / "broken.jpg").write_bytes(b"no image")
    before = tree(photos)

    trained = run(capsys, "train", "photos", *EASY, "--json", "--name", "first")
    assert trained.code == 0, trained.err
    result = trained.json
    assert {"run", "net", "steps", "seconds", "val", "test", "weights_sha256", "report"} <= set(result)
    assert set(result["test"]) == {"accuracy", "low", "high", "n"}
    assert result["images"] == {"train": 42, "val": 6, "test": 12}
    assert result["quarantined"] == 1
    assert "photos/circle/broken.jpg" in trained.err or "circle/broken.jpg: not one of the formats" in trained.err
    assert "Training takes about" in trained.err
    assert "resize squash: the images are nearly square" in trained.err
    assert result["weights_sha256"] == sha256(Path("runs/first/model/weights.safetensors"))
    names = {path.name for path in Path("runs/first").iterdir()}
    assert names >= {
        "run.toml", "journal.jsonl", "checkpoints", "predictions-val.npz", "predictions-test.npz", "model", "environment.json",
    }  # fmt: skip

    evaluated = run(capsys, "evaluate", "first", "--json").json
    assert (evaluated["accuracy"], evaluated["n"]) == (result["test"]["accuracy"], 12)
    assert sum(map(sum, evaluated["confusion"])) == 12
    assert set(evaluated["per_class"]) == {"circle", "square", "triangle"}
    other = run(capsys, "evaluate", "first", "photos", "--json").json
    assert (other["n"], len(other["quarantined"])) == (60, 1)

    said = run(capsys, "predict", "first", "photos/circle", "photos/square/00*.png", "--json")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert len(rows) == 21 + 10
    assert [row["path"] for row in rows if "error" in row] == ["photos/circle/broken.jpg"]
    assert {"path", "label", "probability", "set", "abstained", "unknown", "top"} == set(rows[0])
    assert sum(share for _, share in rows[0]["top"]) == pytest.approx(1, abs=1e-5)

    assert run(capsys, "runs", "--json").json["runs"][0]["name"] == "first"
    assert tree(photos) == before


def test_tables_of_predictions_hold_every_file(photos: Path, capsys: pytest.CaptureFixture[str]):
    run(capsys, "train", "photos", *EASY, "--name", "first")
    (photos / "circle" / "broken.jpg").write_bytes(b"")
    for ending in ("csv", "jsonl", "parquet"):
        done = run(capsys, "predict", "first", "photos", "--out", f"rows.{ending}")
        assert done.out.strip() == f"61 rows in rows.{ending}, 1 of them errors"
    with Path("rows.csv").open(newline="") as file:
        from_csv = list(csv.DictReader(file))
    from_lines = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    from_parquet = pyarrow.parquet.read_table("rows.parquet").to_pylist()
    assert [row["path"] for row in from_csv] == [row["path"] for row in from_lines] == [row["path"] for row in from_parquet]
    assert [row["label"] or None for row in from_csv] == [row.get("label") for row in from_lines]
    assert [row["label"] for row in from_parquet] == [row.get("label") for row in from_lines]
    bad = [row for row in from_parquet if row["error"]]
    assert [(row["path"], row["error"], row["label"]) for row in bad] == [("photos/circle/broken.jpg", "empty file", None)]


def test_one_seed_gives_one_model_and_run_toml_repeats_it(photos: Path, capsys: pytest.CaptureFixture[str]):
    digests = [run(capsys, "train", "photos", *EASY, "--json", "--seed", seed).json["weights_sha256"] for seed in (3, 3, 4)]
    assert digests[0] == digests[1] != digests[2]
    repeated = run(capsys, "train", "--recipe", "runs/photos-net-1/run.toml", "--json")
    assert repeated.code == 0, repeated.err
    assert repeated.json["weights_sha256"] == digests[0]


def test_minutes_fix_the_number_of_steps_and_store_it(photos: Path, capsys: pytest.CaptureFixture[str]):
    net = EASY[:2]
    trained = run(capsys, "train", "photos", *net, "--minutes", "0.02", "--json", "--name", "timed")
    assert trained.code == 0, trained.err
    stored = Path("runs/timed/run.toml").read_text()
    assert f"steps = {trained.json['steps']}" in stored
    assert "\nminutes" not in stored
    assert "the run is exact from here" in trained.err


def test_folds_test_on_every_image_once(photos: Path, capsys: pytest.CaptureFixture[str]):
    trained = run(capsys, "train", "photos", *EASY[:2], "--epochs", "1", "--folds", "3", "--json", "--name", "folded")
    assert trained.code == 0, trained.err
    result = trained.json
    assert result["test"]["n"] == 60
    assert [fold["n"] for fold in result["folds"]] == [21, 21, 18]
    assert result["images"]["test"] == 0
    assert run(capsys, "evaluate", "folded", "--json").json["n"] == 60
    assert run(capsys, "predict", "folded", "photos/circle/000.png", "--json").code == 0


def test_a_given_split_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "photos" / "train", each=12)
    make_folder(tmp_path / "photos" / "val", each=5)
    for path in (tmp_path / "photos" / "val").rglob("00[0-2].png"):
        path.unlink()  # the same images as in train
    trained = run(capsys, "train", "photos", *EASY, "--json")
    assert trained.code == 0, trained.err
    assert "val/ is the test set, since there is no test/; validation is cut from train/." in trained.err
    # 003 and 004 of each class are in train too: they are left out there
    assert trained.json["images"] == {"train": 27, "val": 3, "test": 6}
    assert trained.json["quarantined"] == 6
    assert "train/circle/003.png: the same image as val/circle/003.png, which is held out" in trained.err


def test_people_get_a_score_with_its_interval_and_the_folder(photos: Path, capsys: pytest.CaptureFixture[str]):
    trained = run(capsys, "train", "photos", *EASY)
    lines = trained.out.splitlines()
    assert lines[1].startswith("test accuracy ")
    assert "95 % interval" in lines[1]
    assert "12 images" in lines[1]
    assert re.fullmatch(
        r"balanced accuracy [\d.]+ % \([\d.]+ % to [\d.]+ %\), macro F1 [\d.]+ \([\d.]+ to [\d.]+\); "
        r"majority-class baseline: 33.33 %",
        lines[2],
    )
    assert lines[-1].endswith("the run lies in runs/photos-net-1")
    evaluated = run(capsys, "evaluate", "photos-net-1").out
    assert "majority-class baseline: 33.33 %" in evaluated
    assert "true class by row, prediction by column" in evaluated
    assert "photos-net-1" in run(capsys, "runs").out
    table = run(capsys, "predict", "photos-net-1", "photos/circle/001.png").out
    assert "photos/circle/001.png" in table


def test_a_network_of_ones_own_is_trained_and_loaded_again(photos: Path, capsys: pytest.CaptureFixture[str]):
    Path("own.py").write_text(
        "import torch\nfrom striate import Net\n\n\nclass Own(Net):\n    taps = ('fc1',)\n    head_name = 'fc1'\n\n"
        "    def __init__(self, input_chw, num_classes):\n        super().__init__(input_chw)\n        c, h, w = input_chw\n"
        "        self.fc1 = torch.nn.Linear(c * h * w, num_classes)\n\n"
        "    def forward(self, images_NCHW):\n        return self.fc1(images_NCHW.flatten(1))\n"
    )
    trained = run(capsys, "train", "photos", "--net", "own.py:Own", "--epochs", "2", "--name", "own", "--json")
    assert trained.code == 0, trained.err
    assert Path("runs/own/own_network.py").read_text() == Path("own.py").read_text()
    assert run(capsys, "predict", "own", "photos/circle/000.png", "--json").code == 0
    Path("own.py").write_text(Path("own.py").read_text() + "# changed\n")
    assert run(capsys, "predict", "own", "photos/circle/000.png", "--json").code == 0  # the model has the file as it was


def test_survey(photos: Path, capsys: pytest.CaptureFixture[str]):
    (photos / "notes.txt").write_text("x")
    (photos / "square" / "copy.png").write_bytes((photos / "square" / "000.png").read_bytes())
    before = tree(photos)
    found = run(capsys, "data", "photos", "--json").json
    assert found["found"] == 62
    assert found["used"] == 61
    assert found["classes"] == {"circle": 20, "square": 21, "triangle": 20}
    assert found["ignored"] == [{"path": "notes.txt", "pattern": "*.txt"}]
    assert found["duplicates"] == [["square/000.png", "square/copy.png"]]
    assert sum(found["split"].values()) == 61
    assert "62 found = 61 used + 0 quarantined + 1 ignored" in run(capsys, "data", "photos").out
    assert tree(photos) == before


def test_digits_need_nothing_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    trained = run(capsys, "train", "digits", "--net", "mlp", "--epochs", "6", "--json")
    assert trained.code == 0, trained.err
    assert trained.json["test"]["accuracy"] > 0.9
    assert run(capsys, "data", "digits", "--json").json["used"] == 1797
