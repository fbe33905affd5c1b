"""What the loop, the loader and the metrics cost on top of a bare loop over the same tensors: `mnist_cnn`, batches of 100.

Both train a twin of the same network with the same fused AdamW on the same batches; the bare loop has its batches ready in
memory, as float tensors, and does nothing but zero_grad, forward, cross-entropy, backward, step. They take turns step by step
in one process, so that a noisy machine slows both. Printed: the median time of a step of each, and the ratio, by turn too.
"""

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torch.nn import functional

from striate.base import config
from striate.base.signals import Stop
from striate.batches import preprocess
from striate.batches.loader import Loader
from striate.nets.factory import build
from striate.training import device, loop, optimizer
from striate.training.journal import Event, Journal
from striate.training.loss import cross_entropy

TURNS, STEPS, BATCH, WARM_UP = 5, 100, 100, 5


def dataset() -> Loader:
    generator = np.random.default_rng(0)
    count = STEPS * BATCH
    pixels_NHWC = generator.integers(0, 256, (count, 28, 28, 1), np.uint8)
    labels_N = generator.integers(0, 10, count)
    rows = np.arange(count)
    numbers = preprocess.fit(pixels_NHWC, rows, config.PreprocessSettings())
    return Loader(pixels_NHWC, labels_N, rows.astype(np.uint64), rows, numbers, BATCH, shuffle_seed=0)


def bare(stream: Loader, settings: config.Train) -> Callable[[], None]:
    """One step of the bare loop at each call."""
    batches = [(batch.images_NCHW, batch.labels_N) for batch in stream.epoch(0)]
    net = build("mnist_cnn", (1, 28, 28), 10).train()
    steps = optimizer.make(net, settings)

    def step() -> None:
        images_NCHW, labels_N = batches.pop()
        steps.zero_grad(set_to_none=True)
        torch.autograd.backward(functional.cross_entropy(net(images_NCHW), labels_N))
        steps.step()

    return step


def turn(stream: Loader, val: Loader, settings: config.Train) -> tuple[list[float], list[float]]:
    """Seconds of each step of the bare loop, and of ours, which take turns."""
    bare_step, bare_s, ours_s = bare(stream, settings), [], []
    since = time.perf_counter()

    def watch(event: Event) -> None:
        nonlocal since
        if event["event"] == "step":
            ours_s.append(time.perf_counter() - since)
            begun = time.perf_counter()
            bare_step()
            since = time.perf_counter()
            bare_s.append(since - begun)

    task = loop.Task(
        net=build("mnist_cnn", (1, 28, 28), 10), train=stream, val=val, settings=settings, steps=STEPS, loss=cross_entropy(),
        engine=device.pick(config.Engine(device="cpu")), seed=0, journal=Journal(None), checkpoints=None, stop=Stop(),
        names=lambda ids: [str(i) for i in ids], observers=[watch],
    )  # fmt: skip
    loop.fit(task)
    return bare_s[WARM_UP:], ours_s[WARM_UP:]


def main() -> None:
    stream = dataset()
    val = Loader(
        stream.pixels_NHWC, stream.labels_N, stream.ids_N, stream.rows_M[:100], stream.preprocess, BATCH, shuffle_seed=None
    )
    settings = config.Train(batch_size=BATCH, steps=STEPS)
    bare_s, ours_s, ratios = [], [], []
    for _ in range(TURNS):
        one, other = turn(stream, val, settings)
        bare_s, ours_s = bare_s + one, ours_s + other
        ratios.append(median(other) / median(one))
    print(f"bare loop    {1e3 * median(bare_s):7.2f} ms a step, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"striate      {1e3 * median(ours_s):7.2f} ms a step: loop, loader and metrics included")
    print(f"ratio        {median(ours_s) / median(bare_s):.3f}; by turn {min(ratios):.3f} to {max(ratios):.3f}")


if __name__ == "__main__":
    main()
