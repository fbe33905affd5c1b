"""Fine-tuning from the settings to the artifact."""

import hashlib
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.base import run_folder
from striate.base.errors import DataError, Interrupted, RunError, SettingError, UnsupportedError, WeightsError
from striate.batches.preprocess import Preprocess
from striate.data.decode import InputSpec
from striate.model import Model
from striate.nets.factory import build
from striate.nets.feature_layer import FeatureHeadNet, UnitLinear
from striate.nets.knn_head import KNNHead
from striate.training.transfer import feature_classifier
from support.command_line import run
from support.few_digits import few_digits
from support.shape_images import CLASSES, draw, make_folder

START = "resnet20@cifar10"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "shapes", 20)


def test_interpolation_and_crop_share_are_those_of_the_weights(shapes: Path, tmp_path: Path):
    start = striate.load(START)
    spec = InputSpec(32, 3, "crop", share=0.75, interpolation="bicubic")
    replace(start, input_spec=spec, license="as lent").save(tmp_path / "start")
    striate.finetune(shapes, weights=tmp_path / "start", out=tmp_path, name="run")
    model = striate.load(tmp_path / "run")
    assert (model.input_spec, model.license) == (spec, "as lent")
    settings = run_folder.settings(tmp_path / "run").preprocess
    assert (settings.crop_share, settings.interpolation) == (0.75, "bicubic")
    pad = {"preprocess": {"resize_mode": "pad"}}
    striate.finetune(shapes, weights=tmp_path / "start", out=tmp_path, name="whole", settings=pad)
    assert striate.load(tmp_path / "whole").input_spec == InputSpec(32, 3, "pad", interpolation="bicubic")
    with pytest.raises(SettingError, match=r"preprocess\.interpolation belongs to the pretrained weights; remove it\."):
        striate.finetune(
            shapes, weights=tmp_path / "start", out=tmp_path, settings={"preprocess": {"interpolation": "bicubic"}}
        )


def finetune(data: Path, out: Path, **how: Any) -> dict[str, Any]:
    return striate.finetune(str(data), weights=START, out=out, name="run", **how)


def test_the_body_stays_and_the_head_is_the_classifier(shapes: Path, tmp_path: Path):
    result = finetune(shapes, tmp_path)
    assert result["test"]["accuracy"] > 0.8
    assert result["recommended"] == "extract"
    assert [strategy["name"] for strategy in result["strategies"]] == ["extract"]
    before, after = striate.load(START).net.state_dict(), striate.load(tmp_path / "run").net.state_dict()
    changed = [name for name in before if before[name].numpy().tobytes() != after[name].numpy().tobytes()]
    assert changed == ["fc.weight", "fc.bias"]
    assert after["fc.weight"].shape == (3, 64)


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({}, None),
        ({"settings": {"finetune": {"classifier": "logistic", "normalize": "l2"}}}, UnitLinear),
        ({"layers": ["conv2_1", "conv3_3"]}, FeatureHeadNet),
        ({"settings": {"finetune": {"classifier": "knn"}}}, KNNHead),
        ({"layers": ["conv3_3"], "settings": {"finetune": {"classifier": "knn", "normalize": "l2"}}}, KNNHead),
    ],
)
def test_the_artifact_answers_as_the_run_did(how: dict[str, Any], kind: Any, shapes: Path, tmp_path: Path):
    result = finetune(shapes, tmp_path, **how)
    model = striate.load(tmp_path / "run")
    if kind is not None:
        assert any(isinstance(module, kind) for module in model.net.modules())
    ids_M, labels_M, logits_MK = run_folder.load_predictions(tmp_path / "run" / "predictions-test.npz")
    assert (logits_MK.argmax(axis=1) == labels_M).mean() == result["test"]["accuracy"]
    paths = sorted(shapes.glob("*/*.png"))
    found = {answer.label for answer in model.predict(paths[:5])}
    assert found <= {"circle", "square", "triangle"}
    evaluated = striate.evaluate(str(tmp_path / "run"))
    assert evaluated["accuracy"] == result["test"]["accuracy"]
    assert len(ids_M) == result["test"]["n"]


def test_a_run_of_any_head_can_be_started_from(shapes: Path, tmp_path: Path):
    first = striate.finetune(
        str(shapes), weights=START, out=tmp_path, name="first", settings={"finetune": {"classifier": "knn", "normalize": "l2"}}
    )
    assert ("k" in first, "c" in first) == (True, False)
    kept = striate.load(tmp_path / "first")
    assert kept.net_settings == {"knn_memory": first["images"]["train"], "knn_k": first["k"], "unit_features": True}
    saved = kept.save(tmp_path / "copy")
    assert saved == first["weights_sha256"]
    images = sorted(shapes.glob("*/*.png"))[::7]
    assert striate.load(tmp_path / "copy").predict(images) == kept.predict(images)
    second = striate.finetune(str(shapes), weights=str(tmp_path / "first"), out=tmp_path, name="second")
    again = striate.load(tmp_path / "second")
    assert again.net_settings == {}
    assert striate.evaluate(str(tmp_path / "second"))["accuracy"] == second["test"]["accuracy"]


def test_taps_are_compared_on_the_training_images_alone(shapes: Path, tmp_path: Path):
    result = finetune(shapes, tmp_path, layers=["conv1", "conv4_3"])
    assert [layer["name"] for layer in result["layers"]] == ["conv1", "conv4_3"]
    assert [layer["features"] for layer in result["layers"]] == [16 * 32 * 32, 64 * 8 * 8]
    best = max(result["layers"], key=lambda layer: layer["cross_validated"])
    assert result["layer"] == best["name"]


def test_the_test_images_change_no_byte_of_the_head(shapes: Path, tmp_path: Path):
    first = finetune(shapes, tmp_path / "one")
    copy = tmp_path / "noise" / "shapes"
    make_folder(copy, 20)
    ids_M, _, _ = run_folder.load_predictions(tmp_path / "one" / "run" / "predictions-test.npz")
    replaced = 0
    for path in copy.glob("*/*.png"):
        name = path.relative_to(copy).as_posix()
        if example_id(shapes, name) in set(ids_M.tolist()):
            seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
            levels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), np.uint8)
            Image.fromarray(levels).save(path)
            replaced += 1
    assert replaced == first["test"]["n"]
    second = finetune(copy, tmp_path / "two")
    assert second["weights_sha256"] == first["weights_sha256"]
    assert second["val"] == first["val"]
    assert second["test"] != first["test"]


def example_id(root: Path, name: str) -> int:
    from striate.data import folders

    examples = folders.read(root)
    return int(examples.ids_N[examples.names.index(name)])


def test_gray_images_for_a_color_body_are_said_and_converted(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO", logger="striate"):
        result = striate.finetune(few_digits(tmp_path / "few digits", 20).as_posix(), weights=START, out=tmp_path, name="run")
    assert "The images are gray and resnet20 takes color: their gray goes into all three channels." in caplog.text
    assert result["test"]["accuracy"] > 0.8


def parts(root: Path, train: int, val: tuple[str, ...], test: tuple[str, ...]) -> Path:
    """Images in given parts: so many of each class to learn from, and one of each of these classes in the others."""
    for part, kinds, numbers in (("train", CLASSES, range(train)), ("val", val, [train]), ("test", test, [train + 1])):
        for kind in kinds:
            (root / part / kind).mkdir(parents=True)
            for number in numbers:
                draw(kind, number).save(root / part / kind / f"{number}.png")
    return root


def test_weights_of_another_architecture_are_refused(shapes: Path, tmp_path: Path):
    file = next(iter(Path(striate.__file__).parent.glob("weights/resnet20-cifar10/*.safetensors")))
    with pytest.raises(WeightsError, match=r"these weights do not fit resnet18: of 116 tensors \d+ have no place: "):
        striate.finetune(str(shapes), weights=f"resnet18@{file}", out=tmp_path, name="run")
    assert not (tmp_path / "run").exists()


def test_a_head_that_no_other_can_replace_is_refused_and_earlier_layers_are_not(shapes: Path, tmp_path: Path):
    numbers = Preprocess(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    digits = tuple("0123456789")
    Model(build("lenet5", (1, 32, 32), 10).eval(), "lenet5", {}, numbers, InputSpec(32, 1, "squash"), digits).save(
        tmp_path / "start"
    )
    with pytest.raises(UnsupportedError, match=r"expected a fully connected head .* of LeNet5, .*, is a RadialBasis"):
        striate.finetune(str(shapes), weights=str(tmp_path / "start"), strategies="retrain", out=tmp_path, name="run")
    assert not (tmp_path / "run").exists()
    found = striate.finetune(str(shapes), weights=str(tmp_path / "start"), layers=["s4"], out=tmp_path, name="run")
    assert (found["layer"], found["layers"][0]["features"]) == ("s4", 16 * 5 * 5)


def test_too_few_images_are_refused(tmp_path: Path):
    with pytest.raises(DataError) as refused:
        finetune(parts(tmp_path / "few", 1, ("circle",), ("circle",)), tmp_path)
    assert str(refused.value) == (
        "5 images of 3 classes are too few to fine-tune with: expected at least 6, two of each class. Add images."
    )


def test_a_class_without_training_images_is_refused(tmp_path: Path):
    data = parts(tmp_path / "data", 3, CLASSES, CLASSES)
    for path in (data / "train" / "square").iterdir():
        path.unlink()
    with pytest.raises(DataError, match=r"class .square. is in the test or validation part of .* but not in its training part"):
        finetune(data, tmp_path)


def test_a_class_that_is_missing_where_it_is_scored_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("WARNING", logger="striate"):
        finetune(parts(tmp_path / "data", 4, ("circle", "square"), ("circle",)), tmp_path)
    assert "The validation part has no image of 1 of the classes (triangle), so its score does not cover them." in caplog.text
    assert "The test part has no image of 2 of the classes (square, triangle), so its score does not cover them" in caplog.text


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        (
            {"layers": ["conv9"]},
            SettingError,
            "CifarResNet has no layer 'conv9' before its head; expected one of conv1, conv2_1,",
        ),
        (
            {"strategies": "adopt"},
            SettingError,
            "finetune.strategies.0: input should be 'extract', 'adapt', 'retrain' or 'scratch'",
        ),
        ({"strategies": ["adapt", "adapt"]}, SettingError, "finetune: strategies: expected each once; got adapt, adapt."),
        (
            {"strategies": "adapt", "layers": ["pool4"]},
            SettingError,
            "finetune: layers does not apply without the strategy extract",
        ),
        (
            {"settings": {"finetune": {"augmented_copies": 3}}},
            SettingError,
            "finetune: augmented_copies does not apply without the strategies adapt and",
        ),
        (
            {"settings": {"finetune": {"freeze_batchnorm": False}}},
            SettingError,
            "finetune: freeze_batchnorm does not apply without the strategy retrain",
        ),
        (
            {"strategies": "adapt", "settings": {"finetune": {"augmented_copies": 3}, "augment": {"flip": False}}},
            SettingError,
            "finetune.augmented_copies does not apply without augmentation; remove it, or set one of augment",
        ),
        ({"settings": {"augment": {"rotate": 9}}}, SettingError, "augment.rotate does not apply to extract, which sees each"),
        (
            {"strategies": "all", "settings": {"augment": {"mixup": 0.2}}},
            SettingError,
            "augment.mixup mixes images, whose features cannot be cached one by one; remove it.",
        ),
        (
            {"folds": 3, "strategies": ["extract", "scratch"]},
            SettingError,
            "data.folds does not apply to several strategies, which are compared on one split; leave one of them out.",
        ),
        (
            {"folds": 3, "per_class": [5]},
            SettingError,
            "data.folds does not apply to learning curves (per_class), which are compared on one split; leave one of them out.",
        ),
        ({"per_class": [10, 5]}, SettingError, "finetune: per_class: expected rising numbers, as 5, 10, 20; got 10, 5."),
        ({"settings": {"net": {"dropout": 0.5}}}, SettingError, "net.dropout belongs to the pretrained weights"),
        (
            {"strategies": "retrain", "settings": {"finetune": {"retrain": {"epoch": 3}}}},
            SettingError,
            "There is no setting finetune.retrain.epoch; did you mean epochs?",
        ),
        (
            {"strategies": "all", "settings": {"finetune": {"adapt": {"sampling": "balanced"}}}},
            SettingError,
            "finetune: adapt: sampling, lr_multipliers and layer_decay do not apply to one layer on cached features",
        ),
        (
            {"strategies": "all", "settings": {"finetune": {"unfreeze": "gradual", "retrain": {"l1": 0.1}}}},
            SettingError,
            "finetune: unfreeze=gradual cannot be combined with l1, l2 or max_norm, which move frozen weights; remove one.",
        ),
        (
            {"settings": {"train": {"epochs": 2}}},
            SettingError,
            "train.epochs does not say which strategy it is for; write finetune.adapt.epochs, finetune.retrain.epochs or",
        ),
        (
            {"settings": {"preprocess": {"scale": "zca"}}},
            SettingError,
            "preprocess.scale belongs to the pretrained weights",
        ),
    ],
)
def test_what_does_not_apply_is_refused(how: dict[str, Any], error: type[Exception], text: str, shapes: Path, tmp_path: Path):
    with pytest.raises(error) as refused:
        finetune(shapes, tmp_path, **how)
    assert str(refused.value).startswith(text)
    assert not (tmp_path / "run").exists()


def test_an_interruption_while_fitting_is_gone_on_from(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fit = feature_classifier.fit

    def stopped(*arguments: Any, **more: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return fit(*arguments, **more)

    monkeypatch.setattr(feature_classifier, "fit", stopped)
    with pytest.raises(Interrupted) as left:
        finetune(shapes, tmp_path)
    assert str(left.value) == "SIGTERM while fitting the classifiers; resume with --resume."
    monkeypatch.undo()
    with pytest.raises(RunError, match=r"exists; resume it with --resume, or give another --name\."):
        finetune(shapes, tmp_path)
    resumed = striate.finetune(out=tmp_path, name="run", resume=True)
    assert resumed["weights_sha256"] == finetune(shapes, tmp_path / "whole")["weights_sha256"]


def test_several_processes_are_refused(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(RunError) as refused:
        finetune(shapes, tmp_path)
    assert str(refused.value) == "striate finetune works in one process; got 2. Start it without torchrun."


def test_train_resumes_a_fine_tuning_and_finetune_no_training(shapes: Path, tmp_path: Path):
    result = finetune(shapes, tmp_path)
    assert striate.train(out=tmp_path, name="run", resume=True)["weights_sha256"] == result["weights_sha256"]
    striate.train(str(shapes), net="mlp", epochs=1, out=tmp_path, name="trained")
    with pytest.raises(RunError, match="was not made by `striate finetune`; resume it with `striate train --resume --name tra"):
        striate.finetune(out=tmp_path, name="trained", resume=True)
    named = striate.train(str(shapes), out=tmp_path, settings={"finetune": {"weights": START}})
    assert named["weights_sha256"] == result["weights_sha256"]


def test_the_command_says_taps_and_scores(capsys: pytest.CaptureFixture[str], shapes: Path, tmp_path: Path):
    done = run(capsys, "finetune", shapes, "--from", START, "--out", tmp_path, "--name", "run", "--layer", "conv4_3,pool4")
    assert done.code == 0
    assert "conv4_3: 4,096 features, " in done.out
    assert "pool4: 64 features, " in done.out
    assert "cross-validated accuracy" in done.out
    assert "test accuracy " in done.out
