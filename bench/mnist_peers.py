"""The peers of `mnist_99.py`: the textbook's network in plain PyTorch, fastai and Keras, each with the clock that they share.

Each takes the images, a seed and the clock, trains until a point reaches the line, and returns its right answers among the test
images.

Legend: N images.
"""

import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

EVERY = 5_500  # images from one evaluation to the next
BATCH, RATE = 100, 1e-3  # of plain PyTorch and of Keras
PASSES = 6  # most passes at a constant rate
QUICK = {"train": 1_500, "held_out": 500, "test": 500}  # images; the line is 0.3 and a point comes every 500


class Clock:
    """Runs while a side trains, stands while it is evaluated; keeps the points."""

    def __init__(self, line: float) -> None:
        self.line, self.seconds, self.began = line, 0.0, 0.0
        self.since: float | None = None
        self.points: list[tuple[int, float, float]] = []

    def run(self) -> None:
        self.since = time.perf_counter()
        self.began = self.began or time.time()

    def stand(self) -> None:
        if self.since is not None:
            self.seconds += time.perf_counter() - self.since
        self.since = None

    def point(self, images: int, accuracy: float) -> bool:
        """Note an evaluation; whether the line is reached."""
        self.points.append((images, self.seconds, accuracy))
        print(f"{images:7,} images {self.seconds:7.1f} s {accuracy:.4f}", file=sys.stderr, flush=True)
        return accuracy >= self.line


class Data:
    """The images that a peer trains on: float32 N x 28 x 28, normalized, and labels; fewer of them where `quick`."""

    def __init__(self, path: Path, quick: bool) -> None:
        stored = np.load(path)
        self.parts = {}
        for part in ("train", "held_out", "test"):
            pixels, labels = stored[f"{part}_pixels"], stored[f"{part}_labels"]
            count = QUICK[part] if quick else len(labels)
            scaled = (pixels[:count].astype(np.float32) / 255 - np.float32(0.1307)) / np.float32(0.3081)
            self.parts[part] = (scaled, labels[:count])
        self.every = 500 if quick else EVERY
        self.line = 0.3 if quick else 0.99
        self.passes = 1 if quick else PASSES


def on_torch(data: Data) -> tuple[Any, Any]:
    """The network, and a function that counts right answers of a part, for the two sides that compute with torch."""
    import torch
    from torch import nn

    net = nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 7 * 7, 1024), nn.ReLU(), nn.Dropout(0.5), nn.Linear(1024, 10),
    )  # fmt: skip

    @torch.inference_mode()
    def right(part: str) -> int:
        net.eval()
        images_NCHW, labels_N = tensors(data, part)
        hits = [(net(x).argmax(1) == y).sum() for x, y in zip(images_NCHW.split(250), labels_N.split(250), strict=True)]
        net.train()
        return int(sum(hits))

    return net, right


def tensors(data: Data, part: str) -> tuple[Any, Any]:
    import torch

    images, labels = data.parts[part]
    return torch.from_numpy(images)[:, None], torch.from_numpy(labels)


def with_torch(data: Data, seed: int, clock: Clock) -> int:
    """The loop of a PyTorch tutorial. Like the other peers: returns the right answers among the test images."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(seed)
    net, right = on_torch(data)
    loader = DataLoader(TensorDataset(*tensors(data, "train")), batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    loss_of = torch.nn.CrossEntropyLoss()
    seen, due = 0, data.every
    net.train()
    clock.run()
    for _ in range(data.passes):
        for images_NCHW, labels_N in loader:
            optimizer.zero_grad()
            loss_of(net(images_NCHW), labels_N).backward()
            optimizer.step()
            seen += len(labels_N)
            if seen >= due - BATCH // 2:  # a pass ends with a batch of 99
                clock.stand()
                due += data.every
                if clock.point(seen, right("held_out") / len(data.parts["held_out"][1])):
                    return int(right("test"))
                clock.run()
    return int(right("test"))


def with_fastai(data: Data, seed: int, clock: Clock, passes: int) -> int:
    """One cycle of fastai with its default rate, over tensors in memory: its image blocks would open an image at a time."""
    from fastai.tabular.all import (  # the lightest of its bundles; a Learner gets fit_one_cycle and no_bar by import
        Callback,
        CancelFitException,
        CrossEntropyLossFlat,
        DataLoaders,
        Learner,
        set_seed,
    )
    from torch.utils.data import DataLoader, TensorDataset

    set_seed(seed)
    net, right = on_torch(data)
    held = len(data.parts["held_out"][1])
    train, val = (TensorDataset(*tensors(data, part)) for part in ("train", "held_out"))

    class Points(Callback):
        seen, due, order = 0, data.every, 90

        def before_train(self) -> None:
            clock.run()

        def after_batch(self) -> None:
            if not self.learn.training:
                return
            self.seen += len(self.learn.yb[0])
            if self.seen >= self.due:
                clock.stand()
                self.due += data.every
                if clock.point(self.seen, right("held_out") / held):
                    raise CancelFitException
                clock.run()

        def after_train(self) -> None:
            clock.stand()

        def before_validate(self) -> None:
            if self.learn.epoch == self.learn.n_epoch - 1:
                clock.point(self.seen, right("held_out") / held)

    loaders = DataLoaders(DataLoader(train, batch_size=64, shuffle=True, drop_last=True), DataLoader(val, batch_size=250))
    learner = Learner(loaders, net, loss_func=CrossEntropyLossFlat(), cbs=Points())
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(passes)
    return int(right("test"))


def with_keras(data: Data, seed: int, clock: Clock) -> int:
    """`model.fit` on arrays; its "epoch" is the way from one point to the next, and the pass goes on after it."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 5, padding="same", activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 5, padding="same", activation="relu"), layers.MaxPooling2D(2),
        layers.Flatten(), layers.Dense(1024, activation="relu"), layers.Dropout(0.5), layers.Dense(10),
    ])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(RATE), loss=loss, metrics=["accuracy"])
    parts = {part: (images[..., None], labels) for part, (images, labels) in data.parts.items()}
    images, labels = parts["train"]
    pass_steps, steps = -(-len(labels) // BATCH), data.every // BATCH

    model.optimizer.build(model.trainable_variables)
    state = [*model.variables, *model.optimizer.variables]
    before = [keras.ops.convert_to_numpy(variable) for variable in state]
    odd = len(labels) % BATCH
    model.fit(images[: 2 * BATCH + odd], labels[: 2 * BATCH + odd], batch_size=BATCH, verbose=0)  # compiles for both sizes
    for variable, value in zip(state, before, strict=True):
        variable.assign(value)

    class Points(keras.callbacks.Callback):
        def on_epoch_begin(self, _epoch: int, _logs: Any = None) -> None:
            clock.run()

        def on_test_begin(self, _logs: Any = None) -> None:
            keras.ops.convert_to_numpy(model.trainable_variables[-1])  # waits for the last step
            clock.stand()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            done = (epoch + 1) * steps
            seen = done // pass_steps * len(labels) + done % pass_steps * BATCH
            model.stop_training = clock.point(seen, float(logs["val_accuracy"]))

    model.fit(
        images, labels, batch_size=BATCH, epochs=data.passes * pass_steps // steps, steps_per_epoch=steps, shuffle=True,
        validation_data=parts["held_out"], validation_batch_size=250, callbacks=[Points()], verbose=0,
    )  # fmt: skip
    images, labels = parts["test"]
    return int((model.predict(images, batch_size=250, verbose=0).argmax(1) == labels).sum())


PEERS = {
    "torch": with_torch,
    "keras-tensorflow": with_keras,
    "keras-jax": with_keras,
    "fastai": partial(with_fastai, passes=1),
    "fastai-2-passes": partial(with_fastai, passes=2),
}
