"""Shards are data as the folder is that they were written of: to train, fine-tune, evaluate and predict."""

import json
from pathlib import Path
from typing import Any

import pytest

import striate
from striate.base.errors import SettingError
from support import noise_photos

SETTINGS = {"train": {"steps": 3, "batch_size": 8}, "preprocess": {"size_px": 8}}


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    noise_photos.make_folder(tmp_path / "photos")
    (tmp_path / "photos" / "cat" / "bad.jpg").write_bytes(b"no image")
    return tmp_path / "photos"


def train(data: Any, **more: Any) -> dict[str, Any]:
    settings = {**SETTINGS, "preprocess": {**SETTINGS["preprocess"], **more}}
    return striate.train(data, net="conv 3x3x4, relu, fc", settings=settings, report=False)


def test_training_on_shards_gives_the_weights_of_the_folder(photos: Path, tmp_path: Path):
    written = striate.write_shards(photos, tmp_path / "out", shard_mb=0.01)
    assert written["shards"] > 1
    assert [bad["path"] for bad in written["quarantined"]] == ["cat/bad.jpg"]
    results = [train(data) for data in (photos, tmp_path / "out", tmp_path / "out" / "striate.index")]
    results += [train(tmp_path / "out", pixel_cache_gb=0)]  # decoded anew for each epoch
    assert len({result["weights_sha256"] for result in results}) == 1
    assert len({(result["test"]["accuracy"], result["test"]["n"]) for result in results}) == 1
    run = results[0]["run"]
    scores = [striate.evaluate(run, data) for data in (photos, tmp_path / "out")]
    for key in ("n", "accuracy", "confusion", "per_class"):
        assert scores[0][key] == scores[1][key]
    of_files = {str(Path(row.path).relative_to(photos)): row for row in striate.predict(run, photos) if row.error is None}
    index = tmp_path / "out" / "striate.index"
    of_shards = {str(Path(row.path).relative_to(index)): row for row in striate.predict(run, tmp_path / "out")}
    assert {name: row.prediction for name, row in of_files.items()} == {name: row.prediction for name, row in of_shards.items()}
    # alone an image may differ from itself among others in the last bits, so both are asked for alone
    assert striate.predict(run, index / "cat" / "3.png").prediction == striate.predict(run, photos / "cat/3.png").prediction
    surveys = [striate.survey(data) for data in (photos, tmp_path / "out")]
    assert surveys[0].as_json() | {"data": ""} == surveys[1].as_json() | {"data": ""}


def test_shards_are_never_written_into_the_data(photos: Path):
    with pytest.raises(SettingError, match="lies in the data, which are never changed"):
        striate.write_shards(photos, photos / "out")
    with pytest.raises(SettingError, match=r"data.exclude does not apply to shards"):
        striate.write_shards(photos, "out", {"exclude": "list.txt"})
    with pytest.raises(SettingError, match=r"expected at least 0.01 MB for a shard; got 0"):
        striate.write_shards(photos, "out", shard_mb=0)


def test_fine_tuning_on_shards_gives_the_weights_of_the_folder(photos: Path, tmp_path: Path):
    striate.write_shards(photos, tmp_path / "out", shard_mb=0.01)
    short = {"adapt": {"epochs": 1}, "retrain": {"steps": 2, "batch_size": 8}}
    weights = {}
    for name, data in (("folder", photos), ("shards", tmp_path / "out")):
        result = striate.finetune(
            data, weights="resnet20@cifar10", strategies=["extract", "adapt", "retrain"], name=name,
            settings={"finetune": short}, report=False,
        )  # fmt: skip
        models = {path.parent: path for path in Path(result["run"]).rglob("model/weights.safetensors")}
        weights[name] = {folder.relative_to(result["run"]): path.read_bytes() for folder, path in models.items()}
    assert len(weights["folder"]) == 4  # of three strategies, and of the run
    assert weights["folder"] == weights["shards"]
    features = [json.loads(path.read_text())["data"] for path in (tmp_path / "cache" / "features").glob("*/about.json")]
    assert {"photos", "striate.index"} == set(features), "those of the shards are computed, not taken from the folder's"
