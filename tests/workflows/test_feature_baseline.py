"""Logistic regression on the features of a body before its training, beside the network."""

from pathlib import Path

import numpy as np
import pytest

import striate
from striate.cli.evaluate import _parts
from striate.model import Model
from striate.workflows import feature_baseline
from support.shape_images import make_folder

NET = "conv 5x5x6, relu, pool 2, conv 3x3x8, relu, pool 2, fc 3"
SMALL = {"train": {"epochs": 2}, "preprocess": {"size_px": 16}}


def test_scores_pair_the_baseline_with_the_network_by_hand():
    network, baseline = np.array([1, 1, 1, 1, 1, 0], bool), np.array([1, 0, 0, 0, 0, 1], bool)
    scores = feature_baseline.scores(network, baseline)
    # 4 images are the network's alone and 1 is the baseline's: two-sided p = 2 (1 + 5) / 2^5
    assert {name: scores[name] for name in ("only_network", "only_baseline", "p_value", "n")} == {
        "only_network": 4, "only_baseline": 1, "p_value": 0.375, "n": 6,
    }  # fmt: skip
    assert (scores["accuracy"], scores["network"]) == (pytest.approx(1 / 3), pytest.approx(5 / 6))
    low, high = feature_baseline.wilson(2, 6)[1:3]
    assert (scores["low"], scores["high"]) == (low, high)


def test_the_sentence_says_whether_training_the_body_was_worth_it():
    measured = {
        "body": "mnist_cnn with its random initial weights", "accuracy": 0.8, "low": 0.72, "high": 0.865, "n": 125,
        "network": 0.96, "only_network": 21, "only_baseline": 1, "p_value": 1.1e-5, "trained_on": 500,
    }  # fmt: skip
    sentence = (
        "logistic regression on the features of mnist_cnn with its random initial weights: 80.00 % (95 % interval 72.00 % to "
        "86.50 %, 125 test images, 500 training images); the network has 96.00 % of the same images right, 21 that it alone "
        "has right against 1 (p < 0.0001)"
    )
    assert feature_baseline.describe(measured) == sentence
    no_better = feature_baseline.describe({**measured, "p_value": 0.375})
    assert no_better == sentence.replace("p < 0.0001)", "p = 0.38): no clear gain from training the body")
    worse = feature_baseline.describe({**measured, "only_network": 1, "only_baseline": 21})
    assert worse.endswith("(p < 0.0001): no clear gain from training the body")


@pytest.mark.features
def test_evaluate_measures_it_once_and_keeps_it_in_the_run(tmp_path: Path):
    photos = make_folder(tmp_path / "photos", 10)
    striate.train(photos.as_posix(), net=NET, out=tmp_path, name="a", report=False, settings=SMALL)
    first = striate.evaluate(tmp_path / "a")
    measured = first["feature_baseline"]
    assert measured["body"] == f"{NET} with its random initial weights"
    assert (measured["n"], measured["network"]) == (first["n"], first["accuracy"])
    assert measured["sentence"] in list(_parts(first))
    assert (tmp_path / "a" / feature_baseline.FILE).is_file()
    photos.rename(tmp_path / "elsewhere")
    assert striate.evaluate(tmp_path / "a")["feature_baseline"] == measured
    assert striate.evaluate(tmp_path / "a", tmp_path / "elsewhere")["feature_baseline"] is None


@pytest.mark.features
def test_it_is_left_out_where_images_are_gone_or_there_is_no_convolution(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    photos = make_folder(tmp_path / "photos", 6)
    for name, net in (("a", "conv 5x5x6, relu, pool 4, fc 3"), ("b", "pool 4, fc 3")):
        striate.train(photos.as_posix(), net=net, epochs=1, out=tmp_path, name=name, report=False)
    assert striate.evaluate(tmp_path / "b")["feature_baseline"] is None
    photos.rename(tmp_path / "elsewhere")
    caplog.set_level("INFO", "striate")
    assert striate.evaluate(tmp_path / "a")["feature_baseline"] is None
    assert "Without a baseline on features, as the images or the initial weights cannot be read: " in caplog.text
    assert not (tmp_path / "a" / feature_baseline.FILE).exists()


@pytest.mark.soak
@pytest.mark.features
def test_a_retrained_network_stands_beside_its_pretrained_body(tmp_path: Path):
    photos = make_folder(tmp_path / "photos", 10)
    options = {"weights": "resnet20@cifar10", "report": False, "settings": {"finetune": {"retrain": {"epochs": 1}}}}
    striate.finetune(photos.as_posix(), strategies="retrain", out=tmp_path, name="r", **options)
    measured = striate.evaluate(tmp_path / "r")["feature_baseline"]
    assert measured["body"] == "resnet20@cifar10 as it was before"
    model = Model.load(tmp_path / "r" / "model")
    assert model.training["strategy"] == "retrain"
