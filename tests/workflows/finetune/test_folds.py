"""Cross-validation of a fine-tuning."""

import json
import shutil
from pathlib import Path

import pytest

import striate
from striate.base import run_folder
from striate.base.errors import SettingError
from striate.training.transfer import feature_cache
from support.shape_images import make_folder

START = "resnet20@cifar10"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "shapes", 12)


def test_every_image_is_tested_once_and_the_body_sees_each_once(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    seen = []
    compute = feature_cache.compute

    def counting(net, batches, *how):
        seen.append(len(batches))
        return compute(net, batches, *how)

    monkeypatch.setattr(feature_cache, "compute", counting)
    result = striate.train(shapes, weights=START, folds=3, out=tmp_path, name="run")
    assert seen == [36]
    assert (result["test"]["n"], result["images"]["test"]) == (36, 0)
    assert [fold["n"] for fold in result["folds"]] == [12, 12, 12]
    right = sum(round(fold["accuracy"] * fold["n"]) for fold in result["folds"])
    assert result["test"]["accuracy"] == right / 36
    assert result["strategies"][0]["test"] == result["test"]
    predictions = run_folder.load_predictions(tmp_path / "run" / "predictions-test.npz")
    assert len({*predictions[0].tolist()}) == 36
    for fold in range(3):
        inner = tmp_path / "run" / "folds" / f"fold-{fold}"
        assert json.loads((inner / "result.json").read_text())["test"] == result["folds"][fold]
    # killed in the last fold: done again from there, to the same bytes
    for name in ("result.json", "model", "strategies", "predictions-test.npz", "predictions-val.npz"):
        path = tmp_path / "run" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (tmp_path / "run" / "folds" / "fold-2" / "result.json").unlink()
    again = striate.train(out=tmp_path, name="run", resume=True)
    keys = ("test", "folds", "weights_sha256", "recommended")
    assert {key: again[key] for key in keys} == {key: result[key] for key in keys}
    assert seen == [36]


def test_strategies_are_chosen_by_the_validation_images_of_all_folds(shapes: Path, tmp_path: Path):
    result = striate.finetune(
        shapes, weights=START, strategies=["extract", "adapt"], out=tmp_path, name="run", settings={"data": {"folds": 2}}
    )
    counts = []
    for fold in range(2):
        inner = tmp_path / "run" / "folds" / f"fold-{fold}" / "strategies"
        counts.append(len(run_folder.load_predictions(inner / "adapt" / "predictions-val.npz")[0]))
    assert f"on {sum(counts)} images" in result["sentence"]


def test_what_does_not_go_with_folds_is_refused(shapes: Path, tmp_path: Path):
    with pytest.raises(SettingError, match=r"finetune\.per_class does not apply with data\.folds, which use all images"):
        striate.finetune(shapes, weights=START, per_class=[2], out=tmp_path, settings={"data": {"folds": 2}})
    with pytest.raises(SettingError, match=r"data\.fold does not apply to striate finetune, which runs all folds"):
        striate.finetune(shapes, weights=START, out=tmp_path, settings={"data": {"folds": 2, "fold": 0}})
