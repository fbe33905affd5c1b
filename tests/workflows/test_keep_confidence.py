"""Threshold and sets by the test images of a run: chosen, kept in its model, and what `predict` and the report make of them."""

import json
import logging
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import striate
from striate.base import config, files, run_record
from striate.base.errors import ArtifactError, DataError, SettingError
from striate.data import sources
from striate.metrics.confidence import Confidence
from striate.plots import save_figure
from striate.workflows import keep_confidence
from striate.workflows.evaluate import LabeledLogits, answers_of
from striate.workflows.report import plots, run_facts
from striate.workflows.selective import Promise
from support.models import tiny_model

PROMISE = {"max_error": 0.1, "coverage": 0.95}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the digits, trained once: each test has a copy."""
    folder = tmp_path_factory.mktemp("runs")
    striate.train("digits", net="mlp", epochs=3, out=folder, name="r", report=False)
    return folder / "r"


@pytest.fixture
def trained(digits: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(digits, tmp_path / "r"))


def test_threshold_and_sets_are_chosen_without_a_trace_and_saved_where_that_is_asked(trained: Path):
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file() and path.name != ".lock"}
    result = striate.evaluate(trained, **PROMISE)
    assert result["saved"] is None
    assert result["abstention"]["chosen_here"]
    assert 0 < result["abstention"]["threshold"] < 1
    assert result["abstention"]["n"] == result["n"] == 359
    assert {path: path.read_bytes() for path in before} == before
    assert striate.evaluate(trained)["abstention"] is None
    saved = striate.evaluate(trained, **PROMISE, save=True)
    assert saved["saved"] == str(trained / "model")
    changed = {path.name for path, content in before.items() if path.read_bytes() != content}
    assert changed == {"model.json", "README.md", files.MANIFEST, run_record.RECORD}
    kept = striate.load(trained).confidence
    assert (kept.threshold, kept.max_error, kept.level) == (saved["abstention"]["threshold"], 0.1, 0.95)
    assert (kept.coverage, kept.set_threshold) == (0.95, saved["sets"]["threshold"])
    again = striate.evaluate(trained)
    assert {name: again[name] for name in ("abstention", "sets", "accuracy")} == {
        name: saved[name] for name in ("abstention", "sets", "accuracy")
    }


def test_predictions_answer_by_what_was_saved(trained: Path):
    striate.evaluate(trained, **PROMISE, save=True)
    model = striate.load(trained)
    pixels_NHWC = sources.read(config.Data(path="digits")).pixels_NHWC
    assert pixels_NHWC is not None
    for prediction in model.predict(pixels_NHWC[:100]):
        assert prediction.abstained == (prediction.probability < model.confidence.threshold)
        assert prediction.set is not None
        assert prediction.set[0] == prediction.label


def test_the_report_says_what_the_threshold_does(trained: Path, monkeypatch: pytest.MonkeyPatch):
    for module in (plots, save_figure):
        monkeypatch.setattr(module, "inline", lambda *_drawn: "")  # which takes seconds
    saved = striate.evaluate(trained, **PROMISE, save=True)
    facts = run_facts.read(trained).facts
    assert (facts.abstention, facts.sets) == (saved["abstention"], saved["sets"])
    assert facts.risk_coverage is not None
    assert facts.risk_coverage["area"] == saved["risk_coverage"]["area"]


def test_a_later_choice_replaces_the_one_before(trained: Path):
    striate.evaluate(trained, **PROMISE, save=True)
    striate.evaluate(trained, coverage=0.9, save=True)
    kept = striate.load(trained).confidence
    assert (kept.threshold, kept.max_error, kept.coverage) == (None, None, 0.9)


def test_images_that_the_run_learned_from_choose_nothing(trained: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, "striate"):
        result = striate.evaluate(trained, "digits", **PROMISE)
    assert "choose no threshold and no sets, since the run was trained on them or chosen by them." in caplog.text
    assert result["abstention"]["n"] == 359  # the test images among all 1,797
    alone = striate.evaluate(trained, **PROMISE)
    assert result["abstention"]["threshold"] == pytest.approx(alone["abstention"]["threshold"])
    assert result["sets"]["threshold"] == pytest.approx(alone["sets"]["threshold"])
    assert striate.evaluate(trained, "digits", **PROMISE, save=True)["saved"]
    for data in (None, "digits"):  # the same 359 images, which chose
        again = striate.evaluate(trained, data)
        assert again["abstention"] == {**result["abstention"], "threshold": again["abstention"]["threshold"]}
        assert again["sets"]["chosen_here"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"max_error": 0.001},
            DataError,
            r"^max_error=0.001 needs at least 2,995 images .*; the test set of \S+ has 359\.",
        ),
        ({"coverage": 0.999}, DataError, r"^coverage=0.999 needs at least 999 images; the test set of \S+ has 359\."),
        (
            {"save": True},
            SettingError,
            r"^save=true keeps a threshold or sets; give max_error or coverage, or",
        ),
        (
            {"data": "digits", "crops": 5, "coverage": 0.9},
            SettingError,
            r"^max_error and coverage are of one crop, .* crops=5",
        ),
    ],
)
def test_what_cannot_be_promised_is_refused(trained: Path, options: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        striate.evaluate(trained, **options)


def test_too_few_new_images_and_images_of_folds_choose_nothing():
    model, logits_NK = tiny_model(), np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    tested = LabeledLogits("new", np.array([0, 1, 2, 0]), logits_NK, (), np.arange(4, dtype=np.uint64))
    unseen_N = np.array([True, True, False, False])
    with pytest.raises(DataError, match=r"needs at least 4 images; new without images of the run's training has 2\."):
        answers_of("r", model, tested, unseen_N, Promise(coverage=0.8))
    assert answers_of("r", model, tested, None, Promise(coverage=0.8)).confidence.coverage == 0.8
    with pytest.raises(DataError, match=r"^r was tested over folds, .*: `striate evaluate r DATA`\."):
        answers_of("r", model, tested._replace(by_folds=True), None, Promise(coverage=0.8))


def test_external_weights_have_no_place_for_a_threshold():
    with pytest.raises(SettingError, match=r"^resnet20@cifar10 has no folder to save a threshold in\."):
        striate.evaluate("resnet20@cifar10", "digits", max_error=0.1, save=True)


def test_a_folder_of_a_model_alone_is_rewritten_whole(tmp_path: Path):
    model, confidence = tiny_model(), Confidence(1.5, threshold=0.7, max_error=0.1, level=0.9, images="x")
    model.save(tmp_path / "m", "card")
    weights = (tmp_path / "m" / "weights.safetensors").read_bytes()
    assert keep_confidence.keep(tmp_path / "m", confidence) == tmp_path / "m"
    assert striate.load(tmp_path / "m").confidence == confidence
    assert (tmp_path / "m" / "weights.safetensors").read_bytes() == weights
    assert (tmp_path / "m" / "README.md").read_text() == "card"
    described = json.loads((tmp_path / "m" / "model.json").read_text())
    assert described["confidence"] == asdict(confidence)
    replace(model, confidence=confidence).save(tmp_path / "same", "card")
    assert files.manifest(tmp_path / "same") == files.manifest(tmp_path / "m")


def test_a_crash_before_and_after_the_model_is_replaced_leaves_a_run_that_is_whole(
    trained: Path, monkeypatch: pytest.MonkeyPatch
):
    def crash(*_arguments: object) -> None:
        raise RuntimeError("crash")

    for module, name in ((files, "write_folder"), (run_record, "add_model")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, crash)
            with pytest.raises(RuntimeError, match="crash"):
                keep_confidence.keep(trained, Confidence(1.25))
        temperature = striate.load(trained).confidence.temperature
        assert (temperature == 1.25) == (module is run_record)


def test_a_damaged_model_is_not_rewritten(trained: Path):
    (trained / "model" / "README.md").write_text("other")
    with pytest.raises(ArtifactError, match=r"README\.md has changed since it was written"):
        keep_confidence.keep(trained, Confidence())


def test_the_card_says_what_is_promised(tmp_path: Path):
    tiny_model().save(tmp_path / "m", "# m\n\n## Results\n\nGood.\n\n## Limitations\n\n- Some.\n\n## How to use\n\nSo.\n")
    keep_confidence.keep(
        tmp_path / "m", Confidence(threshold=0.75, max_error=0.02, level=0.9, coverage=0.95, set_threshold=0.1)
    )
    card = (tmp_path / "m" / "README.md").read_text()
    before, _, after = card.partition(
        "## Answers\n\n- Below a probability of 0.7500 it abstains. With 90 % confidence at most 2 %"
    )
    assert before.endswith("Good.\n\n")
    assert "\n- Its sets of classes have the true class for 95 % of new images like these: " in after
    assert "\n\n## Limitations\n\n- Some.\n\n## How to use\n" in after
    keep_confidence.keep(tmp_path / "m", Confidence(coverage=0.9, set_threshold=0.2))
    card = (tmp_path / "m" / "README.md").read_text()
    assert card.count("## Answers") == 1
    assert "abstains" not in card
    assert "for 90 % of new images" in card
