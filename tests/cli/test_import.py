"""`striate import`: from a file of weights to a model that answers; what it asks for, and what it refuses."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import striate
from striate.nets import published_weights, read_pickle
from striate.nets.factory import build
from striate.nets.published_weights import imagenet_classes
from support.checkpoints import CifarResNet, as_module, cifar
from support.command_line import run
from support.shape_images import make_folder

TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STATE = cifar()
ALL = ("--mean", "0.491,0.482,0.447", "--std", "0.247,0.243,0.262", "--class-names", "cifar10.txt")


class Touches:
    """What a pickle may hold: a call that is made when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {Path('touched').resolve()}",)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a checkpoint as widely used repositories write it, the same as safetensors, and ten names."""
    monkeypatch.chdir(tmp_path)
    state = {f"module.{name}": tensor for name, tensor in STATE.items()}
    torch.save({"state_dict": state, "best_prec1": 91.7}, "resnet20.th")
    save_file(STATE, "resnet20.safetensors")
    Path("cifar10.txt").write_text("".join(f"{name}\n" for name in TEN))
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    done = run(capsys, *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert not Path("models").exists()
    return done.err.strip().splitlines()[-1].removeprefix("striate: ")


def test_a_checkpoint_of_a_cifar_repository_becomes_a_model_that_answers(capsys: pytest.CaptureFixture[str]):
    done = run(capsys, "import", "resnet20.th", "--net", "resnet20", *ALL, "--license", "MIT", "--json")
    assert done.code == 0, done.err
    found = done.json
    sha256 = found.pop("weights_sha256")
    assert found == {
        "model": "models/resnet20-resnet20", "net": "resnet20", "classes": 10, "parameters": 269_722, "tensors": 116,
        "within": "state_dict", "left": "", "prefix": "module.", "others": [],
    }  # fmt: skip
    assert f"{sha256}  weights.safetensors" in Path("models/resnet20-resnet20/MANIFEST.sha256").read_text()
    model = striate.load("models/resnet20-resnet20")
    assert (model.classes, model.license, model.training) == (TEN, "MIT", {"weights": "resnet20.th"})
    pixels_HWC = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    said = model.predict([pixels_HWC])[0]
    with torch.device("meta"):
        theirs = CifarResNet()
    mean, std = (torch.tensor([float(part) for part in ALL[at].split(",")]).view(3, 1, 1) for at in (1, 3))
    with torch.inference_mode():
        image_1CHW = (torch.from_numpy(pixels_HWC).permute(2, 0, 1)[None] / 255 - mean) / std
        shares_K = as_module(STATE, theirs)(image_1CHW)[0].softmax(0)
    assert said.label == TEN[int(shares_K.argmax())]
    assert said.probability == pytest.approx(float(shares_K.max()), abs=1e-4)
    asked = run(capsys, "predict", "models/resnet20-resnet20", make_folder(Path("photos"), 1), "--json")
    assert (asked.code, asked.json["label"] in TEN) == (0, True)


def test_what_the_file_does_not_say_is_asked_for(capsys: pytest.CaptureFixture[str]):
    asks = (
        "resnet20.safetensors does not say how its images were prepared or what its classes are called; expected {} (or --like "
        "imagenet for ImageNet's)."
    )
    begin = ("import", "resnet20.safetensors", "--net", "resnet20")
    mean, std, names = "--mean 0.485,0.456,0.406", "--std 0.229,0.224,0.225", "--class-names FILE"
    assert refused(capsys, *begin) == asks.format(f"{mean}, {std}, {names}")
    assert refused(capsys, *begin, *ALL[:2]) == asks.format(f"{std}, {names}")
    assert refused(capsys, *begin, *ALL[:4]) == asks.format(names)


def test_the_answer_is_one_line_for_people(capsys: pytest.CaptureFixture[str]):
    done = run(
        capsys, "import", "resnet20.safetensors", "--net", "resnet20", *ALL, "--out", "mine", "--size", "24", "--share", "0.9"
    )
    assert (done.code, done.out) == (0, "mine: resnet20, 269,722 parameters, 10 classes\n")
    input_spec = striate.load("mine").input_spec
    assert (input_spec.size_px, input_spec.share, input_spec.resize_mode) == (24, 0.9, "crop")


def test_a_pickle_that_would_run_code_is_refused_and_nothing_runs(capsys: pytest.CaptureFixture[str]):
    torch.save({"state_dict": STATE, "more": Touches()}, "hostile.pth")
    assert refused(capsys, "import", "hostile.pth", "--net", "resnet20", *ALL) == (
        f"hostile.pth is not read as weights: it holds more than tensors ({os.system.__module__}.system), which would be code "
        "to run; get one with the state_dict alone."
    )
    assert not Path("touched").exists()


def test_what_is_left_out_of_a_pickle_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(published_weights, "convert", in_process)
    torch.save({"state_dict": {**STATE, "_extra_state": 3}}, "more.pth")
    done = run(capsys, "import", "more.pth", "--net", "resnet20", *ALL)
    assert done.code == 0
    assert "more.pth has more than tensors, which is left out: _extra_state" in done.err


def test_averaged_weights_beside_plain_ones_are_said_and_either_can_be_taken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(published_weights, "convert", in_process)
    halved = {name: tensor / 2 if tensor.is_floating_point() else tensor for name, tensor in STATE.items()}
    torch.save({"state_dict": STATE, "state_dict_ema": halved}, "both.pth")
    begin = ("import", "both.pth", "--net", "resnet20", *ALL)
    said = "both.pth holds averaged (EMA) and plain weights: {} is taken, not {}; --plain takes the plain ones.".format
    for flags, taken, left, scale in (
        ((), "state_dict_ema", "state_dict", 0.5),
        (("--plain",), "state_dict", "state_dict_ema", 1.0),
    ):
        done = run(capsys, *begin, *flags, "--out", taken)
        assert done.code == 0
        assert said(taken, left) in " ".join(done.err.split())
        weight = striate.load(taken).net.get_parameter("conv1.weight")
        assert torch.equal(weight, scale * STATE["conv1.weight"])
    assert refused(capsys, "import", "resnet20.safetensors", "--net", "resnet20", *ALL, "--plain") == (
        "plain is for checkpoints that hold several weights; resnet20.safetensors holds one. Leave it out."
    )


def in_process(file: Path, out: Path, plain: bool = False, watch: object = None) -> object:
    return read_pickle.convert({"path": str(file), "out": str(out), "plain": plain})[0]


def test_weights_of_another_network_are_refused_with_what_does_not_fit(capsys: pytest.CaptureFixture[str]):
    text = refused(capsys, "import", "resnet20.safetensors", "--net", "resnet32", *ALL)
    assert text.startswith(
        "these weights do not fit resnet32: of 116 tensors 60 are missing: conv2_4.conv1.weight, conv2_4.bn1."
    )
    assert "There is no network 'resnet21'; did you mean" in refused(capsys, "import", "resnet20.th", "--net", "resnet21", *ALL)


def test_blue_first_gives_a_image_the_answer_of_its_twin_with_swapped_channels(capsys: pytest.CaptureFixture[str]):
    begin = ("import", "resnet20.safetensors", "--net", "resnet20", *ALL)
    for name, flags in (("plain", ()), ("turned", ("--bgr",))):
        assert run(capsys, *begin, "--out", name, *flags).code == 0
    image = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    turned, plain = striate.load("turned").predict([image])[0], striate.load("plain").predict([image[..., ::-1].copy()])[0]
    assert turned.label == plain.label
    assert turned.probability == pytest.approx(plain.probability, abs=1e-5)
    assert striate.load("plain").predict([image])[0].probability != pytest.approx(turned.probability, abs=1e-5)


def test_like_imagenet_brings_its_numbers_and_names(capsys: pytest.CaptureFixture[str]):
    save_file(cifar(classes=1000), "large.safetensors")
    assert run(capsys, "import", "large.safetensors", "--net", "resnet20", "--like", "imagenet", "--out", "large").code == 0
    model = striate.load("large")
    assert model.classes == tuple(imagenet_classes().values())
    assert (model.input_spec.share, model.aliases["n02123045"], model.license) == (0.875, "tabby", "")
    done = run(capsys, "import", "large.safetensors", "--net", "resnet20", "--like", "imagnet")
    assert done.code == 2
    assert "--like" in done.err
    with pytest.raises(
        striate.StriateError, match=r"expected imagenet, or nothing, as what the weights are like; got 'cifar'."
    ):
        striate.import_weights("large.safetensors", "resnet20", like="cifar")


def test_a_folder_that_exists_is_not_written_over(capsys: pytest.CaptureFixture[str]):
    Path("mine").mkdir()
    text = refused(capsys, "import", "resnet20.safetensors", "--net", "resnet20", *ALL, "--out", "mine")
    assert text == "mine exists; give another folder for the model."
    assert not list(Path("mine").iterdir())


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--mean", "0.5;0.5"), "expected --mean as numbers with commas between, one for each channel; got '0.5;0.5'."),
        (("--std", ""), "expected --std as numbers with commas between, one for each channel; got ''."),
        (
            ("--mean", "nan"),
            "expected means from 0 to 1 and deviations above 0 up to 1, for pixels in [0, 1]; got nan and 0.247, 0.243, 0.262. "
            "Divide by 255 what is meant for pixels up to 255.",
        ),
        (
            ("--class-names", "absent.txt"),
            "expected a text file with one class name on each line at absent.txt; there is none.",
        ),
        (("--class-names", "latin.txt"), "expected class names in UTF-8 in latin.txt; its byte 1 is none. Save it so."),
        (("--class-names", "nine.txt"), "these weights have 10 classes; got 9 names. Give one name for each."),
        (
            ("--size", "0"),
            "A residual network of this family expects images of at least 8 x 8 pixels and 1 channel; got C=3, H=0, W=0. Set "
            "preprocess.size_px to 8 or more.",
        ),
        (("--share", "0"), "expected a share of the short side above 0 and at most 1; got 0."),
    ],
)
def test_a_flag_that_cannot_be_meant_is_refused(capsys: pytest.CaptureFixture[str], flags: tuple[str, str], text: str):
    Path("latin.txt").write_bytes(b"b\xfcr\n")
    Path("nine.txt").write_text("\n".join(TEN[:9]))
    given = dict(zip(ALL[::2], ALL[1::2], strict=True)) | dict([flags])
    assert (
        refused(
            capsys, "import", "resnet20.safetensors", "--net", "resnet20", *(part for pair in given.items() for part in pair)
        )
        == text
    )


def test_settings_of_the_network_are_imported_with_it(capsys: pytest.CaptureFixture[str]):
    flags = ("--mean", "0.5", "--std", "0.25", "--class-names", "ten.txt", "--json")
    Path("ten.txt").write_text("\n".join(TEN))
    save_file(build("resnet20", (3, 32, 32), 10, shortcut="B").state_dict(), "b.safetensors")
    assert "have no place" in refused(capsys, "import", "b.safetensors", "--net", "resnet20", *flags)
    done = run(capsys, "import", "b.safetensors", "--net", "resnet20", "--set", "net.shortcut=B", *flags)
    assert done.code == 0, done.err
    assert done.json["parameters"] == 269_722 + 2_752
    again = striate.load(done.json["model"])
    assert again.net_settings == {"shortcut": "B"}


def test_a_file_that_is_absent_or_holds_no_weights_is_refused(capsys: pytest.CaptureFixture[str]):
    assert refused(capsys, "import", "absent.pth", "--net", "resnet20") == (
        "expected a file of weights at absent.pth; there is none."
    )
    Path("text.safetensors").write_text("no tensors")
    text = refused(capsys, "import", "text.safetensors", "--net", "resnet20")
    assert text.startswith("text.safetensors is no safetensors file, or a damaged one: ")
    assert "--net" in refused(capsys, "import", "resnet20.th")


def test_weights_by_name_have_no_test_images_of_their_own(capsys: pytest.CaptureFixture[str]):
    assert refused(capsys, "evaluate", "resnet18@imagenet") == (
        "resnet18@imagenet has no test images of its own; write `striate evaluate resnet18@imagenet DATA`."
    )


def test_weights_in_a_file_are_evaluated_and_asked_by_name(capsys: pytest.CaptureFixture[str]):
    save_file(cifar(classes=1000), "large.safetensors")
    make_folder(Path("photos"), each=2, classes=("circle", "square"))
    for kind, wordnet_id in (("circle", "n01440764"), ("square", "n02123045")):
        Path("photos", kind).rename(Path("photos", wordnet_id))
    done = run(capsys, "evaluate", "resnet20@large.safetensors", "photos", "--json")
    assert done.code == 0, done.err
    assert "ImageNet's mean, deviation and class names are taken." in done.err
    assert (done.json["n"], 0 <= done.json["accuracy"] <= done.json["top5"] <= 1) == (4, True)
    done = run(capsys, "evaluate", "resnet20@large.safetensors", "photos")
    assert "998 classes have no images here and are not shown" in done.out
    done = run(capsys, "predict", "resnet20@large.safetensors", "photos")
    assert done.code == 0, done.err
