"""The Python interface: what `import striate` gives, on a folder of images."""

import logging
import tomllib
from pathlib import Path

import pytest

import striate
from striate.base.errors import StriateError
from support.shape_images import make_folder


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_folder(tmp_path / "photos", each=12)


def test_train_load_predict_evaluate(photos: Path, capsys: pytest.CaptureFixture[str]):
    events: list[str] = []
    result = striate.train(
        str(photos), net="conv 3x3x8, relu, pool 4, fc", epochs=3, out="elsewhere", name="mine",
        settings={"preprocess": {"size_px": 16}}, watch=lambda event: events.append(event["event"]),
    )  # fmt: skip
    assert result["run"] == "elsewhere/mine"
    assert {"sample", "decode", "step", "epoch", "test"} <= set(events)
    assert capsys.readouterr().out == ""
    model = striate.load(result["run"])
    answers = model.predict(sorted(photos.rglob("*.png"))[:3])
    assert [answer.label in model.classes for answer in answers] == [True] * 3
    rows = list(striate.predict(result["run"], [photos]))
    assert [row.error for row in rows] == [None] * 36
    assert [row.prediction.label for row in rows[:3] if row.prediction] == [answer.label for answer in answers]
    assert striate.evaluate(result["run"])["n"] == result["test"]["n"]
    assert striate.list_runs("elsewhere")[0].name == "mine"


def test_survey_and_layers(photos: Path):
    assert striate.survey(str(photos)).used == 36
    assert sum(row.parameters for row in striate.layers("mnist_cnn")) == 3_274_634
    assert striate.layers("mnist_cnn", size_px=32, channels=3, classes=7)[-1].output == (7,)


def test_errors_are_of_one_tree(photos: Path):
    with pytest.raises(StriateError, match="There is no network"):
        striate.train(str(photos), net="nothing")
    with pytest.raises(StriateError, match="expected DATA"):
        striate.train()


def test_the_log_is_left_as_it_was(photos: Path):
    log = logging.getLogger("striate")
    before = (log.level, list(log.handlers))
    striate.train(str(photos), net="pool 4, fc", epochs=1, settings={"preprocess": {"size_px": 16}})
    assert (log.level, list(log.handlers)) == before


def test_doctor_tells_versions_device_and_cache():
    found = striate.doctor()
    assert found["striate"] == striate.__version__
    assert {"packages", "engine", "cache", "extras", "data_folder"} <= set(found)
    assert found["cache"]["writable"]
    assert found["extras"]["tables"]["get"] == "pip install 'striate[tables]'"
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(found["extras"]) == set(project["optional-dependencies"]) - {"dev", "docs", "scale", "soak", "test"}
