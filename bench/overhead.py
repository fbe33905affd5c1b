"""What the loop, the loader and the metrics cost on top of a bare loop over the same tensors.

    python bench/overhead.py                                  # mnist_cnn, 28 px
    python bench/overhead.py --nets resnet18:64,resnet18:224,resnet20:32,googlenet:224
    python bench/overhead.py --nets resnet18:64 --processor   # by the processor's seconds, beside other work

Both train a twin of the same network with the same fused AdamW on the same batches; the bare loop has its batches ready in
memory, as float tensors, and does nothing but zero_grad, forward, cross-entropy, backward, step. It is eager PyTorch in the
faster memory order of `--bare`, channels_last where nothing is said, as its documentation advises. Ours runs as `striate train`
would choose for this machine, or with the settings of `--ours`. They take turns step by step in one process, so that a noisy
machine slows both. Printed: the median time of a step of each, and the ratio, by turn too. The limit is that of the
multiply-adds of forward and backward.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

import limits
import numpy as np
import rows
import torch
from torch import nn

from striate.base import config
from striate.base.signals import Stop
from striate.batches import preprocess
from striate.batches.loader import Loader
from striate.nets.factory import build
from striate.training import device, loop, optimizer
from striate.training.journal import Event, Journal
from striate.training.loss import cross_entropy, over_heads

TURNS, CLASSES, WARM_UP = 5, 10, 2
WORK = {"mnist_cnn": (100, 95), "resnet20": (100, 20), "resnet18": (32, 12), "googlenet": (32, 8)}  # images, steps of a turn
ORDERS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
KEYS = {"resnet18:64": "step-resnet18-64", "resnet18:224": "step-resnet18-224", "resnet20:32": "step-resnet20"}
KEYS |= {"googlenet:224": "step-googlenet"}
MARKS = {False: "1.02 of a bare loop", True: "0.7 of a bare loop in fp32"}  # by whether ours trains in bfloat16


class Size(NamedTuple):
    """What one network trains on."""

    net: str
    side: int
    channels: int
    batch: int
    steps: int  # of a turn, with those that warm up


def size_of(name: str, steps: int | None) -> Size:
    """`NET:SIDE` with its batches; at 224 px they have a quarter of the images."""
    net, _, side = name.partition(":")
    batch, own_steps = WORK[net]
    whole = (steps or own_steps) + WARM_UP
    return Size(net, int(side), 1 if net == "mnist_cnn" else 3, batch if int(side) < 224 else batch // 4, whole)


def dataset(size: Size) -> Loader:
    generator = np.random.default_rng(0)
    count = size.steps * size.batch
    pixels_NHWC = generator.integers(0, 256, (count, size.side, size.side, size.channels), np.uint8)
    labels_N = generator.integers(0, CLASSES, count)
    row_numbers = np.arange(count)
    numbers = preprocess.fit(pixels_NHWC, row_numbers, config.PreprocessSettings())
    return Loader(pixels_NHWC, labels_N, row_numbers.astype(np.uint64), row_numbers, numbers, size.batch, shuffle_seed=0)


def twin(size: Size) -> nn.Module:
    return build(size.net, (size.channels, size.side, size.side), CLASSES)


def bare(stream: Loader, size: Size, settings: config.Train, order: torch.memory_format) -> Callable[[], None]:
    """One step of the bare loop at each call."""
    batches = [(batch.images_NCHW.to(memory_format=order), batch.labels_N) for batch in stream.epoch(0)]
    net = twin(size).to(memory_format=order).train()
    steps, loss = optimizer.make(net, settings), cross_entropy()

    def step() -> None:
        images_NCHW, labels_N = batches.pop()
        steps.zero_grad(set_to_none=True)
        torch.autograd.backward(over_heads(loss, net(images_NCHW), labels_N, None, None).mean())
        steps.step()

    return step


def engine_of(parsed: argparse.Namespace) -> device.Engine:
    """That of our side."""
    return device.pick(config.Engine(device="cpu", **dict(word.split("=") for word in parsed.ours.split(",") if word)))


def turn(stream: Loader, size: Size, parsed: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Seconds of each step of the bare loop, and of ours, which take turns."""
    clock = time.process_time if parsed.processor else time.perf_counter
    settings = config.Train(batch_size=size.batch, steps=size.steps)
    bare_step, bare_s, ours_s = bare(stream, size, settings, ORDERS[parsed.bare]), list[float](), list[float]()
    since = clock()

    def watch(event: Event) -> None:
        nonlocal since
        if event["event"] == "step":
            ours_s.append(clock() - since)
            begun = clock()
            bare_step()
            since = clock()
            bare_s.append(since - begun)

    engine = engine_of(parsed)
    val = Loader(
        stream.pixels_NHWC, stream.labels_N, stream.ids_N, stream.rows_M[:4], stream.preprocess, size.batch, shuffle_seed=None
    )
    task = loop.Task(
        net=engine.place(twin(size)), train=stream, val=val, settings=settings, steps=size.steps, loss=cross_entropy(),
        engine=engine, seed=0, journal=Journal(None), checkpoints=None, stop=Stop(),
        names=lambda ids: [str(i) for i in ids], observers=[watch],
    )  # fmt: skip
    loop.fit(task)
    return bare_s[WARM_UP:], ours_s[WARM_UP:]


def measure(name: str, parsed: argparse.Namespace) -> None:
    """Print the figures of a network, and the row of its job."""
    size = size_of(name, parsed.steps)
    stream = dataset(size)
    bare_s, ours_s, ratios = list[float](), list[float](), list[float]()
    for _ in range(parsed.turns):
        one, other = turn(stream, size, parsed)
        bare_s, ours_s = bare_s + one, ours_s + other
        ratios.append(median(other) / median(one))
    threads, clock = torch.get_num_threads(), "processor" if parsed.processor else "clock"
    print(f"{name}, {size.batch} images a step, {threads} threads, torch {torch.__version__}, by the {clock}")
    print(f"bare loop    {1e3 * median(bare_s):8.2f} ms a step, {parsed.bare}")
    print(f"striate      {1e3 * median(ours_s):8.2f} ms a step: loop, loader and metrics included; {parsed.ours}")
    print(f"ratio        {median(ours_s) / median(bare_s):.3f}; by turn {min(ratios):.3f} to {max(ratios):.3f}", flush=True)
    if name not in KEYS:
        return
    net, images_NCHW = twin(size).train(), torch.zeros(size.batch, size.channels, size.side, size.side)
    labels_N = torch.zeros(size.batch, dtype=torch.int64)
    count = limits.operations(lambda: over_heads(cross_entropy(), net(images_NCHW), labels_N, None, None).sum().backward())
    bf16 = engine_of(parsed).bf16
    command = f"python bench/overhead.py --nets {name} --turns {parsed.turns} --steps {size.steps - WARM_UP}"
    command += f" --ours {parsed.ours}" if parsed.ours else ""
    rows.show(rows.Row(
        f"{KEYS[name]}{'-bf16' * bf16}", f"training step, {size.net}, {size.side} px, {size.batch} images{', bf16' * bf16}",
        MARKS[bf16],
        f"{rows.spread(ratios, 3)}: {1e3 * median(ours_s):.0f} ms", f"bare loop in eager PyTorch, fp32, {parsed.bare}",
        f"{parsed.turns} of {size.steps - WARM_UP} steps, in turns, by the {clock}, threads: {threads}",
        limits.measure(threads, bf16).of_operations(count, median(ours_s)),
        command + (" --processor" if parsed.processor else ""),
        rows.here(),
    ))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="A training step beside that of a bare loop.")
    parser.add_argument("--nets", default="mnist_cnn:28", help="NET:SIDE, several with commas")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--steps", type=int, help="of a turn")
    parser.add_argument("--bare", default="channels_last", choices=ORDERS, help="memory order of the bare loop")
    parser.add_argument("--ours", default="precision=fp32", help="settings of the engine, as channels_last=on,precision=bf16")
    parser.add_argument("--processor", action="store_true", help="seconds of the processor; one thread")
    parsed = parser.parse_args()
    for name in parsed.nets.split(","):
        measure(name, parsed)


if __name__ == "__main__":
    main()
