import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from striate.cli import nets
from striate.nets import catalogue
from striate.workflows import nets as anatomy
from support.command_line import run

OWN = """
from torch import nn
from striate.nets.net import Net

class MyNet(Net):
    taps = ("conv1", "fc1")
    head_name = "fc1"

    def __init__(self, input_chw, num_classes):
        super().__init__(input_chw)
        self.conv1 = nn.Conv2d(input_chw[0], 4, 3)
        self.fc1 = nn.Linear(4, num_classes)

    def forward(self, images_NCHW):
        return self.fc1(self.conv1(images_NCHW).mean((2, 3)))

class Asks(MyNet):
    def forward(self, images_NCHW):
        return super().forward(images_NCHW * images_NCHW.max().item())
"""
DEEP = "conv 3x3x64, relu, " * 35 + "fc"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def out(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    done = run(capsys, "nets", *arguments)
    assert (done.code, done.err) == (0, "")
    return done.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    done = run(capsys, "nets", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("striate: ")
    assert list(Path().iterdir()) == []
    return done.err.removeprefix("striate: ").rstrip("\n")


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│ \n").split("│")]


def test_the_catalogue_has_a_line_for_each_network(capsys: pytest.CaptureFixture[str]):
    lines = [cells(line) for line in out(capsys).splitlines() if line.startswith("│")]
    assert [line[0] for line in lines] == [*catalogue.names(), *(one.name for one in catalogue.HISTORICAL)]
    alexnet = next(line for line in lines if line[0] == "alexnet")
    assert alexnet[1:5] == ["2012", "3x227x227", "60,965,224", "724,406,816"]


def test_the_catalogue_as_json_has_every_entry(capsys: pytest.CaptureFixture[str]):
    found = json.loads(out(capsys, "--json"))["nets"]
    assert [entry["name"] for entry in found] == list(catalogue.names())
    assert found[0]["input_chw"] == [1, 16, 16]


def test_the_table_of_a_network_has_its_totals_and_every_layer(capsys: pytest.CaptureFixture[str]):
    text = out(capsys, "mnist_cnn")
    title = "mnist_cnn: 3,274,634 parameters, 13,883,904 multiply-adds and 355.0 KiB of activations an image"
    assert text.splitlines()[0].strip() == title
    lines = {line[0]: line for line in (cells(line) for line in text.splitlines() if line.startswith("│"))}
    assert list(lines)[:3] == ["conv1", "relu1", "pool1"]
    assert lines["pool2"] == ["pool2", "MaxPool2d", "64 x 7 x 7", "0", "0", "16 px", "4 px", "12.2 KiB"]
    assert lines["fc2"] == ["fc2", "Linear", "10", "10,250", "10,240", "28 px", "28 px", "40 B"]


def test_size_channels_classes_and_settings_apply(capsys: pytest.CaptureFixture[str]):
    assert "(4096 + 1) x 20 = 81,940" in out(capsys, "alexnet", "--size", 227, "--classes", 20, "--explain", "fc8")
    assert "11 x 11 x 1 + 1) x 96" in out(capsys, "alexnet", "--channels", 1, "--explain", "conv1")
    assert "Padding" in out(capsys, "resnet20", "--set", "net.shortcut=A")
    assert "Padding" not in out(capsys, "resnet20", "--set", "net.shortcut=B")
    assert "floor((16 - 1 + 2 x 0) / 2) + 1 = 8" in out(
        capsys, "resnet50", "--set", "net.v1=true", "--set", "net.activation=relu", "--size", 64, "--explain", "conv3_1.conv1"
    )


def test_json_has_the_numbers_of_the_network_and_of_each_layer(capsys: pytest.CaptureFixture[str]):
    found = json.loads(out(capsys, "alexnet", "--json", "--explain", "conv2"))
    assert {key: found[key] for key in ("name", "parameters", "macs")} == {
        "name": "alexnet",
        "parameters": 60_965_224,
        "macs": 724_406_816,
    }
    conv2 = next(layer for layer in found["layers"] if layer["name"] == "conv2")
    keys = ("name", "output", "parameters", "macs", "receptive_field", "jump", "bytes")
    assert [conv2[key] for key in keys] == ["conv2", [256, 27, 27], 307_456, 223_948_800, 51, 8, 746_496]
    assert found["parameters"] == sum(layer["parameters"] for layer in found["layers"])
    assert found["explained"][0] == "conv2: Conv2d, 96 x 27 x 27 -> 256 x 27 x 27"
    assert "explained" not in json.loads(out(capsys, "mlp", "--json"))


def test_a_line_and_a_class_of_ones_own_have_tables(here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "my_net.py").write_text(OWN)
    assert "conv 3x3x8, relu, pool 2, fc: 15,770 parameters" in out(capsys, "conv 3x3x8, relu, pool 2, fc")
    assert "my_net.py:MyNet: 90 parameters" in out(capsys, "my_net.py:MyNet")


def test_a_network_of_timm_has_a_table(capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("timm")
    text = out(capsys, "timm:resnet18")
    assert "timm:resnet18: 11,689,512 parameters, 1,814,073,344 multiply-adds" in text
    assert "body.layer4.1.conv2" in text


@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize("arguments", [(), ("alexnet",), ("googlenet",), ("mnist_cnn", "--signal")], ids=str)
def test_no_name_and_no_number_is_cut_in_a_terminal_of_any_width(
    width: int, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    wide = out(capsys, *arguments)
    terminal = Console(width=width, force_terminal=True, color_system=None, highlight=False)
    monkeypatch.setattr(nets, "stdout", lambda: terminal)
    narrow = out(capsys, *arguments)
    assert "…" not in narrow
    assert width < 80 or width >= max(map(len, narrow.splitlines()))
    rows = [cells(line) for line in wide.splitlines() if line.startswith("│")]
    assert all(name[:10] in narrow for name, *_ in rows)  # the rest may go on in the next line
    flat = narrow.replace(" ", "").replace("\n", "")
    numbers = [cell.replace(" ", "") for row in rows for cell in row if cell.lstrip("-")[0].isdigit()]
    counted = len(rows) if arguments else len(rows) - len(catalogue.HISTORICAL)  # whose table is of words
    assert len(numbers) >= 4 * counted
    assert [number for number in numbers if number not in flat] == []


REFUSALS = {
    "nosuch": "There is no network 'nosuch'; there are: airbench94, alexnet, ",
    "alexnt": "There is no network 'alexnt'; did you mean alexnet or ",
    "alexnet --size 10": (
        "alexnet expects images of at least 67 x 67 pixels and 1 channel; got C=3, H=10, W=10. Set --size to 67 or more."
    ),
    "alexnet --size 0": "expected size, channels and classes of at least 1; got size 0.",
    "alexnet --channels 0": "expected size, channels and classes of at least 1; got channels 0.",
    "alexnet --classes -1": "expected size, channels and classes of at least 1; got classes -1.",
    "alexnet --explain cnv2": "There is no layer 'cnv2'; did you mean conv2 or conv5 or conv4?",
    "alexnet --init he": "--init applies with --signal alone; got 'he'. Add --signal, or leave it out.",
    "alexnet --seed 0": "--seed applies with --signal alone; got 0. Add --signal, or leave it out.",
    "alexnet --signal --explain conv2": "--explain does not apply with --signal; got 'conv2'. Leave one of them out.",
    "alexnet --set net.init=he": "--set net.init does not apply; got 'he'. Write --signal --init he.",
    "alexnet --signal --set net.init=he": "--set net.init does not apply; got 'he'. Write --signal --init he.",
    "alexnet --set net.name=mlp": "--set net.name does not apply: the network is NAME; got 'mlp'. Leave it out.",
    "alexnet --set train.epochs=3": "train does not apply to this command, which takes settings of net alone; remove it.",
    "resnet18 --set net.v1=true": "net.v1 does not apply to 'resnet18': it has activation, shortcut. Remove it.",
    "mlp --signal --init nosuch": "net.init: input should be 'paper', 'torch', 'gaussian', ",
    "mlp --signal --init whitening": (
        "init='whitening' begins from training images, and there are none here. Take another scheme."
    ),
    "mlp --signal --init zero-gamma": "init='zero-gamma' needs residual blocks; this network has none.",
    "--explain conv2": "--explain applies to one network; got no NAME. Write `striate nets NAME --explain conv2`.",
    "--signal": "--signal applies to one network; got no NAME. Write `striate nets NAME --signal`.",
    "--set net.v1=true": "--set applies to one network; got no NAME. Write `striate nets NAME --set net.v1=true`.",
    "mlp --siez 3": "Unknown option: --siez. Did you mean --size? See `striate nets --help`.",
    "mlp alexnet": "striate nets does not take 'alexnet' besides what it got. Text with spaces or a pattern needs",
}


@pytest.mark.parametrize(("command", "text"), REFUSALS.items(), ids=REFUSALS)
def test_what_cannot_be_is_refused_in_one_sentence(command: str, text: str, capsys: pytest.CaptureFixture[str]):
    assert refused(capsys, *command.split()).startswith(text)


def test_a_line_that_its_image_is_too_small_for_is_refused_with_the_flag(capsys: pytest.CaptureFixture[str]):
    text = refused(capsys, "conv 3x3x8, pool 2, pool 2, pool 2, fc", "--size", 5)
    assert (
        text == "'pool 2' expects an input of at least 2 pixels a side; got 1. Use fewer or smaller pools, or a larger --size."
    )


def test_a_network_of_ones_own_that_cannot_run_without_numbers_is_refused(here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "my_net.py").write_text(OWN)
    done = run(capsys, "nets", "my_net.py:Asks")
    assert done.code == 2
    assert "the forward pass of Asks fails for an image of C=1, H=28, W=28 on the meta device, which has shapes" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("more", [(), ("--signal",), ("--json",)], ids=str)
def test_a_image_with_another_ending_is_refused_before_any_work_is_done(
    more: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    if "--signal" in more:
        monkeypatch.setattr(anatomy, "_outline", lambda *_: pytest.fail("worked"))
    text = refused(capsys, "vgg16", "--draw", "x.bmp", *more)
    assert text == "expected an image's path to end in .svg, .png, .pdf; got x.bmp."


def test_the_signal_is_a_table_that_depends_on_seed_and_start(capsys: pytest.CaptureFixture[str]):
    text = out(capsys, "mlp", "--init", "he", "--signal")
    title = "mlp, init he: one forward and one backward pass at the start, for images from N(0, 1)"
    assert text.splitlines()[0].strip() == title
    lines = [cells(line) for line in text.splitlines() if line.startswith("│")]
    assert [line[0] for line in lines] == ["fc1", "fc2", "fc3"]
    assert [len(line) for line in lines] == [5, 5, 5]
    assert text == out(capsys, "mlp", "--init", "he", "--signal", "--seed", 0)
    assert text != out(capsys, "mlp", "--init", "he", "--signal", "--seed", 1)
    assert "mlp, init paper: " in out(capsys, "mlp", "--signal")
    assert text.rstrip().endswith("Add --draw FILE.svg for an image.")


def test_settings_of_a_start_go_with_it(capsys: pytest.CaptureFixture[str]):
    few, many = (
        json.loads(out(capsys, "mlp", "--signal", "--init", "sparse", "--set", f"net.sparse_inputs={k}", "--json"))["signal"]
        for k in (1, 100)
    )
    assert few[0]["variance"] == pytest.approx(1, rel=0.4)  # one input of N(0, 1) by one weight of N(0, 1)
    assert many[0]["variance"] == pytest.approx(100, rel=0.2)


def test_the_signal_as_json_and_as_a_image(capsys: pytest.CaptureFixture[str]):
    found = json.loads(out(capsys, "mnist_cnn", "--signal", "--init", "he", "--draw", "made/signal.svg", "--json"))
    assert {key: found[key] for key in ("name", "init", "seed", "drawn")} == {
        "name": "mnist_cnn",
        "init": "he",
        "seed": 0,
        "drawn": "made/signal.svg",
    }
    assert [set(row) for row in found["signal"]] == [{"name", "mean", "variance", "gradient_mean", "gradient_variance"}] * 4
    image = Path("made/signal.svg").read_bytes()
    texts = {element.text for element in ElementTree.fromstring(image).iter("{http://www.w3.org/2000/svg}text")}
    assert {"mnist_cnn, init he", "conv1", "conv2", "fc1", "fc2"} <= texts
    assert "drawn: again.svg" in out(capsys, "mnist_cnn", "--signal", "--init", "he", "--draw", "again.svg")
    assert Path("again.svg").read_bytes() == image


def test_a_signal_that_overflows_is_null_in_json_and_still_a_table_and_a_image(capsys: pytest.CaptureFixture[str]):
    arguments = (DEEP, "--size", 4, "--signal", "--init", "gaussian", "--draw", "boom.svg")
    rows = json.loads(out(capsys, *arguments, "--json"))["signal"]
    assert rows[0]["variance"] > 1
    assert rows[-1]["variance"] is None
    assert "not finite" in Path("boom.svg").read_text("utf-8")
    assert "nan" in out(capsys, *arguments)
