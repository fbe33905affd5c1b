import json
import logging
import shutil
from pathlib import Path

import pytest

import striate
from striate.base import run_folder
from striate.base.errors import RunError, SettingError
from striate.base.events import Json, quiet
from striate.base.signals import catch_signals
from striate.workflows.tune import check
from striate.workflows.tune import run as tuning
from support.shape_images import make_folder

OWN = {
    "data": {"path": ""}, "net": {"name": "conv 3x3x4, relu, globalpool, fc"}, "preprocess": {"size_px": 12, "channels": 3},
    "augment": {"flip": False},
}  # fmt: skip
SEARCH = {"minutes": 1e-4, "trials": 4, "vary": ("train.lr=0.001..0.1", "train.weight_decay=0.0..0.1"), "out": "runs"}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("tune") / "shapes", 20)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tuning, "elapsed", lambda: 0.0)  # the time of a busy machine would end the search


def search(images: Path, name: str, watch: object = lambda _event: None) -> Json:
    settings = {**OWN, "data": {"path": str(images)}}
    return striate.tune(name=name, settings=settings, watch=watch, **SEARCH)


def test_trials_are_halved_and_the_test_images_are_scored_once(images: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "striate")
    result = search(images, "found")
    assert [(trial["round"], trial["number"]) for trial in result["trials"][:4]] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    last = result["trials"][4:]
    assert len(last) == 2
    assert {trial["round"] for trial in last} == {1}
    ranked = sorted(result["trials"][:4], key=lambda trial: (-trial["val"]["accuracy"], trial["log_loss"]))
    assert {trial["number"] for trial in last} == {trial["number"] for trial in ranked[:2]}
    assert result["best"] in last
    for trial in result["trials"]:
        folder = Path(trial["run"])
        assert run_folder.read_json(folder / "result.json")["test"] is None
        assert not (folder / "predictions-test.npz").exists()
    assert result["test"]["n"] == 12
    assert result["run"] == str(Path("runs/found"))
    settings = run_folder.settings(Path("runs/found"))
    assert settings.data.score_test
    if changes := result["best"]["changes"]:
        assert settings.train.lr == changes["train"]["lr"]
    assert result["sentence"].startswith(f"Trial {result['best']['number']} is the best of 4 trials: ")
    assert "trial 0 (the defaults): validation accuracy" in caplog.text


def test_interrupted_and_resumed_it_ends_with_the_same_weights(images: Path):
    def stop_in_the_third_trial(event: Json) -> None:
        if Path("runs/again-tuning/round-1-trial-2").exists() and event["event"] == "step":
            raise KeyboardInterrupt

    whole = search(images, "whole")
    with pytest.raises(KeyboardInterrupt):
        search(images, "again", stop_in_the_third_trial)
    with pytest.raises(SettingError, match="a resumed search keeps its settings; leave out minutes, trials, vary, data"):
        striate.tune(str(images), name="again", resume=True, **SEARCH)
    resumed = striate.tune(name="again", resume=True)
    assert resumed["weights_sha256"] == whole["weights_sha256"]
    assert resumed["best"]["number"] == whole["best"]["number"]


def test_a_trial_that_diverges_is_left_out(images: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SEARCH, "vary", ("train.lr=0.001|1e30",))
    monkeypatch.setitem(SEARCH, "trials", 3)
    result = search(images, "apart")
    failed = [trial for trial in result["trials"] if trial["val"] is None]
    assert len(failed) == 1
    assert "The loss is nan" in failed[0]["error"]
    assert result["best"]["changes"].get("train", {}).get("lr") != 1e30


def test_what_the_search_decides_is_refused_before_anything_is_decoded(images: Path):
    def refused(words: str, **more: object) -> None:
        with pytest.raises(SettingError, match=words):
            striate.tune(str(images), out="runs", **more)

    refused("train.epochs does not apply to a search, which divides --minutes", settings={"train": {"epochs": 3}})
    refused("data.folds does not apply to a search", settings={"data": {"folds": 3}})
    refused("train.lr is given twice", settings={"train": {"lr": 0.1}}, vary=["train.lr=0.1..1.0"])
    refused("a trial with train.rate=.* cannot be trained: There is no setting train.rate", vary=["train.rate=0.1..1.0"])
    refused("expected minutes above 0, and 2 to 200 trials; got 30 and 1", trials=1)
    with pytest.raises(RunError, match="there is no search to resume in runs/none-tuning"):
        striate.tune(name="none", out="runs", resume=True)


def test_few_minutes_are_for_few_trials_and_features_need_no_rounds():
    plan = check.Plan("x", 30.0, {"train": {"lr": 0.1}}, [{}] * 9, timed=True)
    assert plan.rounds() == [9, 3]
    assert plan.trial(0, 9) == {"train": {"lr": 0.1, "minutes": 1.0}, "data": {"score_test": False}}
    assert plan.trial(0, 3)["train"]["minutes"] == 3.0
    assert plan._replace(timed=False).rounds() == [9]
    assert "minutes" not in plan._replace(timed=False).final(0, 12.0)["train"]
    settings = {"data": {"path": "digits"}}
    assert check.search(Path("runs"), None, settings, 30, None, ()).trials == 9
    assert check.search(Path("runs"), None, settings, 2, None, ()).trials == 3
    assert json.dumps(plan._asdict())


def test_a_trial_that_was_trained_counts_when_the_time_is_over(
    images: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    result, folder = search(images, "late"), Path("runs/late-tuning")
    monkeypatch.setattr(tuning, "elapsed", lambda: 1e9)
    plan = check.Plan.read(folder)
    with catch_signals() as stop:
        tried = tuning._search(plan, folder, quiet, stop)
        assert [(trial.round, trial.number) for trial in tried] == [
            (trial["round"], trial["number"]) for trial in result["trials"]
        ]
        shutil.rmtree(folder / "round-1-trial-1")  # those after it count all the same
        spread = list[int]()
        monkeypatch.setattr(tuning, "_spread", lambda _plan, trials, *_: spread.append(trials[0][1]))
        tried = [(trial.round, trial.number) for trial in tuning._search(plan, folder, quiet, stop)]
        assert tried == [(0, number) for number in range(len(plan.changes)) if number != 1]
    assert spread == [0], "of the first round alone, since the time is over"
    assert "The time of the search is over: 1 trial of round 1 not tried." in caplog.text
