"""The neocognitron on its own tasks: ten digits with a teacher, five patterns without one, and growing on MNIST.

Legend: N images, P planes, H x W pixels, K classes.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striate.base.errors import SettingError
from striate.base.events import Json, Watch, quiet
from striate.base.phrases import percent
from striate.data import decode
from striate.data.builtin_datasets import read
from striate.data.examples import Part
from striate.history.demonstration import Demonstration
from striate.history.neocognitron import digits, features, growing, plots, teacher, winners
from striate.history.neocognitron.net import DESIGN_1988, Neocognitron, predict, table
from striate.history.neocognitron.strokes import render, thinned
from striate.metrics.classification import confusion
from striate.metrics.intervals import wilson
from striate.nets.hooks import taps

SHIFTS = tuple((x, y) for y in (-1, 0, 1) for x in (-1, 0, 1) if (x, y) != (0, 0))
SEEDS = 6
_LEAST = 100  # training images of MNIST
_BATCH = 100
_BORDER_PX = 2
_FIVE = "A 5 in an untrained style"  # what is shown where no image is given


def demonstrate(
    out: Path, *, seed: int = 0, image: Path | None = None, mnist: int = 0, data_dir: str | None = None,
    watch: Watch = quiet,
) -> Demonstration:  # fmt: skip
    """Train the networks, test them, draw what they did.

    Args:
        out: folder for the figures.
        seed: of the first of six networks that learn without a teacher.
        image: an image of a digit, for a prediction of the network of 1988; else a 5 that it has not seen.
        mnist: let a network organize itself on so many training images of MNIST, and test it on the 10,000 others.
        data_dir: where MNIST lies, in a folder mnist; else it is looked for in $STRIATE_DATA, or downloaded.
        watch: called with events that have "event", "done" and "total".

    """
    if mnist and mnist < _LEAST:
        raise SettingError(f"expected at least {_LEAST} training images of MNIST, or 0 for none; got {mnist}.")
    digit_HW = None if image is None else as_strokes(image)
    handwritten = _mnist(mnist, data_dir) if mnist else None
    started = time.perf_counter()
    net = teacher.teach(Neocognitron())
    numbers: Json = {"table": [row._asdict() for row in table(net)], "supervised": evaluate(net)}
    numbers["supervised"]["seconds"] = round(time.perf_counter() - started, 2)
    files = [*_draw_templates(net, out), *(out / f"{name}.png" for name in ("table-1988", "activations", "winners-1980"))]
    plots.draw_table("The neocognitron of 1988", table(net), files[-3])
    numbers["image"] = _classified(net, None, render(digits.OTHERS[5], DESIGN_1988.size_px), files[-2])
    numbers["unsupervised"] = _without_teacher(range(seed, seed + SEEDS), files[-1], watch)
    if image is not None and digit_HW is not None:
        files.append(out / "image.png")
        numbers["image"] = _classified(net, image, digit_HW, files[-1])
    numbers["mnist"] = None
    if handwritten is not None:
        numbers["mnist"], mnist_files = _on_mnist(handwritten, out, watch)
        files += mnist_files
    return Demonstration(numbers, _lines(numbers), files)


def evaluate(net: Neocognitron) -> Json:
    """How many templates, templates shifted by a pixel and digits in other styles are recognized; the wrong ones by name."""
    templates = [(plane.digit, strokes) for plane in digits.TRAINING for strokes in plane.exemplars]

    def trials(labeled: Sequence[tuple[int, digits.Strokes]], shift: tuple[int, int] = (0, 0)) -> list[Json]:
        images_NCHW = torch.stack([render(strokes, net.design.size_px, shift) for _, strokes in labeled])[:, None]
        predictions = predict(net(images_NCHW)).tolist()
        return [
            {"digit": label, "prediction": prediction, "number": number, "shift": list(shift)}
            for number, ((label, _), prediction) in enumerate(zip(labeled, predictions, strict=True))
        ]

    parts = {
        "templates": trials(templates),
        "shifted": [trial for shift in SHIFTS for trial in trials(templates, shift)],
        "others": trials([*enumerate(digits.OTHERS)]),
    }
    wrong = {name: [trial for trial in part if trial["digit"] != trial["prediction"]] for name, part in parts.items()}
    return {
        name: {"correct": len(part) - len(wrong[name]), "of": len(part), "wrong": wrong[name]} for name, part in parts.items()
    }


def as_strokes(path: Path) -> Tensor:
    """An image as thin strokes on 19 x 19 pixels, 0 and 1: what differs from its border; of one color, a SettingError."""
    gray_HW = decode.decode_image(path, (255, 255, 255)).mean(axis=2)
    border = np.median(np.concatenate([gray_HW[0], gray_HW[-1], gray_HW[:, 0], gray_HW[:, -1]]))
    ink_HW = np.abs(gray_HW - border)
    if not ink_HW.max() > 0:
        raise SettingError(f"expected an image of a digit; {path} is of one color.")
    rows, columns = (np.flatnonzero((ink_HW > ink_HW.max() / 2).any(axis=axis)) for axis in (1, 0))
    digit_HW = ink_HW[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    margins = [max(digit_HW.shape) - length for length in digit_HW.shape]
    square_HW = np.pad(digit_HW, [(margin // 2, margin - margin // 2) for margin in margins]).astype(np.float32)
    small_HW = growing.shrunk(torch.from_numpy(square_HW)[None], DESIGN_1988.size_px - 2 * _BORDER_PX, 0)[0, 0]
    return thinned(torch.nn.functional.pad((small_HW > small_HW.max() / 2).float(), (_BORDER_PX,) * 4))


def _without_teacher(seeds: range, path: Path, watch: Watch) -> Json:
    images_NCHW, started = winners.patterns(), time.perf_counter()
    runs, outputs = [], []
    for done, seed in enumerate(seeds, start=1):
        outputs.append(winners.organize(images_NCHW, seed)(images_NCHW))
        planes = predict(outputs[-1]).tolist()
        runs.append({"seed": seed, "winners": planes, "distinct": len(set(planes) - {-1})})
        watch({"event": "1980, without a teacher", "done": done, "total": len(seeds)})
    title = "1980: the winning planes for five unlabeled patterns"
    plots.draw_winners(title, images_NCHW[:, 0].numpy(), torch.stack(outputs).numpy(), seeds, path)
    return {"runs": runs, "seconds": round(time.perf_counter() - started, 2)}


def _mnist(count: int, data_dir: str | None) -> dict[Part, tuple[Tensor, Tensor]]:
    """The first `count` training images and all test images, of 19 x 19 pixels, with their labels."""
    examples = read("mnist", data_dir)
    assert examples.pixels_NHWC is not None
    rows = {part: np.flatnonzero(examples.parts_N == part) for part in (Part.TRAIN, Part.TEST)}
    if count > len(rows[Part.TRAIN]):
        raise SettingError(f"expected at most {len(rows[Part.TRAIN]):,} training images of MNIST; got {count:,}.")
    rows[Part.TRAIN] = rows[Part.TRAIN][:count]
    return {
        part: (
            growing.shrunk(torch.from_numpy(examples.pixels_NHWC[rows_N, :, :, 0]).float() / 255),
            torch.from_numpy(examples.labels_N[rows_N]),
        )
        for part, rows_N in rows.items()
    }


def _on_mnist(images: dict[Part, tuple[Tensor, Tensor]], out: Path, watch: Watch) -> tuple[Json, list[Path]]:
    (train_NCHW, train_labels_N), (test_NCHW, test_labels_N) = images[Part.TRAIN], images[Part.TEST]
    started = time.perf_counter()
    net = growing.learn(growing.empty(), train_NCHW, train_labels_N, watch)
    learned = time.perf_counter()
    predictions: list[int] = []
    for batch in torch.split(test_NCHW, _BATCH):
        predictions += predict(net(batch)).tolist()
        watch({"event": "testing", "done": len(predictions), "total": len(test_NCHW)})
    score = mnist_score(np.array(predictions), test_labels_N.numpy())
    files = [out / "confusion-mnist.png", out / "grown.png"]
    title = f"MNIST: accuracy {percent(score['accuracy'])} on {len(test_NCHW):,} test digits"
    plots.draw_confusion(title, np.array(score.pop("confusion")), [str(digit) for digit in range(10)], files[0])
    _draw_activations(net, test_NCHW[0, 0], "A test digit of MNIST in the network that grew", files[1])
    return {
        **score, "train": len(train_NCHW), "planes": [row.planes for row in table(net) if row.name.startswith("us")],
        "learning_seconds": round(learned - started, 1), "testing_seconds": round(time.perf_counter() - learned, 1),
    }, files  # fmt: skip


def mnist_score(predictions_N: NDArray[np.int64], labels_N: NDArray[np.int64]) -> Json:
    """Accuracy with its 95 % interval, how many were rejected (-1, counted as wrong), the confusion matrix of the others."""
    accuracy = wilson(int((predictions_N == labels_N).sum()), len(labels_N))
    accepted_N = predictions_N >= 0
    counts_KK = confusion(predictions_N[accepted_N], labels_N[accepted_N], 10)
    return {
        "accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high, "n": accuracy.n,
        "rejected": int((~accepted_N).sum()), "confusion": counts_KK.tolist(),
    }  # fmt: skip


def plane_names(net: Neocognitron) -> dict[str, list[str]]:
    """What the planes of each layer stand for; of layers that organized themselves below the digits, their numbers."""
    names: dict[str, list[str]] = {}
    taught = {2: [feature.name for feature in features.FEATURES], 3: [part.name for part in features.PARTS]}
    for stage, (s_row, c_row) in enumerate(net.design.stages, start=1):
        groups = c_row.groups
        if stage in taught:
            own = groups == DESIGN_1988.stages[stage - 1][1].groups
            s_names = taught[stage] if own else [str(plane) for plane in range(s_row.planes)]
            c_names = [s_names[first] for first in np.cumsum([0, *groups[:-1]])]
        else:
            c_names = [f"{group * 22.5:g}°" if stage == 1 else f"digit {group}" for group in range(len(groups))]
            s_names = [c_names[group] for group, count in enumerate(groups) for _ in range(count)]
        names |= {f"us{stage}": s_names, f"uc{stage}": c_names}
    return names


def _draw_templates(net: Neocognitron, out: Path) -> list[Path]:
    names, files = plane_names(net), []
    for stage, (start, side) in {1: (8, 3), 2: (5, 9), 3: (0, 19), 4: (0, 19)}.items():
        inside = slice(start, start + side)
        exemplars: list[list[NDArray[np.float32]]] = [[] for _ in names[f"us{stage}"]]
        for lesson in teacher.lessons(stage):
            exemplars[lesson.plane].append(lesson.image_HW[inside, inside].numpy())
        title = f"Training patterns of us{stage}: {len(exemplars)} planes, {sum(map(len, exemplars))} exemplars"
        files.append(out / f"templates-us{stage}.png")
        planes = [*zip(names[f"us{stage}"], exemplars, strict=True)]
        plots.draw_templates(title, planes, files[-1], columns=6 if stage == 1 else 4)
    return files


def _classified(net: Neocognitron, image: Path | None, digit_HW: Tensor, path: Path) -> Json:
    """The prediction of the network of 1988 for one digit, drawn in every plane."""
    outputs_NK = net(digit_HW[None, None])
    prediction = int(predict(outputs_NK)[0])
    answer = "none" if prediction < 0 else str(prediction)
    title = f"{image.name if image else _FIVE} in every plane of the neocognitron of 1988; prediction: {answer}"
    _draw_activations(net, digit_HW, title, path)
    outputs = [round(value, 4) for value in outputs_NK[0].tolist()]
    return {"path": str(image) if image else None, "prediction": prediction, "outputs": outputs}


def _draw_activations(net: Neocognitron, image_HW: Tensor, title: str, path: Path) -> None:
    with taps(net, *net.taps) as maps:
        net(image_HW[None, None])
    responses = {name: m[0].view(m.shape[1], *(m.shape[2:] or (1, 1))).numpy() for name, m in maps.items()}
    plots.draw_activations(title, image_HW.numpy(), responses, plane_names(net), path)


def _lines(numbers: Json) -> list[str]:
    supervised, runs = numbers["supervised"], numbers["unsupervised"]["runs"]
    counts = {name: f"{supervised[name]['correct']} of {supervised[name]['of']}" for name in ("templates", "shifted", "others")}
    five = sum(run["distinct"] == len(run["winners"]) for run in runs)
    lines = [
        f"1988, with a teacher: {counts['templates']} templates recognized, {counts['shifted']} of them shifted by one pixel, "
        f"{counts['others']} digits in other styles ({supervised['seconds']:.1f} s)",
        f"1980, without a teacher: {five} of {len(runs)} seeds end with five distinct winners for five patterns "
        f"({numbers['unsupervised']['seconds']:.1f} s)",
    ]
    image = numbers["image"]
    lines.append(f"{image['path'] or _FIVE}: {'no digit recognized' if image['prediction'] < 0 else image['prediction']}")
    if (mnist := numbers["mnist"]) is not None:
        planes = " + ".join(map(str, mnist["planes"]))
        interval = f"95 % interval {percent(mnist['low'])} to {percent(mnist['high'])}, {mnist['n']:,} images"
        lines.append(
            f"MNIST, {mnist['train']:,} training images: test accuracy {percent(mnist['accuracy'])} ({interval}); {planes} "
            f"S-planes; learning {mnist['learning_seconds']:.0f} s, testing {mnist['testing_seconds']:.0f} s"
        )
    return lines
