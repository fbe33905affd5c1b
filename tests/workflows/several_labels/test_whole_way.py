"""From a table with several labels an image to a model, its evaluation, predictions and report; resumed and fine-tuned."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import striate
from striate.base.config import data_section
from striate.base.errors import DataError
from striate.data import sources
from striate.metrics import multi_label
from striate.model import Model
from striate.workflows import run_table
from striate.workflows.inspect import one_image
from striate.workflows.one_label import is_of_several
from support import label_set_images
from support.command_line import run, train_in
from support.undrawn import undrawn

NET = "conv 5x5x8, relu, pool 2, conv 3x3x12, relu, pool 2, fc"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("several")
    label_set_images.write(root / "images", 120)
    train_in(root, ["images/labels.csv", "--multi-label", "--net", NET, "--epochs", 8, "--name", "first", "--no-report"])
    shutil.copytree(root / "runs/first", root / "runs/second")
    return root


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def test_a_training_learns_the_labels_and_writes_what_it_is(here: Path):
    result = json.loads((here / "runs/first/result.json").read_text())
    test, beside = result["test"], result["class_scores"]
    assert test["map"] > 2 * beside["chance"] > 0.5
    assert test["low"] <= test["map"] <= test["high"]
    assert set(beside["thresholds"]) == set(label_set_images.LABELS)
    described = json.loads((here / "runs/first/model/model.json").read_text())
    assert described["label_thresholds"] == list(beside["thresholds"].values())
    assert json.loads((here / "runs/first/data.json").read_text())["multi_label"]["images"] == 120
    assert "gives an image any of 4 labels" in (here / "runs/first/model/README.md").read_text()
    assert is_of_several("first")
    assert is_of_several(here / "runs/first/model")
    assert not is_of_several("resnet20@cifar10")


def test_evaluate_scores_the_test_images_and_other_images_alike(here: Path, capsys: pytest.CaptureFixture[str]):
    result = json.loads((here / "runs/first/result.json").read_text())
    own = run(capsys, "evaluate", "first", "--json").json
    assert own["map"] == pytest.approx(result["test"]["map"])
    assert own["trained_on"] == {"train": 0, "val": 0, "near": 0, "unseen": None}
    label_set_images.write(here / "others", 60, how="columns", seed=1)
    printed = run(capsys, "evaluate", "first", "others/labels.csv")
    assert printed.code == 0
    lines = printed.out.splitlines()
    assert "average precision" in lines[1]
    assert any(line.startswith("mAP ") and "95 % interval" in line and "60 images)" in line for line in lines)
    again = run(capsys, "evaluate", "first", "images/labels.csv", "--json")
    overlap = again.json["trained_on"]
    assert {part: overlap[part] for part in ("train", "val")} == {part: result["images"][part] for part in ("train", "val")}
    assert overlap["unseen"]["n"] == 120 - overlap["train"] - overlap["val"] - (overlap["near"] or 0)
    assert "image" in again.err
    assert "of 120 are ones that the run was trained on, or nearly equal to one, so these scores say little of new" in again.err


def test_predictions_are_labels_above_their_thresholds(here: Path, capsys: pytest.CaptureFixture[str]):
    model = striate.load("first")
    image = here / "images" / "0000.png"
    prediction = model.predict(image)
    with pytest.raises(
        AttributeError, match=r"expected \.labels of a model of several labels an image, which may be any number"
    ):
        _ = prediction.label
    assert model.label_thresholds is not None
    limits = dict(zip(model.classes, model.label_thresholds, strict=True))
    assert set(prediction.labels) == {name for name, share in prediction.probabilities.items() if share >= limits[name]}
    assert [*prediction.probabilities] == list(label_set_images.LABELS)
    row = json.loads(run(capsys, "predict", "first", image, "--json").out)
    assert row["labels"] == list(prediction.labels)
    assert row["probabilities"] == {name: round(share, 6) for name, share in prediction.probabilities.items()}
    (here / "bad.png").write_bytes(b"no image")
    assert run(capsys, "predict", "first", image, "bad.png", "--out", "rows.csv").code == 0
    header, first, bad = (here / "rows.csv").read_text().splitlines()
    assert header == "path,labels,error," + ",".join(f"probability_{name}" for name in label_set_images.LABELS)
    assert first.split(",")[1] == "|".join(prediction.labels)
    assert bad.startswith("bad.png,,")
    assert bad.endswith(",,,,")
    table = run(capsys, "predict", "first", image).out
    assert (", ".join(prediction.labels) or "(none)") in table


def test_the_rows_of_a_parquet_file_have_numbers(here: Path, capsys: pytest.CaptureFixture[str]):
    parquet = pytest.importorskip("pyarrow.parquet")
    run(capsys, "predict", "first", "images/0000.png", "--out", "rows.parquet", "--embed", "features.parquet")
    table = parquet.read_table(here / "rows.parquet")
    assert str(table.schema.field("probability_bar").type) == "double"
    assert parquet.read_table(here / "features.parquet").column_names == ["path", "labels", "embedding", "error"]


def test_each_predicted_label_of_an_image_is_explained(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    undrawn(monkeypatch)
    model, options = striate.load("first"), {"methods": ["gradcam"], "layers": ["relu1"]}
    paths = sorted((here / "images").glob("*.png"))
    path = next(path for path, prediction in zip(paths, model.predict(paths), strict=True) if len(prediction.labels) == 2)
    prediction = model.predict(path)
    result = striate.inspect_image("first", path, out=tmp_path / "two", **options)
    (one,) = result["images"]
    assert one["labels"] == [each["target"] for each in one["targets"]] == list(prediction.labels)
    assert one["probabilities"] == pytest.approx(dict(prediction.probabilities))
    names = [f"why-{number + 1}-{name}.png" for number, name in enumerate(prediction.labels)]
    assert [Path(file).name for file in result["files"]] == ["01-relu1.png", *names, "near.png"]
    gradcam = one["targets"][1]["methods"][0]
    # its first step shows the whole image: the sigmoid of that label's logit, whatever those of the others are
    assert gradcam["deletion_curve"][0] == pytest.approx(prediction.probabilities[prediction.labels[1]], abs=1e-4)
    assert {near["class"] for near in one["neighbors"]} <= {model_labels(here, near["path"]) for near in one["neighbors"]}
    flags = ["--target", "ring", "--method", "gradcam", "--layer", "relu1", "--out", tmp_path / "ring"]
    ran = run(capsys, "inspect", "first", path, *flags)
    assert f"evidence for ring at {prediction.probabilities['ring']:.1%}" in ran.out
    assert (tmp_path / "ring" / "why-1-ring.png").is_file()


def test_where_no_label_is_predicted_the_most_probable_one_is_explained():
    nothing = multi_label.LabelSet((), {"a": 0.2, "b": 0.4})
    assert one_image._targets(nothing, None) == [("b", 0.4)]
    assert one_image._targets(nothing, "a") == [("a", 0.2)]
    everything = multi_label.LabelSet(tuple("fedcba"), dict.fromkeys("abcdef", 0.9))
    assert [name for name, _ in one_image._targets(everything, None)] == [*"fedcb"]


def model_labels(here: Path, name: str) -> str:
    """What the table says of a file."""
    rows = (line.split(",") for line in (here / "images/labels.csv").read_text().splitlines())
    return next(label for file, label in rows if file == Path(name).name)


@pytest.mark.report
@pytest.mark.verdicts
def test_the_report_has_the_scores_of_each_label(here: Path):
    written = striate.write_report("first")
    page, numbers = (Path(written[name]).read_text() for name in ("report", "numbers"))
    assert "mean average precision (mAP) on 24 test images" in page
    assert "Precision and recall" in page
    assert set(json.loads(numbers)["label_scores"]["per_label"]) == set(label_set_images.LABELS)


def test_runs_lists_the_map(here: Path):
    (row,) = [row for row in run_table.list_runs(sort="test") if row.name == "first"]
    assert row.test is not None
    assert row.macro_f1 == json.loads((here / "runs/first/result.json").read_text())["class_scores"]["macro_f1"]


def test_a_resumed_training_ends_with_the_same_weights(here: Path, capsys: pytest.CaptureFixture[str]):
    own = ["images/labels.csv", "--multi-label", "--net", NET, "--no-report", "--json", "--set", "train.loss=asymmetric"]

    def stopped(after: int) -> Any:
        def watch(event: dict[str, Any]) -> None:
            if event["event"] == "epoch" and event["epoch"] == after:
                raise KeyboardInterrupt

        return watch

    whole = run(capsys, "train", *own, "--epochs", 3, "--name", "whole").json
    settings = {"data": {"multi_label": True}, "train": {"loss": "asymmetric"}}
    with pytest.raises(KeyboardInterrupt):
        striate.train(
            "images/labels.csv", net=NET, epochs=3, name="part", report=False, settings=settings, watch=stopped(2)
        )  # fmt: skip
    resumed = run(capsys, "train", "--resume", "--name", "part", "--no-report", "--json").json
    assert resumed["weights_sha256"] == whole["weights_sha256"]
    assert resumed["test"] == whole["test"]


def test_folds_test_each_image_once(here: Path, capsys: pytest.CaptureFixture[str]):
    flags = ["--multi-label", "--net", "conv 5x5x4, relu, pool 4, fc", "--epochs", 2, "--folds", 2, "--name", "folded"]
    result = run(capsys, "train", "images/labels.csv", *flags, "--no-report", "--json").json
    assert result["test"]["n"] == 120
    assert [fold["n"] for fold in result["folds"]] == [60, 60]
    assert {"map", "low", "high"} <= set(result["folds"][0])
    assert set(result["class_scores"]["thresholds"]) == set(label_set_images.LABELS)
    own = run(capsys, "evaluate", "folded", "--json").json
    assert (own["map"], own["n"]) == (pytest.approx(result["test"]["map"]), 120)
    again = run(capsys, "train", "--resume", "--name", "folded", "--no-report", "--json").json
    assert again["test"] == result["test"]


def test_a_model_of_one_label_says_what_it_always_said(here: Path, capsys: pytest.CaptureFixture[str]):
    refused = run(capsys, "evaluate", "resnet20@cifar10", "images/labels.csv", "--set", "data.multi_label=true")
    assert refused.code == 2
    assert (
        "data.multi_label does not apply to evaluate with a model of one label an image, which takes one label for each image; "
        "leave it out."
    ) in refused.err


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["evaluate", "first", "--max-error", "0.1"], "--max-error 0.1 does not apply to first, a model of several"),
        (["predict", "first", "images/0000.png", "--crops", "5"], "--crops 5 does not apply to first, a model of several"),
        (["predict", "first", "images/0000.png", "--threshold", "0.5"], "--threshold 0.5 does not apply to first, a model of"),
        (["labels", "images/labels.csv", "--set", "data.multi_label=true"], "does not apply to the search for label errors"),
        (["tune", "images/labels.csv", "--set", "data.multi_label=true", "--minutes", "1"], "does not apply to a search"),
        (["data", "images/labels.csv", "--multi-label", "--preview", "augment"], "does not apply to a preview, which takes"),
        (["data", "--cache", "--multi-label"], "--multi-label does not apply with --cache"),
        (["train", "images/labels.csv", "--multi-label", "--net", "neocognitron"], "neocognitron learns one label"),
    ],
)  # fmt: skip
def test_what_takes_one_label_is_refused(here: Path, capsys: pytest.CaptureFixture[str], command: list[str], sentence: str):
    ran = run(capsys, *command)
    assert ran.code == 2
    assert sentence in ran.err


def test_a_new_last_layer_is_trained_on_pretrained_features(here: Path, capsys: pytest.CaptureFixture[str]):
    flags = ["--multi-label", "--from", "resnet20@cifar10", "--strategy", "adapt", "--name", "tuned"]
    flags += ["--set", "finetune.adapt.epochs=20"]
    result = run(capsys, "finetune", "images/labels.csv", *flags, "--no-report", "--json").json
    assert result["recommended"] == "adapt"
    assert result["sentence"].startswith("Only adapt was trained: validation mAP ")
    assert result["test"]["map"] > result["class_scores"]["chance"] + 0.2
    model = Model.load(here / "runs/tuned/model")
    examples = sources.read(data_section("images/labels.csv", {"multi_label": True}))
    saved = np.load(here / "runs/tuned/predictions-test.npz")
    place = int(np.flatnonzero(examples.ids_N == saved["ids"][0])[0])
    prediction = model.predict(here / "images" / examples.names[place])
    assert [*prediction.probabilities.values()] == pytest.approx(multi_label.sigmoid(saved["logits"][:1])[0].tolist(), abs=1e-4)


def test_features_and_a_classifier_of_each_label_are_the_default(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    undrawn(monkeypatch)
    flags = ["--multi-label", "--from", "resnet20@cifar10", "--name", "features", "--json"]
    result = run(capsys, "finetune", "images/labels.csv", *flags).json
    assert result["recommended"] == "extract"
    assert result["test"]["map"] > result["class_scores"]["chance"] + 0.2
    assert 0 < result["layers"][0]["cross_validated"] <= 1
    model = Model.load(here / "runs/features/model")
    assert model.label_thresholds is not None
    examples = sources.read(data_section("images/labels.csv", {"multi_label": True}))
    saved = np.load(here / "runs/features/predictions-test.npz")
    place = int(np.flatnonzero(examples.ids_N == saved["ids"][0])[0])
    prediction = model.predict(here / "images" / examples.names[place])
    assert [*prediction.probabilities.values()] == pytest.approx(multi_label.sigmoid(saved["logits"][:1])[0].tolist(), abs=1e-4)
    assert run(capsys, "report", "features").code == 0
    assert "mAP" in (here / "runs/features/report.html").read_text()
    again = run(capsys, "finetune", "images/labels.csv", *flags, "--resume")
    assert again.json["test"] == result["test"]


def test_a_model_whose_thresholds_are_none_is_refused(here: Path, tmp_path: Path):
    described = json.loads((here / "runs/first/model/model.json").read_text())
    with pytest.raises(ValueError, match="expected 4 label_thresholds from 0 to 1"):
        multi_label.thresholds_of({**described, "label_thresholds": [0.5, 2.0, 0.5, 0.5]})
    shutil.copytree(here / "runs/first/model", tmp_path / "model")
    assert Model.load(tmp_path / "model").label_thresholds == tuple(described["label_thresholds"])


def test_lists_of_labels_in_python_are_those_of_a_table(here: Path, capsys: pytest.CaptureFixture[str]):
    rows = [line.split(",") for line in (here / "images/labels.csv").read_text().splitlines()[1:]]
    paths, sets = [here / "images" / name for name, _ in rows], [label.split("|") if label else [] for _, label in rows]
    settings = {"multi_label": True}
    expected = striate.survey(here / "images/labels.csv", settings=settings)
    arrays = [np.asarray(Image.open(path)) for path in paths]
    for images, labels in ((paths, sets), (arrays, [set(each) for each in sets]), (arrays, [np.array(each) for each in sets])):
        survey = striate.survey(images, labels=labels, settings=settings)
        assert (survey.used, survey.classes) == (expected.used, expected.classes)
    scored = striate.evaluate("first", arrays, labels=sets)
    table = striate.evaluate("first", here / "images/labels.csv")
    assert (scored["map"], scored["n"]) == (table["map"], table["n"])
    with pytest.raises(DataError, match=r"One label per image is needed"):
        striate.survey(paths, labels=sets)
