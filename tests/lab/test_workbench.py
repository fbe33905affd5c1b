"""What the pages of the workbench are given: folders, surveys, plans, forms, runs."""

import base64
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from striate.base import config
from striate.base.errors import RunError, SettingError
from striate.data import sources
from striate.lab.texts import Texts, read
from striate.lab.workbench import forms, live, places, surveys
from striate.lab.workbench.one_time_links import OneTimeLinks, Shown
from striate.workflows.serve.refusals import Refusal
from support.command_line import run
from support.lab import client, two_runs
from support.shape_images import make_folder


def test_folders_and_tables_are_listed_and_links_out_of_the_root_are_not(tmp_path: Path):
    root = tmp_path / "root"
    for name in ("b", "A <i>x", ".hidden"):
        (root / "data" / name).mkdir(parents=True)
    (root / "data" / "labels.CSV").touch()
    (root / "data" / "notes.txt").touch()
    (root / "data" / "out").symlink_to(tmp_path)
    (root / "data" / "in").symlink_to(root)
    (root / "data" / "a\x1b[31m").mkdir()
    assert places.listing(root, "data") == places.Listing("data", "", ["A <i>x", "b", "in"], ["labels.CSV"], 2)
    assert places.listing(root, "").above is None
    assert places.listing(root, str(root / "data" / "b")).path == "data/b"
    for outside in ("..", "data/../..", "data/out", str(tmp_path), "data/out/root"):
        if outside != "data/out/root":  # which leads back
            with pytest.raises(SettingError, match=f"expected a folder or file below {root}"):
                places.listing(root, outside)
    with pytest.raises(SettingError, match=r"expected a folder; data/notes.txt is a file"):
        places.listing(root, "data/notes.txt")


def test_a_folder_with_the_name_of_a_data_set_is_not_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert places.data(Path(), "digits") == "digits"
    assert places.data(Path(), "./digits") == "./digits"


def test_what_the_command_names_is_shown_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "here" / "photos").mkdir(parents=True)
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "run.toml").touch()
    monkeypatch.chdir(tmp_path / "here")
    out = tmp_path / "runs"
    assert places.first(None, None, out) == (Path(), None, None)
    assert places.first("digits", None, out) == (Path(), "digits", None)
    assert places.first("photos", None, out) == (Path(), "photos", None)
    assert places.first(out, None, out) == (out, ".", None)  # elsewhere: it is the root
    assert places.first("a", None, out) == places.first("../runs/a", None, out) == (Path(), None, "a")
    with pytest.raises(SettingError, match=r"expected images or a run in .*; there is none at b"):
        places.first("b", None, out)
    with pytest.raises(SettingError, match="expected a folder or file below"):
        places.first(tmp_path, Path("photos"), out)


def test_the_command_refuses_images_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    outcome = run(capsys, "lab", "none", "--port", 0)
    assert (outcome.code, outcome.err) == (2, "striate: expected images or a run in runs; there is none at none.\n")


def test_the_form_has_every_setting_once_with_its_help():
    names = [field.name for field in (*forms.main(), *(field for group in forms.groups().values() for field in group))]
    assert len(names) == len({*names})
    settings = {f"{section}.{name}" for section in forms.groups() if section for name in getattr(config, {
        "train": "Train", "augment": "Augment", "preprocess": "PreprocessSettings", "net": "NetSettings", "data": "Data",
        "finetune": "Finetune", "engine": "Engine", **dict.fromkeys(forms.TRAINED, "Train"),
    }[section]).model_fields}  # fmt: skip
    assert settings - {*names} == {"data.path", "data.follow_links", "data.fold", *forms.TRAINED}
    adapt = {field.name: field for field in forms.groups()["finetune.adapt"]}
    assert adapt["finetune.adapt.lr"].default == "", "a rule decides"
    assert adapt["finetune.adapt.lr"].command == "finetune"
    fields = {field.name: field for field in (*forms.main(), *forms.groups()["train"], *forms.groups()["data"])}
    assert fields["train.optimizer"].options == ("sgd", "adam", "adamw", "muon", "muon-adamw")
    assert (fields["train.lr"].default, fields["train.lr"].numeric) == ("0.003", True)
    assert fields["data.background"].default == "[255, 255, 255]"
    assert fields["train.nesterov"].options == ("true", "false")
    for field in fields.values():
        if field.default and "." in field.name:  # what is typed is read as the default that it stands for
            section, name = field.name.split(".")
            value = config.setting(f"{field.name}={field.default}")[section][name]
            assert getattr(getattr(config.build({section: {name: value}}), section), name) == getattr(
                getattr(config.Run(), section), name
            )


def test_the_help_of_every_setting_is_translated_as_it_is_now():
    shown = (*forms.main(), *(field for group in forms.groups().values() for field in group))
    help_of, chinese = Texts("settings", "en"), Texts("settings", "zh")
    changed = [field.name for field in shown if not help_of.has(field.help_of) or help_of(field.help_of) != field.help]
    assert changed == []  # else translate them anew in lab/texts/settings.toml
    assert all(re.search("[一-鿿]", chinese(field.help_of)) for field in shown)
    assert len({field.help_of for field in shown}) == sum(
        len(section) if "en" not in section else 1 for section in read("settings").values()
    )


def test_a_survey_its_images_and_a_plan(tmp_path: Path, cache: Path):
    make_folder(tmp_path / "photos", 8)
    (tmp_path / "photos" / "circle" / "bad.png").write_bytes(b"no image")
    (tmp_path / "photos" / "circle" / "again.png").write_bytes((tmp_path / "photos" / "circle" / "000.png").read_bytes())
    with client(tmp_path, out=tmp_path / "runs") as lab:
        for _ in range(1000):
            answer = lab.post("/api/workbench/survey", json={"data": "photos"}).json()
            if answer["state"] != "running":
                break
            time.sleep(0.05)
        survey = answer["survey"]
        assert (survey["used"], survey["classes"]["circle"], survey["counts"]["quarantined"]) == (25, 9, 1)
        assert survey["counts"]["duplicates"] == 1
        strip = lab.post("/api/workbench/thumbnails", json={"data": "photos", "class": "square"})
        assert (strip.headers["content-type"], strip.content[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
        refused = lab.post("/api/workbench/thumbnails", json={"data": "photos", "class": "<b>"})
        assert refused.json() == {"error": "expected a class of these images; there is none of the name '<b>'."}
        plan = lab.post("/api/workbench/plan", json={"data": "digits"}).json()
        assert (plan["net"], plan["steps"], plan["name"]) == ("mnist_cnn", 43 * 20, "digits-mnist_cnn-1")
        assert {"text": "epochs 43: to show about 54,000 images, at most 60 times each", "language": "en"} in plan["reasons"]
        plan = lab.post("/api/workbench/plan", json={"data": "digits", "language": "zh"}).json()
        assert {"text": "43 轮：共约 54,000 幅次，每幅最多 60 次", "language": "zh"} in plan["reasons"]
        wish = {"data": "digits", "settings": {"train.lr": "0.01", "train.epochs": "2"}, "name": "x y"}
        assert lab.post("/api/workbench/plan", json=wish).json()["command"] == (
            f"striate train digits --name 'x y' --out {tmp_path}/runs --set train.lr=0.01 --epochs 2 --json"
        )
        assert lab.post("/api/workbench/plan", json={"data": "photos", "settings": {"train.lr": "x"}}).status_code == 422
        wish = {"data": "digits", "command": "finetune", "settings": {"finetune.strategies": "all", "seed": "1"}, "name": "x"}
        plan = lab.post("/api/workbench/plan", json=wish).json()
        assert plan["command"] == f"striate finetune digits --name x --out {tmp_path}/runs --strategy all --seed 1 --json"
        assert (plan["strategies"], plan["trainings"]) == (["extract", "adapt", "retrain", "scratch"], 1)
        assert plan["reasons"][0]["text"] == f"from {plan['weights']}: the best weights that are here"
        plan = lab.post(
            "/api/workbench/plan", json={"data": "digits", "settings": {"data.folds": "3", "net.name": "lenet5"}}
        ).json()
        assert (plan["trainings"], plan["steps"] % 4) == (4, 0)


def epoch(number: int, seconds: float, **more: Any) -> dict[str, Any]:
    return {"event": "epoch", "epoch": number, "step": 10 * number, "seconds": seconds, **more}


def test_pace_and_what_is_left_are_those_of_the_last_epochs():
    start = {"event": "start", "steps": 50, "estimate": 90.0}
    dead = {"event": "health", "epoch": 2, "layers": [{"name": "conv1", "filters": 4, "dead": 1, "duplicate": 0}]}
    now = live.progress([start, epoch(1, 10.0), epoch(2, 14.0), dead], 100)
    # 10 steps and 100 images in the 4 s of the second epoch; 30 steps are left
    assert (now["images_per_second"], now["left"], now["estimate"]) == (25.0, "12 s", "2 min")
    assert (now["health"][0]["dead"], now["stopped"], len(now["epochs"])) == (1, None, 2)
    assert live.progress([start, epoch(1, 10.0)], None)["images_per_second"] is None
    assert live.progress([], None)["left"] is None
    stopped = {"event": "stopped", "reason": "SIGTERM"}
    assert live.progress([start, stopped], None)["stopped"] == "SIGTERM"
    resumed = live.progress([start, epoch(1, 10.0), stopped, {"event": "resumed"}, epoch(1, 11.0)], None)
    assert (resumed["stopped"], len(resumed["epochs"])) == (None, 1)


@pytest.mark.parametrize("name", ["..", ".", "a/b", "none", ".lab", "\x1b"])
def test_only_runs_are_shown(tmp_path: Path, name: str):
    (tmp_path / ".lab").mkdir()
    (tmp_path / "run.toml").touch()
    with pytest.raises(RunError, match="expected a run in"):
        live.folder_of(tmp_path, name)


def test_a_report_may_have_its_styles_and_no_scripts(tmp_path: Path):
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "run.toml").touch()
    (folder / "report.html").write_text("<p>é")
    with client(tmp_path, out=tmp_path / "runs") as lab:
        answer = lab.get("/api/workbench/runs/a/report")
        assert answer.content == "<p>é".encode()
        (policy,) = answer.headers.get_list("content-security-policy")
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox")
        url = lab.post("/api/workbench/runs/a/report").json()["url"]  # for a new tab, which cannot bring a token
        once = lab.get(url)
        assert (once.content, once.headers["content-security-policy"]) == ("<p>é".encode(), policy)
        assert lab.get(url).status_code == 404
        assert lab.get("/api/workbench/runs/a/card").json() == {"error": "a has no model/README.md yet."}
        assert lab.post("/api/workbench/runs/a/export", json={"options": ["--out"]}).status_code == 422
        assert json.loads(lab.get("/api/workbench/queue").content) == {"jobs": []}


def test_one_time_links_end(monkeypatch: pytest.MonkeyPatch):
    links, shown = OneTimeLinks(), Shown(lambda: b"", "text/plain", {})
    now = time.monotonic()
    key, other = (links.add(shown).removeprefix("/once/") for _ in range(2))
    assert links.take(other) == shown
    monkeypatch.setattr(time, "monotonic", lambda: now + 100)
    for gone in (key, other, "none"):
        with pytest.raises(Refusal, match="this address works once, within a minute"):
            links.take(gone)


def test_a_note_on_links_says_what_to_do_in_the_lab(tmp_path: Path):
    make_folder(tmp_path / "photos", 2)
    (tmp_path / "photos" / "circle" / "out.png").symlink_to("/etc/hostname")
    listed = ("quarantined", "ignored", "duplicates", "near_duplicates", "leaks")
    notes = list(sources.read(config.data_section(tmp_path / "photos")).notes)
    assert surveys.shortened({**{key: [] for key in listed}, "notes": [*notes, "another; note"]})["notes"] == [
        "1 link leads out of the data folder and is left out; the lab follows none: copy these images into the folder, or run "
        "the command in a terminal with --set data.follow_links=true.",
        "another; note",
    ]


def test_two_runs_are_compared_with_their_images_and_one_is_deleted_where_it_is_named_again(tmp_path: Path, cache: Path):
    out = tmp_path / "runs"
    two_runs(out)
    with client(tmp_path, out=out) as lab:
        rows = lab.get("/api/workbench/runs").json()["runs"]
        assert {row["name"]: row["test"]["accuracy"] for row in rows} == {"a": 5 / 6, "<b>": 4 / 6}
        result = lab.post("/api/workbench/compare", json={"a": "a", "b": "<b>"}).json()
        assert [result[name] for name in ("both_right", "only_a", "only_b", "both_wrong")] == [3, 2, 1, 0]
        assert result["counts"] == {"right_to_wrong": 2, "wrong_to_right": 1}
        assert result["command"] == f"striate compare {out}/a '{out}/<b>'"
        images = [result["images"][row["id"]] for rows in result["changed"].values() for row in rows]
        assert [base64.b64decode(image)[:4] for image in images] == 3 * [b"\x89PNG"]
        assert lab.post("/api/workbench/compare", json={"a": "a", "b": "../a"}).status_code == 422
        refused = lab.post("/api/workbench/runs/a/delete", json={"confirm": "b"})
        assert refused.json() == {"error": "expected confirm='a', the run's name; got 'b'. Nothing is deleted."}
        left = lab.post("/api/workbench/runs/a/delete", json={"confirm": "a"}).json()["runs"]
        assert ([row["name"] for row in left], (out / "a").exists()) == (["<b>"], False)
