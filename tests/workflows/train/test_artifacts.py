"""What belongs to a run is bound to it: whatever was edited, damaged or put there from another run is refused by name."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import striate
from striate.base import files, run_folder
from striate.base.errors import ArtifactError, DataError, Interrupted, RunError, StriateError
from striate.data import split
from striate.data.split import Split
from striate.metrics.classification import calibration_error
from striate.metrics.confidence import fitted
from striate.workflows import dataset
from striate.workflows.report import run_facts
from support.shape_images import make_folder

LINE = "conv 3x3x4, relu, pool 4, fc"
SETTINGS: dict[str, Any] = {"preprocess": {"size_px": 16}, "train": {"batch_size": 8}}


def train(place: Path, name: str, **how: Any) -> dict[str, Any]:
    return striate.train(str(place / "photos"), net=LINE, epochs=2, out=place / "runs", name=name, settings=SETTINGS, **how)


def stop_late(event: dict[str, Any]) -> None:
    """Stop a training in its second epoch, after the checkpoint of the first."""
    if event["event"] == "step" and event["step"] == 6:
        raise Interrupted("stopped by the test")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs, a and b, and two stopped ones, c and d, which differ in their seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("striate.workflows.report.build.at_end", lambda result, *_: result)
        folder = tmp_path_factory.mktemp("bound")
        make_folder(folder / "photos", each=12)
        train(folder, "a", seed=1)
        train(folder, "b", seed=2)
        for name, seed in (("c", 1), ("d", 2)):
            with pytest.raises(Interrupted):
                train(folder, name, seed=seed, watch=stop_late)
    return folder


def test_the_temperature_is_that_of_the_validation_images_and_is_used_everywhere(place: Path):
    folder = place / "runs" / "a"
    model = striate.load(folder)
    _, labels_N, logits_NK = run_folder.load_predictions(folder / "predictions-val.npz")
    assert model.confidence == fitted(logits_NK, labels_N)
    assert model.confidence.temperature != 1
    _, labels_N, logits_NK = run_folder.load_predictions(folder / "predictions-test.npz")
    scores = striate.evaluate(folder)
    assert scores["temperature"] == model.confidence.temperature
    assert scores["calibration_error_unscaled"] == calibration_error(logits_NK, labels_N)
    scaled_NK = logits_NK / model.confidence.temperature
    assert scores["calibration_error"] == pytest.approx(calibration_error(scaled_NK, labels_N))
    image = next((place / "photos").glob("*/*"))
    shares_1K = model.confidence.probabilities(model.logits(model.pixels([image])))
    assert striate.predict(folder, image).prediction.probability == pytest.approx(shares_1K.max())


@pytest.fixture
def runs(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(place / "runs", tmp_path / "runs")
    monkeypatch.chdir(place)  # the images lie there, under the path in run.toml
    return tmp_path / "runs"


def resume(run: Path) -> dict[str, Any]:
    return striate.train(out=run.parent, name=run.name, resume=True)


def test_runs_stay_as_good_as_they_were_in_another_folder(runs: Path):
    whole = striate.load(runs / "a")
    assert resume(runs / "c")["weights_sha256"] == files.sha256(runs / "a" / "model" / "weights.safetensors")
    assert whole.training["run_id"] == striate.load(runs / "c").training["run_id"]  # same settings, images and machine
    assert whole.training["run_id"] != striate.load(runs / "b").training["run_id"]


@pytest.mark.parametrize(
    ("pattern", "edited", "difference"),
    [
        (r"^lr = .*$", "lr = 0.5", r"train\.lr was \S+ and is 0\.5"),
        (r"^seed = 1$", "seed = 3", "seed was 1 and is 3"),
        (r"^batch_size = 8$", "batch_size = 4", r"train\.batch_size was 8 and is 4"),
        (r"^split_seed = 0$", "split_seed = 1", r"data\.split_seed was 0 and is 1"),
        (r"^mixup = .*$", "mixup = 0.3", r"augment\.mixup was \S+ and is 0\.3"),
    ],
)
@pytest.mark.parametrize("name", ["a", "c"])
def test_an_edited_setting_is_named(runs: Path, pattern: str, edited: str, difference: str, name: str):
    path = runs / name / "run.toml"
    text, count = re.subn(pattern, edited, path.read_text(), count=1, flags=re.MULTILINE)
    if not count:
        text, count = re.sub(r"^\[augment\]$", f"[augment]\n{edited}", text, flags=re.MULTILINE), 1
    assert text != path.read_text()
    path.write_text(text)
    calls = [lambda: resume(runs / name), lambda: striate.write_report(runs / name)]
    if name == "a":
        calls += [lambda: striate.evaluate(runs / name), lambda: striate.load(runs / name)]
    for call in calls:
        with pytest.raises(RunError, match=rf"run\.toml was edited after the run began: {difference}\. Put it back"):
            call()


def move_images(runs: Path, name: str) -> Path:
    """A copy of the images, times of change included, whose place is written into run.toml."""
    moved, path = Path(shutil.copytree("photos", runs.parent / "moved")), runs / name / "run.toml"
    path.write_text(re.sub(r'^path = ".*photos"$', f'path = "{moved.as_posix()}"', path.read_text(), flags=re.MULTILINE))
    assert moved.as_posix() in path.read_text()
    return moved


def test_a_run_whose_images_were_moved_is_resumed(runs: Path):
    move_images(runs, "c")
    assert resume(runs / "c")["weights_sha256"] == files.sha256(runs / "a" / "model" / "weights.safetensors")


def test_a_training_in_bf16_says_so_and_is_resumed_to_the_same_bytes(place: Path, tmp_path: Path):
    def train_in_bf16(name: str, **how: Any) -> dict[str, Any]:
        settings = {**SETTINGS, "engine": {"precision": "bf16"}}
        photos = str(place / "photos")
        return striate.train(
            photos, net=LINE, epochs=2, seed=1, out=tmp_path, name=name, settings=settings, report=False, **how
        )

    whole = train_in_bf16("whole")
    assert run_folder.read_json(tmp_path / "whole" / "environment.json")["precision"] == "bf16"
    assert whole["weights_sha256"] != files.sha256(place / "runs" / "a" / "model" / "weights.safetensors")
    with pytest.raises(Interrupted):
        train_in_bf16("stopped", watch=stop_late)
    assert striate.train(out=tmp_path, name="stopped", resume=True)["weights_sha256"] == whole["weights_sha256"]


def test_another_image_of_the_same_size_and_time_of_change_is_noticed(runs: Path):
    moved = move_images(runs, "c")
    path, other = moved / "circle" / "000.png", moved / "circle" / "001.png"
    before = path.stat()
    size = max(before.st_size, other.stat().st_size)
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(Interrupted):
        striate.train(out=runs, name="c", resume=True, watch=stop_late)  # decoded and kept at this size and time
    path.write_bytes(other.read_bytes().ljust(size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DataError, match=r"the images have changed since .*c began"):
        resume(runs / "c")


def test_a_checkpoint_of_another_run_is_refused(runs: Path):
    shutil.rmtree(runs / "c" / "checkpoints")
    shutil.copytree(runs / "d" / "checkpoints", runs / "c" / "checkpoints")
    with pytest.raises(ArtifactError, match=r"the checkpoint in .*c is of another run, \w{16}: seed was 1 and is 2\. This run"):
        resume(runs / "c")


def test_images_in_other_parts_than_before_are_not_resumed_with(runs: Path):
    def divide(*arguments: Any) -> Split:
        parts = split.divide(*arguments)
        train_M, test_M = parts.train_M.copy(), parts.test_M.copy()
        train_M[0], test_M[0] = test_M[0], train_M[0]  # as after a change of the rule that divides
        return replace(parts, train_M=train_M, test_M=test_M)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "split", SimpleNamespace(divide=divide, Split=Split))
        with pytest.raises(DataError, match=r"divided otherwise than when .*c began, so test images could be trained on"):
            resume(runs / "c")
    (runs / "c" / "images.npz").unlink()
    with pytest.raises(ArtifactError, match=r"expected images\.npz in .*c; there is none"):
        resume(runs / "c")


@pytest.mark.parametrize("call", [striate.evaluate, striate.write_report, striate.load])
def test_a_model_of_another_run_is_refused(runs: Path, call: Any):
    shutil.rmtree(runs / "a" / "model")
    shutil.copytree(runs / "b" / "model", runs / "a" / "model")
    with pytest.raises(ArtifactError, match=r"a/model/MANIFEST\.sha256 has changed since the run wrote it, or is of another"):
        call(runs / "a")


@pytest.mark.parametrize("call", [striate.evaluate, striate.write_report])
def test_predictions_of_another_run_are_refused(runs: Path, call: Any):
    name = "predictions-test.npz"
    shutil.copyfile(runs / "b" / name, runs / "a" / name)
    with pytest.raises(ArtifactError, match=r"a/predictions-test\.npz has changed since the run wrote it, or is of another"):
        call(runs / "a")


def test_a_journal_of_another_run_is_refused(runs: Path):
    shutil.copyfile(runs / "b" / "journal.jsonl", runs / "a" / "journal.jsonl")
    with pytest.raises(ArtifactError, match=r"a/journal\.jsonl is of another run: expected \w{16}, got \w{16}"):
        striate.write_report(runs / "a")


def test_a_result_of_another_run_does_not_make_a_stopped_one_finished(runs: Path):
    shutil.copyfile(runs / "a" / "result.json", runs / "c" / "result.json")
    with pytest.raises(ArtifactError, match=r"c/result\.json was not written by this run"):
        resume(runs / "c")


@pytest.mark.parametrize("name", ["result.json", "data.json", "environment.json", "predictions-val.npz", "record.json"])
def test_no_changed_bit_ends_in_a_traceback_or_in_a_report(runs: Path, name: str):
    path = runs / "a" / name
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for position in [*generator.integers(0, len(content) - 1, 6).tolist(), content.find(b"0."), content.find(b'"')]:
        changed = bytearray(content)
        changed[position] ^= 1 << int(generator.integers(8))
        path.write_bytes(bytes(changed))
        with pytest.raises(StriateError, match=name.replace(".", r"\.")):
            striate.write_report(runs / "a")
    assert not (runs / "a" / "report.html").exists()


def test_a_changed_line_of_the_journal_is_left_out_and_said(runs: Path):
    path = runs / "a" / "journal.jsonl"
    path.write_text(path.read_text().replace('"accuracy": 0.', '"accuracy": 1.', 1))
    notes = run_facts.read(runs / "a").facts.notes
    assert "1 line of journal.jsonl left out: cut by a crash, or changed since." in notes


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace('"classes"', '"clases"'), "KeyError: 'classes'"),
        (lambda text: text.replace('"triangle"', '"triangle", "hexagon"'), "RuntimeError: "),
        (lambda text: "[1]", "TypeError: "),
        (lambda text: text.replace('"format": 1', '"format": 1,,'), "JSONDecodeError: "),
    ],
)
def test_a_model_that_was_written_anew_and_is_none_is_refused(runs: Path, change: Any, reason: str):
    model = runs / "a" / "model"
    path = model / "model.json"
    path.write_text(change(path.read_text()))
    (model / files.MANIFEST).write_text(files.manifest(model))
    with pytest.raises(ArtifactError, match=rf"model does not describe a model of striate \({reason}"):
        striate.load(model)


@pytest.mark.parametrize("name", ["predictions-test.npz", "predictions-val.npz", "data.json", "model/MANIFEST.sha256"])
def test_a_file_of_a_finished_run_that_was_lost_is_named(runs: Path, name: str):
    (runs / "a" / name).unlink()
    for call in (striate.write_report, striate.evaluate):
        with pytest.raises(ArtifactError, match=rf"a/{name} is missing, though the run wrote it\. Restore it from a copy"):
            call(runs / "a")


def test_classes_in_a_report_come_from_a_model_that_is_whole(runs: Path):
    path = runs / "a" / "model" / "model.json"
    path.write_text(path.read_text().replace("triangle", "trjangle"))
    with pytest.raises(ArtifactError, match=r"model\.json has changed since it was written"):
        run_facts.read(runs / "a")
