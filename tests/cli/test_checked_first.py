"""What can be known first is refused first: before torch is imported, before weights are loaded, before an image is decoded."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from striate.data import decode, pixel_cache
from striate.model import Model
from support.command_line import run
from support.shape_images import make_folder

# Each command with part of its sentence; `photos` has 3 classes of 4 images, `pairs` of 2
WITHOUT_TORCH = (
    ("train", "expected DATA: a folder of images by class"),
    ("train photos photos", "striate train does not take 'photos' besides what it got. Text with spaces or a pattern needs"),
    ("train --data photos", "striate train takes no --data: what it stands for is written without a flag, in its place."),
    ("train photos --net resnet20@cifar10", "got weights, 'resnet20@cifar10'. `striate finetune DATA --from resnet20@cifar10`"),
    ("train runs/ready", "expected a folder of images by class; got a run of striate, runs/ready. Give the images as DATA."),
    ("predict photos/circle/000.png", "expected IMAGES after `striate predict`; it is missing. See `striate predict --help`."),
    ("predict photos resnet20@cifar10", "photos is a folder without a model; the model comes first, images after it."),
    ("finetune photos --from cifar10", "Weights are named with an @: airbench94@cifar10, resnet20@cifar10."),
    ("report runs/ready/report.html", "runs/ready/report.html lies in the run runs/ready: give the run."),
    ("train fotos", "there is nothing at 'fotos'"),
    ("train photos/circle/000.png", "expected a folder, or a table that ends in"),
    ("train pairs", "class 'circle' has 2 images (circle/000.png); expected at least 3"),
    ("train pairs --folds 2", "class 'circle' has 2 images (circle/000.png); expected at least 3"),
    ("train photos --folds 5", "each of the 5 folds to train, choose and test on one or more. Use --folds 4, or add images."),
    ("train photos --folds 50", "data.folds: input should be less than or equal to 20; got 50."),
    ("train photos --net mnist_cn", "There is no network 'mnist_cn'; did you mean mnist_cnn?"),
    ("train photos --net own.py:Own", "expected a Python file at own.py"),
    ("train photos --net mlp --set net.shortcut=A", "net.shortcut does not apply to 'mlp'"),
    ("train photos --net gmdh --epochs 3", "train.epochs does not apply to gmdh, which learns without gradients"),
    ("train photos --net cells", "cells is a demonstrator"),
    ("train photos --recipe mnist", "There is no recipe 'mnist'; did you mean mnist_cnn"),
    ("train photos --name a/b", "expected a plain name for --name"),
    ("train photos --name ready", "the run runs/ready exists"),
    ("train photos --out notes.txt", "expected a folder to write into at notes.txt; it is a file."),
    ("train photos --out notes.txt/runs", "expected a folder to write into at notes.txt; it is a file."),
    ("train photos --resume", "--resume needs the run's --name"),
    ("train photos --resume --name gone", "there is nothing to resume in runs/gone"),
    ("train photos --set data.val_share=0.4 --set data.test_share=0.7", "val_share and test_share must be below 1 together"),
    ("train photos --find-lr --draw lr.gif", "expected an image's path to end in .svg, .png, .pdf; got lr.gif."),
    (
        "train photos --find-lr --set train.optimizer=muon-adamw",
        "train.optimizer='muon-adamw' does not apply to the range test, which finds one learning rate, and it has two.",
    ),
    ("train photos --find-lr --draw photos.svg/lr.svg", "expected a folder to write into at photos.svg; it is a file."),
    ("finetune", "expected DATA: a folder of images by class"),
    ("train photos --weights resnet20@cifar100", "there is no file cifar100, and no weights of that name"),
    (
        "finetune photos --from resnet20@cifar100",
        "there is no file cifar100, and no weights of that name; did you mean",
    ),
    ("finetune photos --from resnet18@weights.pth", "weights.pth is a pickle"),
    ("finetune photos --from resnet20@cifar10 --strategy adopt", "finetune.strategies.0: input should be 'extract', 'adapt'"),
    ("finetune photos --from resnet20@cifar10 --strategy adapt --classifier knn", "classifier does not apply without the"),
    ("finetune photos --from resnet20@cifar10 --per-class 9", "finetune.per_class: 9 images of each class are more than class"),
    ("finetune pairs --from resnet20@cifar10", "class 'circle' has 2 images"),
    ("finetune photos --from resnet20@cifar10 --set net.dropout=0.5", "net.dropout belongs to the pretrained weights"),
    ("finetune photos --from resnet20@cifar10 --out notes.txt", "expected a folder to write into at notes.txt"),
    ("evaluate gone photos", "expected a run or a model folder; there is none at gone"),
    ("evaluate resnet20@cifar10 fotos", "there is nothing at 'fotos'"),
    ("evaluate resnet20@cifar10", "resnet20@cifar10 has no test images of its own"),
    ("evaluate resnet20@cifar10 photos --crops 3", "expected 1, 5 or 10 crops"),
    ("evaluate gone --max-error 2", "expected --max-error between 0 and 1, as 0.02; got 2.0."),
    ("evaluate gone --confidence 0.9", "--confidence 0.9 is that of --max-error; give it too, as --max-error 0.02."),
    ("evaluate gone --save", "--save keeps a threshold or sets; give --max-error or --coverage, or leave --save out."),
    ("evaluate gone --coverage 95", "expected --coverage between 0 and 1, as 0.95; got 95.0."),
    (
        "evaluate gone photos --coverage 0.9 --crops 5",
        "--max-error and --coverage are of one crop, as predictions are; leave them",
    ),
    ("evaluate resnet20@cifar10 photos --coverage 0.9 --save", "resnet20@cifar10 has no folder to save a threshold in."),
    ("predict gone photos --threshold 80", "expected --threshold from 0 to 1, as 0.8; got 80.0."),
    ("predict resnet20@cifar10 photos --precision fp8", "expected --precision as fp32 or bf16; got 'fp8'."),
    ("evaluate resnet20@cifar10 photos --precision fp8", "expected --precision as fp32 or bf16; got 'fp8'."),
    ("predict resnet20@cifar10 fotos.jpg", "there is nothing at fotos.jpg"),
    ("predict resnet20@cifar10 photos --out table.xls", "expected a file that ends in .csv, .jsonl, .ndjson, .parquet; got"),
    ("predict resnet20@cifar10 photos --out photos.csv", "expected a file to write; photos.csv is a folder."),
    ("inspect gone", "expected a run or a model folder; there is none at gone"),
    ("inspect resnet20@cifar10 fotos.jpg", "there is nothing at fotos.jpg"),
    ("inspect resnet20@cifar10 --draw filters.gif", "expected an image's path to end in .svg, .png, .pdf"),
    ("inspect resnet20@cifar10 --data fotos", "there is nothing at 'fotos'"),
    ("inspect resnet20@cifar10 --filters --out notes.txt", "expected a folder to write into at notes.txt"),
    ("report gone", "expected a run or a model folder; there is none at gone"),
    ("import gone.pth --net resnet18", "expected a file of weights at gone.pth; there is none."),
    ("import notes.txt --net resnet81", "There is no network 'resnet81'"),
    ("import notes.txt --net resnet18 --out photos", "photos exists; give another folder for the model."),
    ("nets mlq", "There is no network 'mlq'; did you mean mlp?"),
    ("nets mlp --draw net.gif", "expected an image's path to end in .svg, .png, .pdf"),
    ("runs gone", "expected a run or a model folder; there is none at gone"),
    ("data fotos", "there is nothing at 'fotos'"),
    ("data photos --preview men", "expected --preview mean, std, whitening, augment; got 'men'."),
    ("data photos --preview mean --draw mean.gif", "expected an image's path to end in .svg, .png, .pdf"),
    ("figure volumes --net alexnt", "There is no network 'alexnt'; did you mean alexnet"),
    ("history cells gone.png", "expected an image at 'gone.png'"),
)
REFUSE_ALL = """
import contextlib, io, json, sys
from striate.cli.main import main
from striate.data import decode
def children(*arguments):
    raise AssertionError("an image is decoded")
decode.children = children
for command in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(command.split())
    print(json.dumps([command, code, "torch" in sys.modules, err.getvalue()]))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "photos", each=4)
    return tmp_path


def test_what_needs_no_torch_is_refused_before_it_is_imported(here: Path):
    make_folder(here / "pairs", each=2)
    for name in ("notes.txt", "photos.svg", "runs/ready/run.toml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("")
    Path("photos.csv").mkdir()
    before = sorted(path for path in here.rglob("*"))
    commands = json.dumps([command for command, _ in WITHOUT_TORCH])
    ran = subprocess.run([sys.executable, "-c", REFUSE_ALL, commands], capture_output=True, text=True, timeout=600)
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(rows) == len(WITHOUT_TORCH), ran.stderr
    for (command, code, torch, err), (_, text) in zip(rows, WITHOUT_TORCH, strict=True):
        assert (code, torch) == (2, False), (command, code, err)
        assert text in err.splitlines()[-1], (command, err)
    assert sorted(path for path in here.rglob("*")) == before


SMALL = "--set preprocess.size_px=16 --set preprocess.channels=3"


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (f"train photos --net lenet5 {SMALL}", "preprocess.size_px"),
        (f"train photos --net mlp {SMALL} --set train.lr_multipliers.fc9=0", "there is no layer 'fc9' with weights"),
        (f"train photos --net mlp {SMALL} --set net.init=zero-gamma", "init='zero-gamma' needs residual blocks"),
        (f"train photos --net mlp {SMALL} --set net.init=whitening", "init='whitening' needs a convolution"),
        (
            f"train photos --net mnist_cnn {SMALL} --set preprocess.scale=pca",
            "numbers without places of each image",
        ),
        (
            f"train photos --net mlp {SMALL} --set preprocess.scale=zca --set preprocess.components=999",
            "expected preprocess.components of at most 768",
        ),
        (
            f"train photos --net 'fc 8, bn, fc' {SMALL} --set train.batch_size=1",
            "of which the batch norm",
        ),
        (f"train photos --net mlp {SMALL} --set train.optimizer=muon-adamw", "but the first by muon; there are none to train."),
        (
            f"train photos --net mnist_cnn {SMALL} --set train.optimizer=muon-adamw --set train.lr_multipliers.conv2=0",
            "but the first by muon; there are none to train.",
        ),
        ("train photos --set engine.device=cuda:7", "has no cuda:7"),
        (
            "train photos --set preprocess.size_px=4 --net mlp --set preprocess.channels=3 --set augment.equalize=1",
            "equalize",
        ),
        ("data photos --preview std --set preprocess.scale=none", "divides by no deviation"),
        ("data photos --preview mean --set preprocess.center=none", "there is no mean to show"),
        ("finetune photos --from resnet20@cifar10 --layer conv9", "has no layer 'conv9' before its head"),
        ("evaluate resnet20@cifar10 photos", "the model has no class 'circle'"),
        ("inspect resnet20@cifar10 --layer conv1 --unit 99 --data photos", "expected units from 0 to 15 of"),
        ("inspect resnet20@cifar10 --layer conv9 --data photos", "conv9"),
    ],
)
def test_what_needs_torch_is_refused_before_an_image_is_decoded(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, text: str
):
    def decoded(*_: object, **__: object) -> None:
        raise AssertionError("an image is decoded")

    monkeypatch.setattr(decode, "stream", decoded)
    monkeypatch.setattr(pixel_cache, "decode_examples", decoded)
    done = run(capsys, *shlex.split(command))
    assert done.code == 2
    assert text in done.err.splitlines()[-1]
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    "command",
    [
        "inspect resnet20@cifar10 photos/circle/000.png --method gradcm",
        "predict resnet20@cifar10 photos --device cuda:7",
        "finetune photos --from resnet20@cifar10 --set engine.device=cuda:7",
    ],
)
def test_what_needs_no_model_is_refused_before_one_is_loaded(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
):
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("a model is loaded")

    monkeypatch.setattr(Model, "__init__", loaded)
    done = run(capsys, *command.split())
    assert done.code == 2
    assert "did you mean gradcam?" in done.err or "has no cuda:7" in done.err
