"""A training small enough to be done hundreds of times: 30 images of 6 x 6 pixels, 3 classes, batch norm and dropout."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from striate.base import config
from striate.base.signals import Stop
from striate.batches.loader import Loader
from striate.batches.preprocess import Preprocess
from striate.nets.factory import build
from striate.training import device, loop
from striate.training import loss as losses
from striate.training.journal import Event, Journal

LINE = "conv 3x3x4, bn, relu, pool 2, dropout 0.3, fc 8, relu, fc"
PLAIN_LINE = "conv 3x3x4, relu, pool 2, fc 8, relu, fc"


def stream(count: int, batch: int, seed: int | None, first_id: int = 0) -> Loader:
    generator = np.random.default_rng(first_id)
    labels_N = np.arange(count) % 3
    pixels_NHWC = generator.integers(0, 100, (count, 6, 6, 1), np.uint8)
    for row, label in enumerate(labels_N):
        pixels_NHWC[row, 2 * label : 2 * label + 2] += 100
    ids_N = np.arange(count, dtype=np.uint64) + np.uint64(first_id)
    half = Preprocess(torch.full((1, 1, 1), 0.4), torch.full((1, 1, 1), 0.3))
    return Loader(pixels_NHWC, labels_N, ids_N, np.arange(count), half, batch, seed)


def task(folder: Path | None, line: str = LINE, steps: int = 12, seed: int = 0, **settings: Any) -> loop.Task:
    if folder is not None:
        folder.mkdir(exist_ok=True)
    train = config.Train.model_validate({"batch_size": 8, "lr": 0.02, "steps": steps, **settings})
    return loop.Task(
        net=build(line, (1, 6, 6), 3, seed=seed),
        train=stream(30, train.batch_size, seed),
        val=stream(9, 4, None, first_id=1000),
        settings=train,
        steps=steps,
        loss=losses.make(train, None),
        engine=device.pick(config.Engine(device="cpu")),
        seed=seed,
        journal=Journal(None if folder is None else folder / "journal.jsonl"),
        checkpoints=None if folder is None else folder / "checkpoints",
        stop=Stop(),
        names=lambda ids: [f"image {i}" for i in ids],
    )


def stopping_at(made: loop.Task, step: int) -> loop.Task:
    """The same task, which is asked to stop when it has made so many steps."""

    def watch(event: Event) -> None:
        if event["event"] == "step" and event["step"] == step:
            made.stop.signal = "SIGTERM"

    object.__setattr__(made, "observers", [watch])
    return made


def digest(net: nn.Module) -> str:
    hasher = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        hasher.update(name.encode())
        hasher.update(tensor.numpy().tobytes())
    return hasher.hexdigest()
