from pathlib import Path

import numpy as np
import pytest

from striate.base import config, files, run_folder, run_record
from striate.base.errors import RunError


def test_names_are_readable_and_fresh(tmp_path: Path):
    assert run_folder.fresh_name(tmp_path, "a/my photos/", "mnist_cnn") == "my_photos-mnist_cnn-1"
    (tmp_path / "my_photos-mnist_cnn-1").mkdir()
    assert run_folder.fresh_name(tmp_path, "my photos", "mnist_cnn") == "my_photos-mnist_cnn-2"
    assert run_folder.fresh_name(tmp_path, "table.csv", "conv 3x3x4, fc") == "table-net-1"
    assert run_folder.fresh_name(tmp_path, "digits", "nets/own.py:Own") == "digits-Own-1"


def begun(folder: Path) -> Path:
    run = config.build({"data": {"path": "digits"}, "net": {"name": "mlp"}})
    run_record.begin(folder, run_record.identify(config.given(run)), {"run.toml": config.to_toml(run).encode()})
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
    with files.new_folder(folder / "model") as new:
        files.write_text(new / "model.json", "{}")
    with pytest.raises(RunError, match=r"the run .*one has no model yet"):  # it was stopped before it said so
        run_folder.model_folder("one")
    run_record.add_model(folder)
    assert run_folder.model_folder("one").resolve() == folder / "model"
    assert run_folder.model_folder(str(folder / "model")) == folder / "model"


def test_the_list_shows_state_score_and_size(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    begun(tmp_path / "a")
    score = {"accuracy": 0.5, "low": 0.1, "high": 0.9, "n": 4}
    run_record.add(begun(tmp_path / "b"), {"result.json": run_folder.as_bytes({"test": score})})
    files.write_text(begun(tmp_path / "c") / "result.json", "{}")
    first, second, third = run_folder.list_runs(tmp_path)
    assert (first.name, first.net, first.data, first.state, first.test) == ("a", "mlp", "digits", "unfinished", None)
    assert (second.state, second.test) == ("done", score)
    assert first.bytes == sum((tmp_path / "a" / name).stat().st_size for name in ("run.toml", "record.json"))
    assert (third.name, third.state, third.test) == ("c", "damaged", None)
    assert "result.json was not written by this run" in caplog.text
    assert run_folder.list_runs(tmp_path / "none") == []


@pytest.mark.parametrize("name", ["run.toml", "record.json", "result.json"])
def test_a_run_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    for run in ("a", "b"):
        run_record.add(begun(tmp_path / run), {"result.json": run_folder.as_bytes({"test": None})})
    closed, original = tmp_path / "a" / name, Path.open

    def refuse(path: Path, *how: object, **more: object) -> object:
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, *how, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    assert [(row.name, row.state) for row in run_folder.list_runs(tmp_path)] == [("a", "damaged"), ("b", "done")]


def test_predictions_come_back(tmp_path: Path):
    folder = begun(tmp_path / "run")
    ids, labels, logits = np.array([2**63 + 1], np.uint64), np.array([1]), np.ones((1, 3), np.float32)
    content = run_folder.predictions_bytes(ids, labels, logits, {"run_id": "0123", "settings_sha256": "4567"})
    run_record.add(folder, {"predictions-test.npz": content})
    columns = run_folder.load_predictions(folder / "predictions-test.npz")
    assert [column.tolist() for column in columns] == [ids.tolist(), [1], [[1.0, 1.0, 1.0]]]
    with np.load(folder / "predictions-test.npz") as saved:
        assert (str(saved["run_id"]), str(saved["settings_sha256"])) == ("0123", "4567")
    with pytest.raises(RunError, match="expected the predictions of a finished run at"):
        run_folder.load_predictions(folder / "predictions-val.npz")


def test_settings_that_were_edited_are_named_and_another_layout_of_them_is_not(tmp_path: Path):
    folder = begun(tmp_path / "run")
    path = folder / "run.toml"
    text = path.read_text()
    path.write_text(f"# my notes\n{text}\n")
    assert run_folder.settings(folder).net.name == "mlp"
    path.write_text(text.replace("seed = 0", "seed = 7"))
    with pytest.raises(
        RunError, match=r"run\.toml was edited after the run began: seed was 0 and is 7\. Put it back, or start"
    ):
        run_folder.settings(folder)


def test_the_environment_names_versions():
    found = run_folder.environment(device="cpu")
    assert found["device"] == "cpu"
    assert found["torch"][0].isdigit()
    assert set(found) >= {"python", "system", "numpy", "pillow", "safetensors"}


def test_a_name_that_no_folder_can_have_is_refused(tmp_path: Path):
    with pytest.raises(RunError, match=r"expected a plain name for --name, without a path; got ' '\."):
        run_folder.claim(tmp_path, " ", resume=False)
    with pytest.raises(RunError, match=r"expected a name of at most 200 bytes for --name; got 202\."):
        run_folder.claim(tmp_path, "\u00e9" * 101, resume=False)


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2J", "a\x00b"])
def test_a_name_with_control_characters_is_refused(tmp_path: Path, name: str):
    with pytest.raises(RunError, match="expected a name without control characters for --name"):
        run_folder.claim(tmp_path, name, resume=False)
