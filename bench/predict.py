"""A folder of JPEG photographs to answers: `striate predict` beside torchvision's and timm's own loops, the same weights.

    python bench/predict.py trashnet --images 2000 --runs 3 --threads 2

The photographs are copies of those of a folder of classes, repeated until there are enough. The networks have six classes; the
last layer is a logistic regression, the other weights are ImageNet's (efficientnet_lite0) or random. Every side has the same.
A whole command is measured each time, its start and its imports included, by the clock, which wants a quiet machine, and by the
processor's seconds of all its processes, which do not. The sides take turns, and the medians of the runs are shown, with the
number of images whose class is not that of the first side, and the largest difference of a probability.

- striate: `striate predict`; striate-bf16: with `--precision bf16`, where the processor has it; striate-onnx, striate-int8: the
  same with the files of `striate export`
- torchvision: ImageFolder, DataLoader with two workers, and the network; timm: its data set, loader and network
- torchvision-bf16, timm-bf16: these with autocast, by `--sides` alone; the row compares with those in fp32
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from shutil import copyfile
from statistics import median
from typing import Any

import limits
import numpy as np
import rows

from striate.training.device import bf16_on_cpu

NETS = {"resnet18": "resnet18", "efficientnet_lite0": "tf_efficientnet_lite0"}  # and timm's names
SIDES = ("striate", "striate-bf16", "striate-onnx", "striate-int8", "torchvision", "timm")
ABLE, WHY = bf16_on_cpu()
DEFAULT_SIDES = ",".join(side for side in SIDES if ABLE or side != "striate-bf16")
CLASSES = 6
Json = dict[str, Any]


def repeated(data: Path, count: int, folder: Path) -> None:
    """`count` copies of the photographs, by number, in one folder."""
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    folder.mkdir(parents=True)
    for number in range(count):
        copyfile(files[number % len(files)], folder / f"{number:06d}.jpg")


def classes_of(data: str, parser: argparse.ArgumentParser) -> tuple[str, ...]:
    """The names of the folder's classes, which must be as many as the networks have."""
    classes = tuple(sorted(path.name for path in Path(data).iterdir() if path.is_dir()))
    if len(classes) != CLASSES:
        parser.error(f"expected a folder of {CLASSES} classes; {data} has {len(classes)}")
    return classes


def model_of(net_name: str, data: Path, classes: tuple[str, ...], folder: Path) -> Path:
    """The network for both libraries: as a model of striate's, and as a state dict by their names beside it."""
    import torch

    import striate
    from striate.batches.preprocess import Preprocess
    from striate.data.decode import InputSpec
    from striate.model import Model
    from striate.nets.factory import build

    net = build(net_name, (3, 224, 224), len(classes), seed=1).eval()
    mean, std, mode = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear"
    if net_name == "efficientnet_lite0":
        loaded = striate.load(f"{net_name}@imagenet")
        own = net.state_dict()
        net.load_state_dict(
            {name: tensor if tensor.shape == own[name].shape else own[name] for name, tensor in loaded.net.state_dict().items()}
        )
        mean, std, mode = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic"
    preprocess = Preprocess(torch.tensor(mean).reshape(3, 1, 1), torch.tensor(std).reshape(3, 1, 1))
    spec = InputSpec(224, 3, "crop", share=0.875, interpolation=mode)
    model = Model(net, net_name, {}, preprocess, spec, classes, training={"seed": 1})
    fit_last_layer(model, data)
    model.save(folder)
    table = {own: names.rpartition("|")[2] for own, names in net.external_names().items()}
    named = [(*name.rpartition(".")[::2], values) for name, values in net.state_dict().items()]
    torch.save({f"{table[layer]}.{kind}": values for layer, kind, values in named}, folder.with_suffix(".pth"))
    return folder


def fit_last_layer(model: Any, data: Path) -> None:
    """A logistic regression on what the last layer is given."""
    import torch
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    files = sorted(data.glob("*/*"))
    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(
        model.embed(files), [model.classes.index(path.parent.name) for path in files]
    )
    scaler, regression = fitted
    weights_KD = regression.coef_ / scaler.scale_
    *_, last = [layer for layer in model.net.modules() if isinstance(layer, torch.nn.Linear)]
    with torch.no_grad():
        last.weight.copy_(torch.from_numpy(weights_KD))
        last.bias.copy_(torch.from_numpy(regression.intercept_ - weights_KD @ scaler.mean_))


def command_of(side: str, net_name: str, parsed: argparse.Namespace, place: Path) -> list[str]:
    """What is run, in a process of its own; it leaves the answers in `place/SIDE.*`."""
    model, images = place / net_name, place / "images"
    if not side.startswith("striate"):
        library, _, precision = side.partition("-")
        script, name = str(Path(__file__).with_name("predict_peers.py")), NETS[net_name] if library == "timm" else net_name
        weights, out = str(model.with_suffix(".pth")), str(place / f"{side}.npy")
        return [parsed.python, script, library, name, str(images), weights, out, str(parsed.threads), precision or "fp32"]
    runs = {
        "striate": model,
        "striate-bf16": model,
        "striate-onnx": place / "onnx/model.onnx",
        "striate-int8": place / "onnx/model-int8.onnx",
    }
    options = ["--out", str(place / f"{side}.csv"), "--probabilities", "--device", "cpu"]
    options += ["--precision", "bf16"] if side == "striate-bf16" else []
    return [sys.executable, "-m", "striate", "predict", str(runs[side]), str(images), *options]


def answers(side: str, place: Path) -> np.ndarray:
    """The probabilities of each image, N x K."""
    if not side.startswith("striate"):
        logits_NK = np.load(place / f"{side}.npy").astype(np.float64)
        shares_NK = np.exp(logits_NK - logits_NK.max(axis=1, keepdims=True))
        return np.asarray(shares_NK / shares_NK.sum(axis=1, keepdims=True))
    with (place / f"{side}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name.startswith("probability_")]
    return np.array([[float(row[name]) for name in names] for row in rows])


def measured(command: list[str], threads: int) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
    begun, before = time.monotonic(), os.times()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds, after = time.monotonic() - begun, os.times()
    return seconds, after.children_user + after.children_system - before.children_user - before.children_system


def table(net_name: str, parsed: argparse.Namespace, place: Path, classes: tuple[str, ...]) -> list[str]:
    """A line for each side."""
    import striate

    sides = [side for side in parsed.sides.split(",") if "torchvision" not in side or net_name == "resnet18"]  # it has no Lite
    model_of(net_name, Path(parsed.data), classes, place / net_name)
    try:
        striate.export(place / net_name, out=place / "onnx", data=parsed.data, int8="striate-int8" in sides)
    except striate.StriateError as error:
        print(f"{net_name}: striate-int8 is left out: {error}", file=sys.stderr, flush=True)
        striate.export(place / net_name, out=place / "onnx", data=parsed.data)
        sides.remove("striate-int8")
    runs: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for turn in range(parsed.runs):
        for side in sides:
            runs[side].append(measured(command_of(side, net_name, parsed, place), parsed.threads))
            print(
                json.dumps({"net": net_name, "turn": turn, "side": side, "seconds": runs[side][-1]}),
                file=sys.stderr,
                flush=True,
            )
    lines, first = [], answers(sides[0], place)
    peers = [side for side in ("torchvision", "timm") if side in sides]
    fastest = [min(median(run[clock] for run in runs[side]) for side in peers) for clock in (0, 1)]
    for side in sides:
        clock, processor = (median(each) for each in zip(*runs[side], strict=True))
        own = answers(side, place)
        other = int((own.argmax(axis=1) != first.argmax(axis=1)).sum())
        difference = float(np.abs(own - first).max())
        speed = f"{parsed.images / clock:.1f} | {fastest[0] / clock:.2f} | {processor:.0f} | {fastest[1] / processor:.2f}"
        lines.append(f"| {net_name}, {side} | {speed} | {other:,} | {difference:.0e} |")
    rows.show(job(net_name, runs, parsed))
    return lines


def job(net_name: str, runs: dict[str, list[tuple[float, float]]], parsed: argparse.Namespace) -> rows.Row:
    """The row of the network: how many times as fast as the fastest other each of ours was, turn by turn."""
    import torch

    from striate.nets.factory import build

    clock = {side: [run[0] for run in taken] for side, taken in runs.items()}
    peers = [side for side in ("torchvision", "timm") if side in clock]
    fastest = [min(each) for each in zip(*(clock[side] for side in peers), strict=True)]
    ours = {"torch": "striate", "bf16": "striate-bf16", "ONNX": "striate-onnx", "int8": "striate-int8"}
    figures = [
        f"{name} {rows.spread([peer / own for peer, own in zip(fastest, clock[side], strict=True)])}"
        for name, side in ours.items()
        if side in clock
    ]
    net = build(net_name, (3, 224, 224), CLASSES).eval()
    forward = limits.operations(lambda: net(torch.zeros(1, 3, 224, 224)))
    chosen = "" if parsed.sides == DEFAULT_SIDES else f" --sides {parsed.sides}"
    best = min(median(clock[side]) for side in ("striate", "striate-onnx") if side in clock)
    return rows.Row(
        f"predict-{net_name}", f"{parsed.images:,} JPEGs to predictions, {net_name}", "2 times the fastest other",
        f"{', '.join(figures)} times", rows.versions(*peers, python=parsed.python), f"{parsed.runs}, in turns",
        limits.measure(parsed.threads).of_operations(forward * parsed.images, best),
        f"python bench/predict.py FOLDER --images {parsed.images} --runs {parsed.runs} --nets {net_name}{chosen}", rows.here(),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="A folder of photographs to answers, beside other libraries.")
    parser.add_argument("data", help="a folder of photographs by class")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--sides", default=DEFAULT_SIDES)
    parser.add_argument("--python", default=sys.executable, help="interpreter that has timm and torchvision")
    parsed = parser.parse_args()
    classes = classes_of(parsed.data, parser)
    sides = set(parsed.sides.split(","))
    if not (sides & {"torchvision", "timm"} and sides & {"striate", "striate-onnx"}):
        parser.error("--sides: expected torchvision or timm, with which the others are compared, and striate or striate-onnx")
    if not ABLE:
        print(f"Without bf16: {WHY}.")
    print(f"{parsed.images} images, {parsed.threads} threads, medians of {parsed.runs} runs.\n")
    print("| | images a second | times the fastest other | CPU seconds | the least other / it | other class | difference |")
    print("|---|---|---|---|---|---|---|")
    for net_name in parsed.nets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            repeated(Path(parsed.data), parsed.images, place / "images" / "all")
            print("\n".join(table(net_name, parsed, place, classes)), flush=True)


if __name__ == "__main__":
    main()
