from pathlib import Path

import numpy as np
import pytest

from striate.base import config, files, run_folder
from striate.base.errors import ArtifactError, RunError


def test_names_are_readable_and_fresh(tmp_path: Path):
    assert run_folder.fresh_name(tmp_path, "a/my photos/", "mnist_cnn") == "my_photos-mnist_cnn-1"
    (tmp_path / "my_photos-mnist_cnn-1").mkdir()
    assert run_folder.fresh_name(tmp_path, "my photos", "mnist_cnn") == "my_photos-mnist_cnn-2"
    assert run_folder.fresh_name(tmp_path, "table.csv", "conv 3x3x4, fc") == "table-net-1"
    assert run_folder.fresh_name(tmp_path, "digits", "nets/own.py:Own") == "digits-Own-1"


def begun(folder: Path) -> Path:
    files.write_text(folder / "run.toml", config.to_toml(config.build({"data": {"path": "digits"}, "net": {"name": "mlp"}})))
    return folder


def test_a_run_is_begun_once_and_resumed_only_where_it_was_begun(tmp_path: Path):
    assert run_folder.claim(tmp_path, "new", resume=False) == tmp_path / "new"
    begun(tmp_path / "old")
    assert run_folder.claim(tmp_path, "old", resume=True) == tmp_path / "old"
    with pytest.raises(RunError, match=r"exists; resume it with --resume, or give another --name"):
        run_folder.claim(tmp_path, "old", resume=False)
    with pytest.raises(RunError, match=r"there is nothing to resume in .*olt; did you mean old\?"):
        run_folder.claim(tmp_path, "olt", resume=True)
    for name in ("", "a/b", "..", ".hidden"):
        with pytest.raises(RunError, match="expected a plain name for --name"):
            run_folder.claim(tmp_path, name, resume=False)


def test_a_run_is_found_by_name_by_folder_and_by_its_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    folder = begun(tmp_path / "runs" / "one")
    assert run_folder.find("one").resolve() == folder
    assert run_folder.find(str(folder)) == folder
    with pytest.raises(RunError, match=r"the run .*one has no model yet; resume it: striate train --name one --resume"):
        run_folder.model_folder("one")
    (folder / "model").mkdir()
    (folder / "model" / "model.json").write_text("{}")
    assert run_folder.model_folder("one").resolve() == folder / "model"
    assert run_folder.model_folder(str(folder / "model")) == folder / "model"


def test_the_list_shows_state_score_and_size(tmp_path: Path):
    begun(tmp_path / "a")
    score = {"accuracy": 0.5, "low": 0.1, "high": 0.9, "n": 4}
    run_folder.write_json(begun(tmp_path / "b") / "result.json", {"test": score})
    first, second = run_folder.list_runs(tmp_path)
    assert (first.name, first.net, first.data, first.state, first.test) == ("a", "mlp", "digits", "unfinished", None)
    assert (second.state, second.test) == ("done", score)
    assert first.bytes == (tmp_path / "a" / "run.toml").stat().st_size
    assert run_folder.list_runs(tmp_path / "none") == []


def test_predictions_come_back(tmp_path: Path):
    ids, labels, logits = np.array([2**63 + 1], np.uint64), np.array([1]), np.ones((1, 3), np.float32)
    run_folder.save_predictions(tmp_path / "predictions-test.npz", ids, labels, logits)
    found = run_folder.load_predictions(tmp_path / "predictions-test.npz")
    assert [column.tolist() for column in found] == [ids.tolist(), [1], [[1.0, 1.0, 1.0]]]
    with pytest.raises(RunError, match="expected the predictions of a finished run at"):
        run_folder.load_predictions(tmp_path / "predictions-val.npz")


def test_json_that_is_damaged_is_named(tmp_path: Path):
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"result.json is damaged"):
        run_folder.read_json(tmp_path / "result.json")
    assert run_folder.read_json(tmp_path / "absent.json") is None


def test_the_environment_names_versions():
    found = run_folder.environment(device="cpu")
    assert found["device"] == "cpu"
    assert found["torch"][0].isdigit()
    assert set(found) >= {"python", "system", "numpy", "pillow", "safetensors"}
