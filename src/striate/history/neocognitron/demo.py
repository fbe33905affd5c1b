"""The neocognitron on its own tasks: ten digits with a teacher, five patterns without one, and MNIST, for which it grows.

Legend: N images, P planes, H x W pixels, K classes.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.errors import SettingError
from striate.data import decode
from striate.data.builtin_datasets import read
from striate.data.examples import Part
from striate.history.demonstration import Demonstration
from striate.history.neocognitron import digits, features, growing, teacher, winners
from striate.history.neocognitron.net import DESIGN_1988, Neocognitron, predict, table
from striate.history.neocognitron.strokes import render, thinned
from striate.metrics.intervals import wilson
from striate.nets.hooks import taps

Json = dict[str, Any]
Watch = Callable[[Json], None]
SHIFTS = tuple((x, y) for y in (-1, 0, 1) for x in (-1, 0, 1) if (x, y) != (0, 0))
SEEDS = 6
_LEAST = 100  # training images of MNIST
_BATCH = 100
_BORDER_PX = 2


def demonstrate(
    out: Path,
    *,
    seed: int = 0,
    image: Path | None = None,
    mnist: int = 0,
    data_dir: str | None = None,
    watch: Watch = lambda _event: None,
) -> Demonstration:
    """Train the networks, test them, draw what they did.

    Args:
        out: folder for the figures.
        seed: of the first of six networks that learn without a teacher.
        image: an image of a digit to ask the network of 1988 about.
        mnist: let a network organize itself on so many training images of MNIST, and test it on the 10,000 others.
        data_dir: where MNIST lies, in a folder mnist; else it is looked for in $STRIATE_DATA, or downloaded.
        watch: called with events that have "event", "done" and "total".

    Raises:
        SettingError: `mnist` is neither 0 nor between 100 and the number of training images.
        DecodeError: `image` cannot be decoded.
        DataError: MNIST is not there.

    """
    if mnist and mnist < _LEAST:
        raise SettingError(f"expected at least {_LEAST} training images of MNIST, or 0 for none; got {mnist}.")
    asked_HW = None if image is None else as_strokes(image)
    handwritten = _mnist(mnist, data_dir) if mnist else None
    started = time.perf_counter()
    net = teacher.teach(Neocognitron())
    result: Json = {"table": [row._asdict() for row in table(net)], "supervised": judge(net)}
    result["supervised"]["seconds"] = round(time.perf_counter() - started, 2)
    files = _draw_supervised(net, out)
    result["unsupervised"], drawn = _without_teacher(range(seed, seed + SEEDS), out, watch)
    files += drawn
    result["image"] = result["mnist"] = None
    if asked_HW is not None:
        outputs_K = net(asked_HW[None, None])[0]
        result["image"] = {"path": str(image), "answer": int(predict(outputs_K[None])[0]), "outputs": _rounded(outputs_K)}
        files.append(
            _draw_activations(net, asked_HW, f"{Path(str(image)).name} in the neocognitron of 1988", out / "image.png")
        )
    if handwritten is not None:
        result["mnist"], drawn = _on_mnist(handwritten, out, watch)
        files += drawn
    return Demonstration(result, _lines(result), files)


def judge(net: Neocognitron) -> Json:
    """How many of the templates, of the templates shifted by one pixel, and of ten digits in other styles are recognized.

    Each has "right", "of" and "wrong": the digit, the answer (-1 for none), and where there are several, which one.
    """
    shown = [(plane.digit, strokes) for plane in digits.TRAINING for strokes in plane.exemplars]
    labels = [digit for digit, _ in shown]
    size = net.design.size_px

    def ask(drawings: Sequence[digits.Strokes], labels: Sequence[int], move: tuple[int, int] = (0, 0)) -> list[Json]:
        images_NCHW = torch.stack([render(strokes, size, move) for strokes in drawings])[:, None]
        predicted = predict(net(images_NCHW)).tolist()
        return [
            {"digit": label, "answer": got, "number": number, "shift": list(move)}
            for number, (label, got) in enumerate(zip(labels, predicted, strict=True))
        ]

    drawings = [strokes for _, strokes in shown]
    trials = {
        "templates": ask(drawings, labels),
        "shifted": [one for move in SHIFTS for one in ask(drawings, labels, move)],
        "others": ask(digits.OTHERS, range(10)),
    }
    return {
        name: {"right": sum(one["digit"] == one["answer"] for one in all_), "of": len(all_),
               "wrong": [one for one in all_ if one["digit"] != one["answer"]]}
        for name, all_ in trials.items()
    }  # fmt: skip


def as_strokes(path: Path) -> Tensor:
    """An image as thin strokes on 19 x 19 pixels, 0 and 1: what differs from its border, made large and central.

    Raises:
        DecodeError: it cannot be decoded.
        SettingError: it is of one color.

    """
    gray_HW = decode.decode_image(path, (255, 255, 255)).mean(axis=2)
    border = np.median(np.concatenate([gray_HW[0], gray_HW[-1], gray_HW[:, 0], gray_HW[:, -1]]))
    ink_HW = np.abs(gray_HW - border)
    if not ink_HW.max() > 0:
        raise SettingError(f"expected an image of a digit; {path} is of one color.")
    rows, columns = (np.flatnonzero((ink_HW > ink_HW.max() / 2).any(axis=axis)) for axis in (1, 0))
    cut_hw = ink_HW[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = max(cut_hw.shape)
    square = np.zeros((side, side), np.float32)
    top, left = ((side - length) // 2 for length in cut_hw.shape)
    square[top : top + cut_hw.shape[0], left : left + cut_hw.shape[1]] = cut_hw
    small_HW = growing.shrunk(torch.from_numpy(square)[None], 19 - 2 * _BORDER_PX, 0)[0, 0]
    strokes_HW = torch.zeros(19, 19)
    strokes_HW[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX] = (small_HW > small_HW.max() / 2).float()
    return thinned(strokes_HW)


def _without_teacher(seeds: range, out: Path, watch: Watch) -> tuple[Json, list[Path]]:
    from striate.history.neocognitron import plots_results

    images_NCHW, started = winners.patterns(), time.perf_counter()
    runs, outputs = [], []
    for done, seed in enumerate(seeds, start=1):
        net = winners.organize(images_NCHW, seed)
        planes = winners.winners(net, images_NCHW)
        runs.append({"seed": seed, "winners": planes, "distinct": len(set(planes) - {-1})})
        outputs.append(net(images_NCHW).numpy())
        watch({"event": "1980, without a teacher", "done": done, "total": len(seeds)})
    path = out / "winners-1980.png"
    title = "1980: what wins for five patterns that no one has named"
    plots_results.draw_winners(title, images_NCHW[:, 0].numpy(), np.stack(outputs), list(seeds), path)
    return {"runs": runs, "seconds": round(time.perf_counter() - started, 2)}, [path]


class _Handwritten(NamedTuple):
    train_NCHW: Tensor
    train_labels_N: Tensor
    test_NCHW: Tensor
    test_labels_N: Tensor
    classes: tuple[str, ...]


def _mnist(count: int, data_dir: str | None) -> _Handwritten:
    """The first `count` training images and all test images, as the network sees them."""
    examples = read("mnist", data_dir)
    assert examples.pixels_NHWC is not None
    train_N, test_N = (np.flatnonzero(examples.parts_N == part) for part in (Part.TRAIN, Part.TEST))
    if count > len(train_N):
        raise SettingError(f"expected at most {len(train_N):,} training images of MNIST; got {count:,}.")
    train_N = train_N[:count]
    pixels = [torch.from_numpy(examples.pixels_NHWC[rows_N, :, :, 0]).float() / 255 for rows_N in (train_N, test_N)]
    labels = [torch.from_numpy(examples.labels_N[rows_N]) for rows_N in (train_N, test_N)]
    return _Handwritten(growing.shrunk(pixels[0]), labels[0], growing.shrunk(pixels[1]), labels[1], tuple(examples.classes))


def _on_mnist(scans: _Handwritten, out: Path, watch: Watch) -> tuple[Json, list[Path]]:
    from striate.history.neocognitron import plots_results

    tests = len(scans.test_NCHW)
    started = time.perf_counter()
    net = growing.learn(growing.empty(), scans.train_NCHW, scans.train_labels_N, watch)
    learned = time.perf_counter()
    predicted: list[int] = []
    for batch in torch.split(scans.test_NCHW, _BATCH):
        predicted += predict(net(batch)).tolist()
        watch({"event": "testing", "done": len(predicted), "total": tests})
    score = mnist_score(np.array(predicted), scans.test_labels_N.numpy())
    files = [out / "confusion-mnist.png"]
    title = f"MNIST: accuracy {score['accuracy']:.4f} of {tests:,} test digits"
    plots_results.draw_confusion(title, np.array(score.pop("confusion")), scans.classes, files[0])
    files.append(
        _draw_activations(net, scans.test_NCHW[0, 0], "A test digit of MNIST in the network that grew", out / "grown.png")
    )
    return {
        **score, "train": len(scans.train_NCHW), "planes": [row.planes for row in table(net) if row.name.startswith("us")],
        "learning_seconds": round(learned - started, 1), "testing_seconds": round(time.perf_counter() - learned, 1),
    }, files  # fmt: skip


def mnist_score(said_N: NDArray[np.int64], labels_N: NDArray[np.int64]) -> Json:
    """Accuracy with its 95 % interval, how many were rejected (-1, counted as wrong), and the confusion of the others."""
    right = wilson(int((said_N == labels_N).sum()), len(labels_N))
    counts_KK = np.zeros((10, 10), np.int64)
    np.add.at(counts_KK, (labels_N[said_N >= 0], said_N[said_N >= 0]), 1)
    return {
        "accuracy": right.value, "low": right.low, "high": right.high, "n": right.n, "rejected": int((said_N < 0).sum()),
        "confusion": counts_KK.tolist(),
    }  # fmt: skip


def _draw_supervised(net: Neocognitron, out: Path) -> list[Path]:
    from striate.history.neocognitron import plots as images

    names = {
        1: [f"{group * 22.5:g}°" for group, n in enumerate(DESIGN_1988.stages[0][1].groups) for _ in range(n)],
        2: [feature.name for feature in features.FEATURES],
        3: [part.name for part in features.PARTS],
        4: [f"digit {plane.digit}" for plane in digits.TRAINING],
    }
    files = []
    for stage, (start, side) in {1: (8, 3), 2: (5, 9), 3: (0, 19), 4: (0, 19)}.items():
        inside = slice(start, start + side)
        exemplars: list[list[NDArray[np.float32]]] = [[] for _ in names[stage]]
        for lesson in teacher.lessons(stage):
            exemplars[lesson.plane].append(lesson.image_HW[inside, inside].numpy())
        shown = [images.Shown(plane, *pair) for plane, pair in enumerate(zip(names[stage], exemplars, strict=True))]
        title = f"What the teacher shows us{stage}: {len(shown)} planes, {sum(map(len, exemplars))} exemplars"
        files.append(out / f"templates-us{stage}.png")
        images.draw_templates(title, shown, files[-1], columns=6 if stage == 1 else 4)
    files.append(out / "table-1988.png")
    images.draw_table("The neocognitron of 1988", table(net), files[-1])
    title = "A 5 in a style it was not taught, in every plane of the neocognitron of 1988"
    files.append(_draw_activations(net, render(digits.OTHERS[5], net.design.size_px), title, out / "activations.png"))
    return files


def _draw_activations(net: Neocognitron, image_HW: Tensor, title: str, path: Path) -> Path:
    from striate.history.neocognitron import plots as images

    with taps(net, *net.taps) as seen:
        net(image_HW[None, None])
    sheets = [
        images.Sheet(name, maps[0].view(maps.shape[1], *(maps.shape[2:] or (1, 1))).numpy()) for name, maps in seen.items()
    ]
    images.draw_activations(title, image_HW.numpy(), sheets, path)
    return path


def _rounded(outputs_K: Tensor) -> list[float]:
    return [round(value, 4) for value in outputs_K.tolist()]


def _lines(result: Json) -> list[str]:
    taught, alone = result["supervised"], result["unsupervised"]
    counts = {name: f"{taught[name]['right']} of {taught[name]['of']}" for name in ("templates", "shifted", "others")}
    five = sum(run["distinct"] == len(run["winners"]) for run in alone["runs"])
    lines = [
        f"1988, with a teacher: {counts['templates']} templates recognized, {counts['shifted']} of them shifted by one pixel, "
        f"{counts['others']} digits in other styles ({taught['seconds']:.1f} s)",
        f"1980, without a teacher: {five} of {len(alone['runs'])} seeds end with five distinct winners for five patterns "
        f"({alone['seconds']:.1f} s)",
    ]
    if (image := result["image"]) is not None:
        meaning = "nothing it knows" if image["answer"] < 0 else f"a {image['answer']}"
        lines.append(f"{image['path']}: {meaning}")
    if (grown := result["mnist"]) is not None:
        planes = " + ".join(map(str, grown["planes"]))
        between = f"95 % interval {grown['low']:.4f} to {grown['high']:.4f}, {grown['n']:,} images"
        took = f"learning {grown['learning_seconds']:.0f} s, testing {grown['testing_seconds']:.0f} s"
        scored = f"test accuracy {grown['accuracy']:.4f} ({between})"
        lines.append(f"MNIST, {grown['train']:,} training images: {scored}; {planes} S-planes; {took}")
    return lines
