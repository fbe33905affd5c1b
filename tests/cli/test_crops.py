"""Several crops of an image, through every way that images reach a model."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import striate
from striate.data import decode
from striate.metrics.classification import softmax
from support.command_line import run, train_in
from support.shape_images import make_folder

NET = ("--net", "conv 3x3x8, relu, pool 2, conv 3x3x16, relu, globalpool, fc", "--epochs", "2")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and two runs, trained once: each test has a copy."""
    folder, size = tmp_path_factory.mktemp("ready"), ("--set", "preprocess.size_px=21")
    make_folder(folder / "photos", each=12)
    train_in(
        folder,
        ("photos", *NET, *size, "--set", "augment.flip=true", "--name", "mirrored"),
        ("photos", *NET, *size, "--set", "augment.flip=false", "--name", "straight"),
    )
    return folder


@pytest.fixture
def photos(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(shutil.copytree(ready, tmp_path, dirs_exist_ok=True))
    return tmp_path / "photos"


def by_hand(path: Path, mirror: bool) -> np.ndarray:
    """Mean probabilities over the crops, from the images as Pillow's filter makes them larger: 24 px for a net of 21."""
    model = striate.load("mirrored")
    input_spec = model.input_spec._replace(size_px=24)
    square_HWC = decode.square(decode.decode_image(path, input_spec.background), input_spec)
    cut = [square_HWC[y : y + 21, x : x + 21] for y, x in ((0, 0), (0, 3), (3, 0), (3, 3), (1, 1))]
    images = np.stack(cut + [view[:, ::-1] for view in cut] * mirror)
    return softmax(model.logits(images) / model.confidence.temperature).mean(axis=0)


@pytest.mark.parametrize("number", [5, 10])
def test_every_way_gives_the_mean_over_the_views(photos: Path, number: int, capsys: pytest.CaptureFixture[str]):
    paths = sorted(photos.rglob("*.png"))
    expected = np.stack([by_hand(path, number == 10) for path in paths])
    model = striate.load("mirrored")
    assert [answer.probability for answer in model.predict(paths, crops=number)] == pytest.approx(expected.max(1), abs=1e-5)
    said = run(capsys, "predict", "mirrored", "photos", "--crops", number, "--json")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["probability"] for row in rows] == pytest.approx(expected.max(1), abs=1e-5)
    plain = run(capsys, "predict", "mirrored", "photos", "--json")
    assert [json.loads(line)["probability"] for line in plain.out.splitlines()] != [row["probability"] for row in rows]
    evaluated = run(capsys, "evaluate", "mirrored", "photos", "--crops", number, "--json").json
    labels = np.repeat(np.arange(3), 12)
    assert evaluated["accuracy"] == pytest.approx(np.mean(expected.argmax(1) == labels))
    assert evaluated["crops"] == number
    assert striate.evaluate("mirrored", "photos", crops=number)["confusion"] == evaluated["confusion"]
    assert next(iter(striate.predict("mirrored", ["photos"], crops=number))).as_json() == rows[0]


def test_views_that_a_model_or_a_command_cannot_take_are_refused(photos: Path, capsys: pytest.CaptureFixture[str]):
    for arguments in (("evaluate", "straight", "photos"), ("predict", "straight", "photos")):
        assert run(capsys, *arguments, "--crops", 5).code == 0
        refused = run(capsys, *arguments, "--crops", 10)
        assert refused.code == 2
        assert "this model was trained without any (augment.flip=false); ask for 5 crops." in refused.err.replace("\n", " ")
        assert run(capsys, *arguments, "--crops", 3).code == 2
    stored = run(capsys, "evaluate", "mirrored", "--crops", 10)
    assert stored.code == 2
    assert "--crops 10 needs DATA, since stored predictions are of one crop" in stored.err
