"""Folds of a fine-tuning: every image is tested once by a classifier that has not seen it, and the last one learns from all."""

from pathlib import Path

import numpy as np
import pytest

import striate
from striate.base import run_folder
from striate.base.config import Data
from striate.base.errors import Interrupted
from striate.data import folders, split
from striate.training.transfer import feature_cache
from support.finetuned import START
from support.shape_images import CLASSES, make_folder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "shapes", 12)


def test_every_image_is_tested_once_and_its_features_are_computed_once(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    computed, compute = [], feature_cache.compute

    def counted(*arguments, **options):
        values = compute(*arguments, **options)
        computed.append(len(values[0]))
        return values

    monkeypatch.setattr(feature_cache, "compute", counted)
    result = striate.finetune(shapes, weights=START, folds=3, out=tmp_path, name="run", report=False)
    count = 12 * len(CLASSES)
    assert computed == [count]
    assert [fold["n"] for fold in result["folds"]] == [count // 3] * 3
    correct = sum(round(fold["accuracy"] * fold["n"]) for fold in result["folds"])
    assert (result["test"]["n"], round(result["test"]["accuracy"] * count)) == (count, correct)
    assert result["images"]["test"] == 0
    assert result["images"]["train"] + result["images"]["val"] == count
    ids_N, labels_N, _ = run_folder.load_predictions(tmp_path / "run" / "predictions-test.npz")
    examples = folders.read(shapes)
    order = np.argsort(examples.ids_N)
    assert ids_N.tolist() == examples.ids_N[order].tolist()
    assert labels_N.tolist() == examples.labels_N[order].tolist()
    assert not [*(tmp_path / "run" / "folds").glob("*/*/model")]


def test_a_fold_is_the_fine_tuning_of_that_split(shapes: Path, tmp_path: Path):
    striate.finetune(shapes, weights=START, folds=2, out=tmp_path, name="run", report=False)
    alone = {"data": {"folds": 2, "fold": 1}}
    striate.finetune(shapes, weights=START, settings=alone, out=tmp_path, name="alone", report=False)
    fold = run_folder.load_predictions(tmp_path / "run" / "folds" / "fold-1" / "extract" / "predictions-test.npz")
    single = run_folder.load_predictions(tmp_path / "alone" / "predictions-test.npz")
    for part_of_run, part_of_single in zip(fold, single, strict=True):
        assert part_of_run.tolist() == part_of_single.tolist()
    examples = folders.read(shapes)
    parts = split.check(examples, Data(path=str(shapes), folds=2, fold=1))
    assert sorted(fold[0].tolist()) == sorted(examples.ids_N[parts.test_M].tolist())


def test_folds_of_train_start_from_the_weights_named(shapes: Path, tmp_path: Path):
    result = striate.train(shapes, weights=START, folds=2, out=tmp_path, name="run", report=False)
    assert result["weights"] == START
    assert [fold["n"] for fold in result["folds"]] == [6 * len(CLASSES)] * 2


def test_a_fold_that_is_done_is_not_repeated(shapes: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    def stop(event):
        if event["event"] == "fit" and (tmp_path / "run" / "folds" / "fold-0" / "extract" / "strategy.json").exists():
            raise Interrupted("as a signal does")

    with pytest.raises(Interrupted):
        striate.finetune(shapes, weights=START, folds=2, out=tmp_path, name="run", report=False, watch=stop)
    with caplog.at_level("INFO", "striate"):
        resumed = striate.finetune(name="run", out=tmp_path, resume=True, report=False)
    assert sum("extract: " in message for message in caplog.messages) == 2  # of the second fold, and of all images
    whole = striate.finetune(shapes, weights=START, folds=2, out=tmp_path, name="whole", report=False)
    assert resumed["weights_sha256"] == whole["weights_sha256"]
    assert resumed["folds"] == whole["folds"]
