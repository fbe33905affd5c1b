"""The unknown-input flag: from the training to predictions, and what has none."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest

import striate
from striate.base import files
from striate.base.errors import ArtifactError
from support.finetuned import finetune
from support.shape_images import make_folder

NOISE = np.random.default_rng(0).integers(0, 256, (20, 24, 24, 3), np.uint8)
SMALL = {"net": {"name": "conv 3x3x8, relu, pool 2, conv 3x3x8, relu, pool 2, fc"}, "augment": {"flip": False}}


def train(data: Path, out: Path, name: str, **settings: object) -> Path:
    striate.train(data, epochs=2, name=name, out=out, weights="none", report=False, settings={**SMALL, **settings})
    return out / name


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "shapes", 70)  # 210 images, of which 21 validate and 42 test


@pytest.fixture(scope="module")
def trained(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(shapes, tmp_path_factory.mktemp("runs"), "flagged")


def test_images_of_another_kind_are_flagged_and_those_of_the_training_seldom(trained: Path, shapes: Path):
    model = striate.load(trained)
    assert [prediction.unknown for prediction in model.predict(list(NOISE))] == [True] * 20
    rows = striate.predict(trained, str(shapes))
    flags = [row.prediction.unknown for row in rows]
    assert np.mean(flags) < 0.15
    assert rows[0].as_json()["unknown"] is flags[0]
    assert model.predict(NOISE[0], crops=5).unknown is None  # the threshold is of whole images


def test_an_embedding_costs_no_other_flag(trained: Path, tmp_path: Path):
    plain = striate.predict(trained, list(NOISE))
    embedded = striate.predict(trained, list(NOISE), embed=tmp_path / "e.npy")
    assert [row.prediction for row in embedded] == [row.prediction for row in plain]


def test_the_artifact_says_what_was_flagged_of_the_test_images(trained: Path):
    told = json.loads((trained / "model" / "model.json").read_text())["unknown_inputs"]
    assert told["rate"] == 0.05
    assert told["tested"]["n"] == 42
    again = striate.load(trained).unknown_inputs
    assert again is not None
    assert again.as_json() == told
    assert striate.evaluate(trained)["unknown"] == {**told["tested"], "rate": 0.05}


def test_evaluate_counts_what_is_flagged_of_other_images(trained: Path, shapes: Path, tmp_path: Path):
    result = striate.evaluate(trained, shapes)
    flags = [row.prediction.unknown for row in striate.predict(trained, str(shapes))]
    assert result["unknown"] == {"flagged": sum(flags), "n": 210, "rate": 0.05}
    assert striate.evaluate(trained, shapes, crops=5)["unknown"] is None


def test_the_weights_do_not_depend_on_the_flag(trained: Path, shapes: Path, tmp_path: Path):
    bare = train(shapes, tmp_path, "bare", unknown_rate=0)
    assert files.sha256(bare / "model/weights.safetensors") == files.sha256(trained / "model/weights.safetensors")
    assert not (bare / "model/unknown_inputs.safetensors").exists()
    assert striate.load(bare).predict(NOISE[0]).unknown is None
    assert striate.evaluate(bare)["unknown"] is None


def test_too_few_validation_images_are_said(shapes: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "striate"):
        run = train(shapes, tmp_path, "rare", unknown_rate=0.01)
    assert "Unknown images are not flagged: that needs 99 validation images at a rate of 0.01; there are 21." in caplog.messages
    assert striate.load(run).unknown_inputs is None


def test_a_changed_bit_is_refused_by_the_name_of_the_file(trained: Path, tmp_path: Path):
    copied = tmp_path / "model"
    striate.load(trained).save(copied)
    content = bytearray((copied / "unknown_inputs.safetensors").read_bytes())
    content[-1] ^= 1
    (copied / "unknown_inputs.safetensors").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"unknown_inputs\.safetensors"):
        striate.load(copied)


@pytest.mark.parametrize("strategy", ["extract", pytest.param("adapt", marks=pytest.mark.soak)])
def test_a_classifier_of_frozen_features_flags_by_these(strategy: str, shapes: Path, tmp_path: Path):
    finetune(shapes, tmp_path, strategy)
    model = striate.load(tmp_path / "run")
    assert model.unknown_inputs is not None
    assert model.unknown_inputs.tested is not None
    assert model.unknown_inputs.tested.n == 42
    pixels_NHWC = model.pixels(str(shapes))
    flags_N = model.unknown_inputs.flags(model.embed(list(pixels_NHWC)))
    assert [prediction.unknown for prediction in model.predict(list(pixels_NHWC))] == flags_N.tolist()
    assert all(prediction.unknown for prediction in model.predict(list(NOISE)))
