"""Networks that learn without gradients go through the same commands as the others."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import striate
from striate.base import run_folder
from striate.base.errors import Interrupted, SettingError, ShapeError, UnsupportedError
from striate.base.signals import Stop
from striate.nets import catalogue
from striate.nets.factory import build, build_around
from support.brief_maps import brief_maps
from support.brief_reports import brief
from support.command_line import run
from support.few_digits import few_digits
from support.pages import check
from support.shape_images import make_folder
from support.undrawn import undrawn

NAMES = ("gmdh", "neocognitron")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("self_taught")
    for name in NAMES:
        striate.train("digits", net=name, out=folder, name=name)
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What does not depend on how well they answer is tested on runs of 120 digits."""
    folder = tmp_path_factory.mktemp("few")
    few_digits(folder / "few digits", 12)
    for name in NAMES:
        striate.train(str(folder / "few digits"), net=name, out=folder, name=name)
    return folder


def leaves_what_every_run_leaves(folder: Path, tested: int, least: float) -> None:
    result = run_folder.read_json(folder / "result.json")
    assert result is not None
    assert result["test"]["n"] == tested
    assert result["test"]["accuracy"] > least
    assert result["parameters"] > 1000
    for file in ("run.toml", "environment.json", "data.json", "journal.jsonl", "predictions-test.npz", "model/model.json"):
        assert (folder / file).is_file()
    (row,) = [row for row in run_folder.list_runs(folder.parent) if row.name == folder.name]
    assert row.state == "done"


def loaded_gives_the_predictions_that_were_kept(folder: Path) -> None:
    model = striate.load(folder)
    twin = build_around(model.net.state_dict(), model.net_name, model.net.input_chw, 10, grown=model.net_settings["grown"])
    image = np.full((8, 8), 200, np.uint8)
    assert np.allclose(model.logits(model.pixels([image])), twin(model.images([image])).numpy())


@pytest.mark.parametrize("name", NAMES)
def test_it_leaves_what_every_run_leaves_and_a_model_that_gives_its_predictions(few: Path, name: str):
    leaves_what_every_run_leaves(few / name, 20, 0.3)
    loaded_gives_the_predictions_that_were_kept(few / name)


@pytest.mark.soak
@pytest.mark.parametrize(("name", "least"), [("gmdh", 0.85), ("neocognitron", 0.94)])
def test_on_all_digits_it_is_as_good_as_it_says(place: Path, name: str, least: float):
    leaves_what_every_run_leaves(place / name, 359, least)
    kept = striate.evaluate(str(place / name))
    asked = striate.evaluate(str(place / name), "digits")
    assert asked["n"] == 1797
    assert asked["accuracy"] > 0.85
    assert kept["calibration_error"] < 0.1  # outputs became logits
    loaded_gives_the_predictions_that_were_kept(place / name)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes_and_its_run_toml_is_a_recipe(few: Path, tmp_path: Path, name: str):
    before = run_folder.read_json(few / name / "result.json")
    assert before is not None
    again = striate.train(recipe=str(few / name / "run.toml"), out=tmp_path, name="again")
    assert again["weights_sha256"] == before["weights_sha256"]


@pytest.mark.parametrize("name", NAMES)
def test_its_report_and_a_look_inside(few: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch):
    brief(monkeypatch)
    undrawn(monkeypatch)
    told = striate.write_report(str(few / name))
    tree = check((few / name / "report.html").read_text("utf-8"))
    assert {"score", "mistakes"} <= {section.get("id") for section in tree.iter("section")}
    assert told["trust"]["level"] in ("good", "note", "warning")
    assert striate.verdicts(str(few / name))["layers"] == []
    with pytest.raises(UnsupportedError, match="does not begin with one over 1 channels; leave it out"):
        striate.verdicts(str(few / name), draw=tmp_path / "filters.png")


def test_a_look_at_an_image_inside_the_neocognitron(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    make_folder(Path("photos"), 1)
    brief_maps(monkeypatch)
    undrawn(monkeypatch)
    found = striate.inspect_image(str(few / "neocognitron"), ["photos/circle/000.png"], methods=["gradcam", "occlusion"])
    (one,) = found["images"]
    assert [made["method"] for made in one["methods"]] == ["occlusion"]
    assert "occlusion" in one["refused"]["gradcam"]
    assert [Path(path).name for path in found["files"]][:2] == ["01-us1.png", "02-uc1.png"]


def test_a_run_that_is_stopped_begins_anew_and_ends_with_the_same_bytes(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def stopped(_self: Any, _doing: str, _then: str = "") -> None:
        raise Interrupted("SIGTERM while learning")

    with monkeypatch.context() as patch:
        patch.setattr(Stop, "check", stopped)
        with pytest.raises(Interrupted):
            striate.train(str(few / "few digits"), net="gmdh", out=tmp_path, name="cut")
    ended = striate.train(name="cut", out=tmp_path, resume=True)
    before = run_folder.read_json(few / "gmdh" / "result.json")
    assert before is not None
    assert ended["weights_sha256"] == before["weights_sha256"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"train": {"epochs": 3}}, "train.epochs does not apply to gmdh, which learns without gradients; remove it."),
        ({"augment": {"rotate": 5}}, "augment.rotate does not apply to gmdh"),
        ({"net": {"init": "he"}}, "net.init does not apply to gmdh"),
        ({"preprocess": {"scale": "std"}}, None),
        ({"preprocess": {"scale": "zca"}}, "preprocess.scale has to be pca for gmdh; remove it."),
    ],
)
def test_settings_of_gradients_are_refused(settings: dict[str, Any], said: str | None, tmp_path: Path):
    if said is None:
        said = "preprocess.scale has to be pca for gmdh; remove it."
    with pytest.raises(SettingError, match=said):
        striate.train("digits", net="gmdh", out=tmp_path, settings=settings)


def test_inputs_that_cannot_work_are_refused():
    with pytest.raises(ShapeError, match=r"gmdh expects two or more numbers without places, \(D, 1, 1\); got \(1, 28, 28\)"):
        build("gmdh", (1, 28, 28), 10)
    with pytest.raises(ShapeError, match="gray square images of 19 px or more; got C=3, H=28, W=28"):
        build("neocognitron", (3, 28, 28), 10)
    with pytest.raises(ShapeError, match="got C=1, H=18, W=18"):
        build("neocognitron", (1, 18, 18), 10)
    for name, chw in (("gmdh", (4, 1, 1)), ("neocognitron", (1, 19, 19))):
        with pytest.raises(UnsupportedError):
            build(name, chw, 10).replace_head(3)
    with pytest.raises(SettingError, match="cells is a demonstrator, which no images train; `striate history cells` runs it"):
        catalogue.gradient_free("cells")


def test_the_catalogue_says_how_each_learns(capsys: pytest.CaptureFixture[str]):
    told = json.loads(run(capsys, "nets", "--json").out.splitlines()[-1])
    assert {row["name"]: row["kind"] for row in told["historical"]} == {
        "mcculloch_pitts": "demonstrator", "optimal_control": "demonstrator", "cells": "demonstrator", "gmdh": "classifier",
        "neocognitron": "classifier", "rumelhart": "demonstrator",
    }  # fmt: skip
    assert "winner takes all" in run(capsys, "nets").out
