import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision import models

import striate
from striate.base.errors import SettingError, StriateError, WeightsError
from striate.data.decode import InputSpec, square
from striate.model import Model
from striate.nets import published_weights, read_pickle
from striate.nets.published_weights import Published, imagenet_classes
from striate.workflows import external_weights
from striate.workflows.external_weights import About
from support.checkpoints import as_module, cifar, filled
from support.shape_images import draw

TEN = tuple("abcdefghij")
STATE = cifar()
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)
CONFIG = {
    "architecture": "resnet20", "num_classes": 10, "label_names": list(TEN),
    "pretrained_cfg": {"mean": MEAN, "std": STD, "crop_pct": 0.8, "input_size": [3, 24, 24], "num_classes": 1000},
}  # fmt: skip
PIXELS_NHWC = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


def saved(folder: Path, state: dict[str, Tensor] = STATE, config: object = None) -> Path:
    folder.mkdir(exist_ok=True)
    save_file(state, folder / "model.safetensors")
    if config is not None:
        (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return folder / "model.safetensors"


def made(about: About, state: dict[str, Tensor] = STATE, net: str = "resnet20") -> Model:
    return external_weights.build(net, state, about, None, {})


def in_process(file: Path, out: Path, plain: bool = False, watch: object = None) -> object:
    return read_pickle.convert({"path": str(file), "out": str(out), "plain": plain})[0]


def told(kind: type[StriateError], path: str | Path, net: str = "resnet20") -> str:
    with pytest.raises(kind) as refused:
        striate.load(f"{net}@{path}")
    return str(refused.value)


def test_a_published_network_brings_all_that_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch.save(cifar(classes=1000), tmp_path / "weights.pth")
    content = (tmp_path / "weights.pth").read_bytes()
    name = f"resnet20-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (tmp_path / name).write_bytes(content)
    monkeypatch.setitem(published_weights.WEIGHTS["imagenet"], "resnet20", Published(name, 50.0, 75.0, share=0.9))
    monkeypatch.setenv("STRIATE_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(published_weights, "convert", in_process)
    model = striate.load("resnet20@imagenet")
    assert not model.net.training
    assert model.preprocess.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert model.preprocess.std.flatten().tolist() == pytest.approx([0.229, 0.224, 0.225])
    assert model.input_spec == InputSpec(32, 3, "crop", share=0.9)
    assert (len(model.classes), model.classes[0], model.classes[999]) == (1000, "tench", "toilet tissue")
    assert model.aliases["n01440764"] == "tench"
    assert model.license.startswith("BSD-3-Clause (torchvision)")
    assert model.training == {"weights": "resnet20@imagenet"}
    assert len(model.predict([np.asarray(draw("circle", 0))])[0].top) == 5


def test_googlenet_s_numbers_are_those_that_torchvision_turns_its_images_into():
    with torch.device("meta"):
        theirs = models.googlenet(transform_input=True, init_weights=False)
    state = filled(theirs.state_dict())
    model = made(external_weights.imagenet("googlenet_bn"), state, "googlenet_bn")
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    input_spec = models.GoogLeNet_Weights.IMAGENET1K_V1.transforms()
    image_1CHW = torch.from_numpy(pixels_HWC).permute(2, 0, 1)[None] / 255
    image_1CHW = (image_1CHW - torch.tensor(input_spec.mean).view(3, 1, 1)) / torch.tensor(input_spec.std).view(3, 1, 1)
    with torch.inference_mode():
        expected_1K = as_module(state, theirs)(image_1CHW).numpy()
    assert np.abs(model.logits(pixels_HWC[None]) - expected_1K).max() <= 1e-4 * np.abs(expected_1K).max()


def test_a_bare_file_with_imagenet_s_classes_is_taken_as_most_are_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = saved(tmp_path / "bare", cifar(classes=1000))
    model = striate.load(f"resnet20@{path}")
    assert (model.input_spec.share, len(model.classes), model.license) == (224 / 256, 1000, "")
    assert f"{path} does not say how its images were prepared; ImageNet's mean, deviation and class names" in caplog.text


def test_a_bare_file_with_other_classes_is_refused_with_the_command_that_takes_it(tmp_path: Path):
    path = saved(tmp_path / "bare")
    assert told(SettingError, path) == (
        f"{path} does not say how its images were prepared or what its classes are called: `striate import {path} "
        "--net resnet20 --mean ... --std ... --class-names FILE` makes a model of it."
    )


def test_config_json_beside_a_file_is_read_as_timm_writes_it(tmp_path: Path):
    model = striate.load(f"resnet20@{saved(tmp_path / 'new', config=CONFIG)}")
    assert model.classes == TEN
    assert model.input_spec == InputSpec(24, 3, "crop", share=0.8)
    assert model.preprocess.mean.flatten().tolist() == pytest.approx(MEAN)
    assert model.preprocess.std.flatten().tolist() == pytest.approx(STD)
    flat = {
        "num_classes": 10,
        "mean": MEAN,
        "std": STD,
        "crop_mode": "squash",
        "labels": {f"{9 - k}": c for k, c in enumerate(TEN)},
    }
    model = striate.load(f"resnet20@{saved(tmp_path / 'old', config=flat)}")
    assert (model.classes, model.input_spec) == (TEN[::-1], InputSpec(32, 3, "squash"))
    cubic = {**CONFIG, "pretrained_cfg": {**CONFIG["pretrained_cfg"], "interpolation": "bicubic"}}
    model = striate.load(f"resnet20@{saved(tmp_path / 'cubic', config=cubic)}")
    assert model.input_spec == InputSpec(24, 3, "crop", share=0.8, interpolation="bicubic")
    thousand = {**CONFIG, "num_classes": 1000, "label_names": None}
    model = striate.load(f"resnet20@{saved(tmp_path / 'imagenet', cifar(classes=1000), thousand)}")
    assert (model.classes[0], model.aliases["n01440764"]) == ("tench", "tench")


def test_efficientnet_lite0_comes_with_imagenet_weights():
    model = striate.load("efficientnet_lite0@imagenet")
    assert model.input_spec == InputSpec(224, 3, "crop", share=0.875, interpolation="bicubic")
    assert model.preprocess.mean.flatten().tolist() == model.preprocess.std.flatten().tolist() == [0.5, 0.5, 0.5]
    assert model.license.startswith("Apache-2.0 (EfficientNet-Lite0, Google;")
    assert (len(model.classes), model.classes[0]) == (1000, "tench")


def test_config_json_without_names_asks_for_them_and_takes_them(tmp_path: Path):
    path = saved(tmp_path / "a", config={**CONFIG, "label_names": None})
    text = told(SettingError, path)
    assert text == f"{tmp_path}/a/config.json has no names for its classes; `striate import` takes --class-names FILE."
    with pytest.raises(SettingError, match=r"expected --class-names FILE \(or --like imagenet"):
        external_weights.import_weights(str(path), "resnet20", tmp_path / "model")
    external_weights.import_weights(str(path), "resnet20", tmp_path / "model", classes=TEN)
    assert striate.load(tmp_path / "model").input_spec == InputSpec(24, 3, "crop", share=0.8)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "JSONDecodeError: .*"),
        ("[]", "AttributeError: .*"),
        ('{"num_classes": 10}', "KeyError: 'mean'"),
        ('{"num_classes": 10, "mean": 0.5, "std": [1]}', "TypeError: .*"),
        ('{"num_classes": 10, "mean": ["x"], "std": [1]}', "ValueError: .*"),
        ('{"num_classes": 10, "pretrained_cfg": null}', "TypeError: .*"),
        ('{"mean": [0.5], "std": [1], "label_names": {"a": "b"}}', "ValueError: .*"),
    ],
)
def test_a_config_json_that_is_broken_is_refused(tmp_path: Path, content: str, reason: str):
    path = saved(tmp_path / "a", config=content)
    pattern = rf"{re.escape(str(tmp_path))}/a/config\.json is not as timm writes it \({reason}\)\. Mend it, or move it away\."
    assert re.fullmatch(pattern, told(WeightsError, path))


def test_images_that_are_not_square_are_not_what_striate_makes(tmp_path: Path):
    path = saved(tmp_path / "a", config={**CONFIG, "pretrained_cfg": {**CONFIG["pretrained_cfg"], "input_size": [3, 32, 48]}})
    assert told(SettingError, path) == "expected a square input_size; got [32, 48]. striate brings every image to a square."


def test_a_file_of_timm_s_without_its_config_is_taken_as_timm_gives_it(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with torch.device("meta"):
        from timm import create_model

        shapes = create_model("mobilenetv3_small_050").state_dict()
    path = saved(tmp_path / "timm", filled(shapes))
    model = striate.load(f"timm:mobilenetv3_small_050@{path}")
    assert model.input_spec == InputSpec(224, 3, "crop", share=0.875, interpolation="bicubic")
    assert model.aliases["n01440764"] == "tench"
    assert "has no config.json beside it; what timm gives for timm:mobilenetv3_small_050 is taken." in caplog.text


def test_what_is_not_loaded_by_name_is_refused_with_the_way_that_is(tmp_path: Path):
    assert told(SettingError, "a.PTH") == (
        "a.PTH is a pickle, which may hold code and is read in a process of its own: `striate import a.PTH --net resnet20` "
        "makes a model of it."
    )
    assert told(WeightsError, "absent.safetensors") == (
        "expected a safetensors file at absent.safetensors for resnet20@absent.safetensors; there is none."
    )
    assert told(SettingError, "imagenet", "timm:resnet18") == (
        "striate does not download weights of timm, whose files have no checksum that it knows. Get model.safetensors and "
        "config.json of https://huggingface.co/timm/resnet18 and write timm:resnet18@FOLDER/model.safetensors."
    )
    assert told(SettingError, "imagenet", "resnet17").startswith("There is no network 'resnet17'; did you mean ")
    (tmp_path / "text.safetensors").write_text("no tensors")
    assert told(WeightsError, tmp_path / "text.safetensors").startswith(
        f"{tmp_path}/text.safetensors is no safetensors file, or a damaged one: "
    )


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            {"classes": TEN[:9]},
            "these weights have 10 classes; got 9 names. Give one name for each.",
        ),
        (
            {"classes": ("a", *TEN[:9])},
            "expected a name of its own for each class; got 'a' twice.",
        ),
        (
            {"mean": (0.5, 0.5)},
            "these weights take 3 channels; got 2 means and 3 deviations. Give one for each channel.",
        ),
        (
            {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)},
            "expected means from 0 to 1 and deviations above 0 up to 1, for pixels in [0, 1]; got 123.675, 116.28, 103.53 and "
            "58.395, 57.12, 57.375. Divide by 255 what is meant for pixels up to 255.",
        ),
        (
            {"std": (0.0,)},
            "expected means from 0 to 1 and deviations above 0 up to 1, for pixels in [0, 1]; got 0.5, 0.4, 0.3 and 0. Divide "
            "by 255 what is meant for pixels up to 255.",
        ),
        (
            {"share": 1.5},
            "expected a share of the short side above 0 and at most 1; got 1.5.",
        ),
    ],
)
def test_what_does_not_fit_the_weights_or_cannot_be_is_refused(more: dict[str, object], text: str):
    with pytest.raises(StriateError) as refused:
        made(About(**{"mean": MEAN, "std": STD, "classes": TEN, **more}))
    assert str(refused.value) == text


def test_one_mean_is_every_channel_s():
    one, three = (made(About((0.5,) * n, (0.25,) * n, TEN)) for n in (1, 3))
    assert np.array_equal(one.logits(PIXELS_NHWC), three.logits(PIXELS_NHWC))


def test_blue_first_is_turned_so_that_a_image_gets_the_answer_of_its_twin_with_swapped_channels():
    plain, turned = made(About(MEAN, STD, TEN)), made(About(MEAN, STD, TEN, bgr=True))
    assert turned.preprocess.mean.flatten().tolist() == pytest.approx(MEAN[::-1])
    assert turned.preprocess.std.flatten().tolist() == pytest.approx(STD[::-1])
    assert np.allclose(turned.logits(PIXELS_NHWC), plain.logits(PIXELS_NHWC[..., ::-1]), atol=1e-4)
    assert not np.allclose(turned.logits(PIXELS_NHWC), plain.logits(PIXELS_NHWC), atol=1e-2)
    with pytest.raises(SettingError, match=r"--bgr applies to weights for 3 channels; these take 1. Leave it out."):
        made(About((0.5,), (0.25,), TEN, bgr=True), cifar(channels=1))


def photos(root: Path, *classes: str) -> Path:
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(2):
            draw("circle", 10 * len(list(root.iterdir())) + number).save(root / name / f"{number}.png")
    return root


@pytest.mark.parametrize("named", ["ids", "names"])
def test_weights_are_evaluated_on_a_folder_named_by_their_classes(tmp_path: Path, named: str):
    ids = list(imagenet_classes())
    state = cifar(classes=1000)
    state["linear.weight"] = torch.zeros(1000, 64)
    state["linear.bias"] = torch.zeros(1000)
    state["linear.bias"][[0, 7, 8, 9, 999]] = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])  # so every answer is tench
    path = saved(tmp_path / "weights", state)
    folders = [ids[at] if named == "ids" else imagenet_classes()[ids[at]] for at in (0, 500, 999)]
    found = striate.evaluate(f"resnet20@{path}", str(photos(tmp_path / "photos", *folders)))
    assert (found["n"], found["accuracy"], found["top5"]) == (6, 2 / 6, 4 / 6)


def test_a_share_of_a_half_keeps_the_center_half():
    board = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
    assert square(board, InputSpec(4, 1, "crop", share=0.5))[..., 0].tolist() == [
        [18, 19, 20, 21], [26, 27, 28, 29], [34, 35, 36, 37], [42, 43, 44, 45],
    ]  # fmt: skip
    assert square(board[:4], InputSpec(2, 1, "crop", share=0.5))[..., 0].tolist() == [[11, 12], [19, 20]]
    assert square(board, InputSpec(2, 1, "squash", share=0.5)).tolist() == square(board, InputSpec(2, 1, "squash")).tolist()


def test_files_are_cropped_by_the_child_as_images_are_here(tmp_path: Path):
    model = made(About(MEAN, STD, TEN, share=0.5))
    draw("circle", 0).resize((64, 48)).save(tmp_path / "a.png")
    model.save(tmp_path / "model")
    said = [row.prediction for row in striate.predict(tmp_path / "model", [tmp_path / "a.png"])]
    assert said == model.predict([tmp_path / "a.png"])
