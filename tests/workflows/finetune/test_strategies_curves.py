"""Strategies on fewer images and in little time: learning curves, and bounds by minutes."""

from pathlib import Path
from typing import Any

import pytest

import striate
from striate.base import run_folder
from striate.base.errors import RunError, SettingError
from striate.workflows.finetune import strategies
from support.finetuned import finetune
from support.shape_images import make_folder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "shapes", 15)


def test_learning_curves_have_nested_images_and_a_image(shapes: Path, tmp_path: Path):
    found = finetune(shapes, tmp_path, "extract", "adapt", per_class=[2, 5])
    assert [(point["per_class"], point["images"]) for point in found["curve"]] == [(2, 6), (5, 15)]
    for point in found["curve"]:
        assert [row["name"] for row in point["strategies"]] == ["extract", "adapt"]
        assert all(row["test"]["n"] == 9 for row in point["strategies"])
    assert found["drawn"] == str(tmp_path / "run" / "learning-curve.svg")
    assert ">training images<" in Path(found["drawn"]).read_text()
    assert not list((tmp_path / "run" / "per-class").glob("*/*/model"))
    assert all(left.name != "per-class" for left in tmp_path.iterdir())


def test_ended_at_its_last_step_it_is_gone_on_from(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def ended(*_: Any) -> None:
        raise InterruptedError

    monkeypatch.setattr("striate.workflows.finetune.run._share", ended)
    with pytest.raises(InterruptedError):
        finetune(shapes, tmp_path, "extract", per_class=[2])
    with pytest.raises(RunError, match=r"has no model yet; resume it: striate finetune --name run --resume\."):
        striate.load(tmp_path / "run")
    monkeypatch.undo()
    found = striate.finetune(out=tmp_path, name="run", resume=True)
    assert [point["per_class"] for point in found["curve"]] == [2]
    assert striate.evaluate(str(tmp_path / "run"))["accuracy"] == found["test"]["accuracy"]


def test_more_images_of_a_class_than_there_are_is_refused(shapes: Path, tmp_path: Path):
    with pytest.raises(SettingError) as refused:
        finetune(shapes, tmp_path, "extract", per_class=[5, 50])
    assert str(refused.value).startswith("finetune.per_class: 50 images of each class are more than class ")
    assert str(refused.value).endswith(" has training images: 10. Leave it out, or add images.")


def test_fewer_images_are_among_more(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []
    attempt = strategies.attempt

    def noted(case: strategies.TransferTask, *more: Any) -> Any:
        seen.append(set(case.dataset.parts.train_M.tolist()))
        return attempt(case, *more)

    monkeypatch.setattr("striate.workflows.finetune.run.attempt", noted)
    finetune(shapes, tmp_path, "extract", per_class=[2, 5])
    whole, few, more = seen
    assert few < more < whole


def test_minutes_bound_each_training(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("striate.training.timing.seconds_a_step", lambda *_, **__: 0.05)  # on whatever machine
    found = finetune(shapes, tmp_path, "adapt", "retrain", minutes=0.02, own={"retrain": {"epochs": 50, "batch_size": 16}})
    by_name = {row["name"]: row for row in found["strategies"]}
    assert by_name["retrain"]["steps"] < 50 * 2
    stored = run_folder.settings(tmp_path / "run" / "strategies" / "retrain").train
    assert stored.steps == by_name["retrain"]["steps"]
    assert stored.epochs is None
