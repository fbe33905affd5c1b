"""Seconds of adapting a new last layer: on features computed once, against the same training with the body in the loop.

2,000 photographs of 224 px (made here) to learn from and 200 to validate on, a ResNet-18 with random weights, 20 epochs, no
augmentation. One after another in one run, each with the same number of threads.

- striate adapt: the product's own `striate.finetune(..., strategies="adapt")`: one pass of the frozen body over the images
  of both parts, then 20 epochs of the head on what it gave. Reading the files into the pixel store comes before, for both.
- the body in the loop: the product's own training loop on the same batches from the same store, with the body in evaluation
  mode and without gradients. Two epochs are timed and scaled to 20. The heads after two epochs of the same schedule are
  compared.
- torchvision's transfer tutorial ("ConvNet as fixed feature extractor"), with its transforms and its frozen body, which
  stays in training mode there; a part of an epoch is timed and scaled to 20. It decodes the files in each epoch, with as
  many workers as threads.
- fastai's `fine_tune(20)`: one epoch of the head, then 20 of everything; a part of each is timed and scaled. Where it is
  installed.

    python bench/finetune.py --threads 1
"""

import argparse
import copy
import itertools
import tempfile
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import limits
import numpy as np
import rows
import torch
from loader import CLASSES, make_photos
from torch import nn

import striate
from striate.base import config, run_folder
from striate.base.signals import Stop
from striate.batches.loader import Loader
from striate.batches.preprocess import Preprocess
from striate.data import sources
from striate.data.decode import InputSpec
from striate.model import Model
from striate.nets.factory import build
from striate.nets.frozen_batchnorm import freeze_batchnorm
from striate.training import device as engine
from striate.training import loop
from striate.training import loss as losses
from striate.training.journal import Journal
from striate.training.transfer.feature_cache import compute
from striate.training.transfer.head_training import FeatureStream, fresh
from striate.workflows import dataset

EPOCHS, TIMED, SIDE, BATCH = 20, 2, 224, 64
TUTORIAL_BATCHES, FINE_TUNE_BATCHES = 8, 6


def make_start(folder: Path) -> Path:
    """A ResNet-18 of random weights, as a model's folder."""
    numbers = Preprocess(torch.full((3, 1, 1), 0.45), torch.full((3, 1, 1), 0.225))
    net = build("resnet18", (3, SIDE, SIDE), 1000).eval()
    classes = tuple(f"c{k}" for k in range(1000))
    Model(net, "resnet18", {}, numbers, InputSpec(SIDE, 3, "crop"), classes).save(folder)
    return folder


def adapted(data: Path, start: Path, out: Path, threads: int) -> tuple[float, Path]:
    """Seconds of the strategy by itself, and its run."""
    settings = {
        "augment": {"flip": False}, "engine": {"threads": threads, "precision": "fp32"},
        "finetune": {"adapt": {"epochs": EPOCHS, "batch_size": BATCH}},
    }  # fmt: skip
    found = striate.finetune(str(data), weights=str(start), strategies="adapt", out=out, name="adapt", settings=settings)
    return found["strategies"][0]["seconds"], out / "adapt"


def streams(run: config.Run, numbers: Preprocess, device: engine.Engine) -> dict[str, Loader]:
    made = dataset.gather(sources.read(run.data), run, Stop(), lambda _event: None)

    def stream(rows_M: np.ndarray, batch: int, seed: int | None) -> Loader:
        return Loader(
            pixels_NHWC=made.stored.pixels_NHWC, labels_N=made.examples.labels_N, ids_N=made.examples.ids_N,
            rows_M=rows_M[np.argsort(made.examples.ids_N[rows_M])], preprocess=numbers, batch_size=batch, shuffle_seed=seed,
            device=device.device, channels_last=device.channels_last,
        )  # fmt: skip

    return {"train": stream(made.parts.train_M, BATCH, run.seed), "val": stream(made.parts.val_M, 256, None)}


class Halted(Exception):
    """Enough has been seen."""


def head_after(net: nn.Module, head: nn.Linear, train: Any, val: Any, run: config.Run, device: engine.Engine) -> dict[str, Any]:
    """The head after the timed epochs of a schedule of all, and the seconds until then."""
    settings = run.finetune.adapt
    assert settings is not None
    end, kept = TIMED * train.steps, {}

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["step"] == end:
            kept.update(copy.deepcopy(head.state_dict()))
            raise Halted

    task = loop.Task(
        net=net, train=train, val=val, settings=settings, steps=EPOCHS * train.steps, loss=losses.make(settings, None),
        engine=device, seed=run.seed, journal=Journal(None), checkpoints=None, stop=Stop(), names=lambda _ids: [],
        observers=[watch],
    )  # fmt: skip
    begun = time.perf_counter()
    try:
        loop.fit(task)
    except Halted:
        return {"seconds": time.perf_counter() - begun, **kept}
    raise AssertionError("the loop ended before it was halted")


def compared(run: config.Run, start: Model, device: engine.Engine) -> tuple[float, float, float]:
    """Seconds of all epochs with the body in the loop; the largest difference of the two heads; the largest weight."""
    sides = streams(run, start.preprocess, device)
    body = copy.deepcopy(start.net).requires_grad_(False)
    device.place(body)
    in_order = {part: replace(side, shuffle_seed=None) for part, side in sides.items()}
    features = {part: compute(body, side)[0] for part, side in in_order.items()}
    on_features = {
        part: FeatureStream(
            [values], np.arange(len(values)), side.labels_N[side.rows_M], side.ids_N[side.rows_M], side.batch_size,
            side.shuffle_seed,
        )
        for (part, side), values in zip(sides.items(), (features["train"], features["val"]), strict=True)
    }  # fmt: skip
    head = fresh(512, CLASSES)
    quick = head_after(head, head, on_features["train"], on_features["val"], run, device)
    freeze_batchnorm(body)
    body.fc = fresh(512, CLASSES)
    slow = head_after(body, body.fc, sides["train"], sides["val"], run, device)
    difference = max(float((quick[name] - slow[name]).abs().max()) for name in ("weight", "bias"))
    return slow["seconds"] / TIMED * EPOCHS, difference, float(slow["weight"].abs().max())


def tutorial(data: Path, threads: int) -> float:
    """Seconds of 20 epochs of torchvision's transfer tutorial, from a part of an epoch."""
    from torchvision import datasets, models, transforms

    normal = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    train = [transforms.RandomResizedCrop(SIDE), transforms.RandomHorizontalFlip(), transforms.ToTensor(), normal]
    val = [transforms.Resize(256), transforms.CenterCrop(SIDE), transforms.ToTensor(), normal]
    net = models.resnet18()
    for parameter in net.parameters():
        parameter.requires_grad = False
    net.fc = nn.Linear(512, CLASSES)
    optimizer = torch.optim.SGD(net.fc.parameters(), lr=0.001, momentum=0.9)
    total = 0.0
    for part, steps in (("train", train), ("val", val)):
        images = datasets.ImageFolder(data / part, transforms.Compose(steps))
        loader = torch.utils.data.DataLoader(images, BATCH, shuffle=True, num_workers=threads)
        seen, begun = 0, 0.0
        net.train(part == "train")
        for number, (images_NCHW, labels_N) in enumerate(itertools.islice(loader, TUTORIAL_BATCHES + 1)):
            with torch.set_grad_enabled(part == "train"):
                optimizer.zero_grad()
                lost = nn.functional.cross_entropy(net(images_NCHW), labels_N)
                if part == "train":
                    lost.backward()
                    optimizer.step()
            if number == 0:  # the workers have started
                begun = time.perf_counter()
            else:
                seen += len(labels_N)
        total += (time.perf_counter() - begun) / seen * len(images)
    return total * EPOCHS


def fine_tune(data: Path, threads: int) -> float | None:
    """Seconds of fastai's `fine_tune(20)`, from a part of an epoch of each of its two phases."""
    if find_spec("fastai") is None:
        return None
    from fastai.callback.core import Callback, CancelFitException
    from fastai.vision.all import ImageDataLoaders, Resize, aug_transforms, resnet18, vision_learner

    loaders = ImageDataLoaders.from_folder(
        data, train="train", valid="val", item_tfms=Resize(SIDE), batch_tfms=aug_transforms(), bs=BATCH, num_workers=threads
    )

    class Timed(Callback):
        """Stops after a few batches."""

        def before_fit(self) -> None:
            self.times: list[float] = []

        def after_batch(self) -> None:
            self.times.append(time.perf_counter())
            if len(self.times) > FINE_TUNE_BATCHES:
                raise CancelFitException

    learner = vision_learner(loaders, resnet18, pretrained=False)
    total, steps = 0.0, len(loaders.train_ds) / BATCH
    for epochs, unfrozen in ((1, False), (EPOCHS, True)):
        if unfrozen:
            learner.unfreeze()
        else:
            learner.freeze()
        timed = Timed()
        learner.fit_one_cycle(1, cbs=[timed])
        total += (timed.times[-1] - timed.times[0]) / (len(timed.times) - 1) * steps * epochs
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description="adapting a last layer on kept features, and with the body in the loop")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--images", type=int, default=2000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = root / "photos"
        for seed, (part, count) in enumerate((("train", asked.images), ("val", asked.images // 10), ("test", 2 * CLASSES))):
            make_photos(data / part, count, seed)
        start = make_start(root / "start")
        seconds, made = adapted(data, start, root, asked.threads)
        run, model = run_folder.settings(made), striate.load(start)
        device = engine.pick(run.engine)
        in_loop, difference, largest = compared(run, model, device)
        print(f"{asked.images} images, {EPOCHS} epochs, {asked.threads} threads")
        print(f"Largest difference of the two heads after {TIMED} epochs: {difference:.1e}; largest weight {largest:.3f}.\n")
        print("| | seconds | times striate's adapt |\n|---|---|---|")
        print(f"| striate, adapt | {seconds:,.1f} | 1 |")
        print(f"| the body in the loop | {in_loop:,.0f} | {in_loop / seconds:.1f} |", flush=True)
        beside = ["that training"]
        for name, peer in (("torchvision's tutorial", tutorial), ("fastai, fine_tune", fine_tune)):
            took = peer(data, asked.threads)
            print(f"| {name} | {'not installed | -' if took is None else f'{took:,.0f} | {took / seconds:.1f}'} |", flush=True)
            beside += [] if took is None else [f"{name} {took / seconds:.1f} times"]
    images = asked.images + asked.images // 10
    forward = limits.operations(lambda: model.net(torch.zeros(1, 3, SIDE, SIDE)))
    rows.show(rows.Row(
        "new-head", f"a new last layer of a frozen ResNet-18, {asked.images:,} photographs, {EPOCHS} epochs",
        "10 times the same training with the body in the loop", f"{in_loop / seconds:.1f} times: {seconds:,.0f} s",
        ", ".join(beside), f"1, threads: {asked.threads}; the others scaled from two epochs and less",
        limits.measure(asked.threads).of_operations(forward * images, seconds),
        f"python bench/finetune.py --threads {asked.threads} --images {asked.images}", rows.here(),
    ))  # fmt: skip


if __name__ == "__main__":
    main()
