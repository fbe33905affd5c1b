import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import striate
from striate.base import files, run_folder
from striate.base.errors import RunError
from striate.base.events import STAGES
from striate.workflows.report import build, rerun_network, run_facts
from support.brief_reports import brief
from support.finetuned import finetune
from support.pages import check
from support.shape_images import make_folder
from support.undrawn import undrawn

SHORT = {"train": {"epochs": 2}}
NET = "conv 5x5x6, relu, pool 2, conv 3x3x8, relu, fc 3"
ALL_STAGES = ("sample", "decode", "time", "validate", "test", "inspect", "explain", "page")
BY_NETWORK = ("The network overfits", "The network underfits", "Of ", "No layer has", "conv1: ")  # findings that need it
OF_THE_COMMAND = ("wall_seconds", "images_per_second")  # not of the run


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports of few mistakes and points, which take seconds less."""
    brief(monkeypatch)


@pytest.fixture
def figures_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands around the figures is tested; the other tests of this file draw them."""
    undrawn(monkeypatch)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_folder(tmp_path_factory.mktemp("data") / "photos", 14)
    (root / "circle" / "bad.png").write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    result = striate.train(photos.as_posix(), net=NET, out=out, name="seen", settings=SHORT)
    return Path(result["run"])


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "seen"))


def written(run: Path) -> tuple[Any, dict[str, Any], str]:
    text = (run / "report.html").read_text("utf-8")
    return check(text), json.loads((run / "report.json").read_text("utf-8")), text


@pytest.mark.usefixtures("figures_left_out")
@pytest.mark.report
def test_a_training_ends_by_writing_its_report_and_naming_it(photos: Path, tmp_path: Path):
    events: list[dict[str, Any]] = []
    result = striate.train(
        photos.as_posix(), net="conv 3x3x4, relu, pool 2, fc 3", out=tmp_path, name="a", settings=SHORT, watch=events.append
    )
    assert {event["event"] for event in events} == {*ALL_STAGES, "step", "epoch"} <= {*STAGES, "epoch"}
    assert [event["done"] for event in events if event["event"] == "page"] == [*range(1, rerun_network.PARTS + 1)]
    assert result["report"] == str(tmp_path / "a" / "report.html")
    assert run_folder.read_json(tmp_path / "a" / "result.json") == {k: v for k, v in result.items() if k not in OF_THE_COMMAND}
    tree, facts, _ = written(tmp_path / "a")
    assert facts["test"] == result["test"]
    assert {section.get("id") for section in tree.iter("section")} == {
        "data", "training", "score", "origin", "mistakes", "features", "filters", "weights", "repeat"
    }  # fmt: skip
    without = striate.train(photos.as_posix(), net="conv 3x3x4, relu, pool 2, fc 3", out=tmp_path, name="b", settings=SHORT,
                            report=False)  # fmt: skip
    assert without["report"] is None
    assert without["weights_sha256"] == result["weights_sha256"]
    assert not (tmp_path / "b" / "report.html").exists()
    assert run_folder.read_json(tmp_path / "b" / "result.json")["trust"] == without["trust"]  # type: ignore[index]
    later = striate.train(name="b", out=tmp_path, resume=True)
    assert later["report"] == str(tmp_path / "b" / "report.html")
    verdicts = [[finding["sentence"] for finding in ended["trust"]["findings"]] for ended in (without, later)]
    assert verdicts[0] == [sentence for sentence in verdicts[1] if not sentence.startswith(BY_NETWORK)]
    assert any("majority-class baseline" in sentence for sentence in verdicts[0])


def test_every_number_of_the_page_is_in_its_json_and_the_same_run_gives_the_same_page(run: Path):
    told = striate.write_report(str(run))
    _, facts, text = written(run)
    assert told["trust"] == facts["trust"]
    assert told["bytes"] == len(text.encode()) < 10e6
    assert facts["account"]["quarantined"][0]["path"] == "circle/bad.png"
    assert facts["account"]["found"] == 43
    assert facts["score"]["part"] == "test"
    assert len(facts["curves"]) == 2
    rows = facts["mistakes"] + facts["uncertain"]
    assert rows
    for row in rows:
        assert row["path"] in text
        assert len(row["neighbors"]) == 5
        assert row["path"] not in [near["path"] for near in row["neighbors"]]
        assert row["heat"]["layer"] == "relu2"
        assert row["heat"]["faithful"] in (True, False)
        assert 0 <= row["true_probability"] <= row["probability"] <= 1
    points = facts["plane"]
    assert len(points["paths"]) == len(points["principal"]) == len(points["tsne"]) == len(points["classes"])
    assert points["parts"].count("val") == facts["val"]["n"]
    assert sum(layer["filters"] for layer in facts["filters"]) == 6 + 8
    assert facts["weights"]["start"][0]["layer"] == "conv1"
    assert facts["environment"]["data_sha256"]
    the_same_run_gives_the_same_page(run)


def the_same_run_gives_the_same_page(run: Path) -> None:
    first = [(run / name).read_text("utf-8") for name in ("report.html", "report.json")]
    striate.write_report(str(run))
    again = [(run / name).read_text("utf-8") for name in ("report.html", "report.json")]
    times = [json.loads(text)["created"] for text in (first[1], again[1])]
    assert again[1].replace(times[1], times[0]) == first[1]
    assert again[0].replace(times[1], times[0]) == first[0]


def test_what_the_page_says_to_repeat_it_repeats_it(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (command, _) = run_facts.read(run).facts.repeat
    words = command.split()
    assert words[:3] == ["striate", "train", "--recipe"]
    monkeypatch.chdir(tmp_path)
    again = striate.train(recipe=words[3], name=words[-1])
    before = run_folder.read_json(run / "result.json")
    assert before is not None
    assert again["weights_sha256"] == before["weights_sha256"]


@pytest.mark.usefixtures("figures_left_out")
def test_images_that_are_gone_are_left_out_and_that_is_said(run: Path, photos: Path):
    text = (run / "run.toml").read_text("utf-8")
    (run / "run.toml").write_text(text.replace(photos.as_posix(), "elsewhere"), "utf-8")
    told = striate.write_report(str(run))
    assert told["notes"][0].startswith("Nothing that needs the images is shown, as these cannot be read: ")
    tree, facts, _ = written(run)
    assert facts["mistakes"] == []
    assert facts["score"]["n"] == facts["test"]["n"]
    assert not list(tree.iter("img"))


@pytest.mark.usefixtures("figures_left_out")
def test_images_that_have_changed_are_said_to_have(run: Path, photos: Path, tmp_path: Path):
    other = Path(shutil.copytree(photos, tmp_path / "other"))
    (other / "circle" / "003.png").unlink()
    text = (run / "run.toml").read_text("utf-8")
    (run / "run.toml").write_text(text.replace(photos.as_posix(), other.as_posix()), "utf-8")
    told = striate.write_report(str(run))
    assert told["notes"] == ["The images have changed since this run began; what is shown of them is as they are now."]


@pytest.mark.usefixtures("figures_left_out")
def test_a_run_that_has_not_ended_has_a_report_of_what_there_is(run: Path):
    shutil.rmtree(run / "model")
    (run / "result.json").unlink()
    told = striate.write_report(str(run))
    tree, facts, text = written(run)
    assert told["state"] == facts["state"] == "training"
    assert "Not finished: 2 of 2 epochs done." in text
    assert {section.get("id") for section in tree.iter("section")} == {"data", "training", "weights", "repeat"}


@pytest.mark.usefixtures("figures_left_out")
def test_a_run_of_which_nothing_has_been_written_yet_has_one_too(run: Path):
    for name in ("result.json", "data.json", "journal.jsonl", "environment.json"):
        (run / name).unlink()
    shutil.rmtree(run / "model")
    assert striate.write_report(str(run))["trust"]["level"] == "note"
    assert "What became of each file was not kept by this run" in written(run)[2]


@pytest.mark.usefixtures("figures_left_out")
def test_following_rewrites_the_page_after_each_epoch_until_no_one_trains(run: Path, monkeypatch: pytest.MonkeyPatch):
    events = (run / "journal.jsonl").read_text("utf-8").splitlines(keepends=True)
    result = (run / "result.json").read_bytes()
    epochs = [number for number, line in enumerate(events) if '"event": "epoch"' in line]
    (run / "result.json").unlink()
    (run / "journal.jsonl").write_text("".join(events[: epochs[0]]), "utf-8")
    moments = iter(["".join(events[: epochs[0] + 1]), "".join(events[: epochs[1] + 1]), None])
    seen: list[int] = []

    with monkeypatch.context() as patched:
        lock = files.lock(run)
        lock.__enter__()

        def trains_on(_seconds: float) -> None:
            text = next(moments)
            if text is None:
                (run / "journal.jsonl").write_text("".join(events), "utf-8")
                (run / "result.json").write_bytes(result)
                lock.__exit__(None, None, None)
            else:
                (run / "journal.jsonl").write_text(text, "utf-8")

        patched.setattr(build.time, "sleep", trains_on)
        told = striate.write_report(str(run), follow=True, watch=lambda event: seen.append(event.get("epochs", -1)))
    assert [number for number in seen if number >= 0] == [0, 1, 2]
    assert told["state"] == "done"


def test_a_model_alone_and_no_run_are_refused(run: Path, tmp_path: Path):
    with pytest.raises(RunError, match=r"expected a run, as `striate runs` lists them; .*model is a model alone"):
        striate.write_report(str(run / "model"))
    with pytest.raises(RunError, match="expected a run or a model folder"):
        striate.write_report(str(tmp_path / "nothing"))


@pytest.mark.usefixtures("figures_left_out")
@pytest.mark.report
def test_folds_are_reported_with_the_images_that_each_was_tested_on(photos: Path, tmp_path: Path):
    result = striate.train(photos.as_posix(), net="conv 3x3x4, relu, pool 2, fc 3", out=tmp_path, name="f", folds=2,
                           settings=SHORT)  # fmt: skip
    _, facts, text = written(tmp_path / "f")
    assert facts["score"]["n"] == result["test"]["n"] == 42
    assert facts["folds"] == result["folds"]
    assert "fold 2" in text
    for row in facts["mistakes"]:  # the model itself has learned from the image by then, so it would find it
        assert row["path"] not in [near["path"] for near in row["neighbors"]]


@pytest.mark.usefixtures("figures_left_out")
@pytest.mark.report
def test_a_fine_tuning_reports_its_strategies_and_the_curves_of_the_one_that_was_kept(photos: Path, tmp_path: Path):
    result = finetune(photos, tmp_path, "extract", "adapt")
    _, facts, _ = written(tmp_path / "run")
    assert result["report"] == str(tmp_path / "run" / "report.html")
    assert facts["strategies"] == result["strategies"]
    assert facts["recommended"] == result["recommended"]
    assert facts["parameters"] == result["strategies"][0]["parameters"]
    striate.write_report(str(tmp_path / "run"))  # computes the features of the training images, which were at hand before
    assert written(tmp_path / "run")[1]["train"] == facts["train"]
    assert facts["train"]["n"] == facts["account"]["split"]["train"]
