"""Seconds and training images until 99.0 % on held-out MNIST: striate beside Keras, fastai and plain PyTorch.

The network is the same on every side: conv 5x5x32, pool, conv 5x5x64, pool, fully connected 1024 with dropout .5, and 10;
ReLU; 3,274,634 parameters. So are the images: striate's own split of the 60,000 training images (by hash, within each class)
into 54,999 to learn from and 5,001 held out, and the 10,000 test images. Every training has an interpreter of its own. Sides
take turns seed by seed so that a noisy machine slows all of them, and each gets the same processors and number of threads.

What counts as reaching 99.0 %: the first evaluation point where at least 99.0 % of the held-out images are right.

- The peers are evaluated after every 5,500 images, ten times a pass, and stop at the first point that reaches the line. To take
  the first of many points is to their advantage: one lucky point ends the clock. Plain PyTorch and Keras train at a constant
  rate, as their tutorials do (Adam 1e-3, batches of 100), for at most six passes. The length of fastai's cycle is fixed before
  it begins, as striate's is; it runs with one pass and, as a row of its own, with two, at its default rate and its default
  batches of 64, and may stop on the way.
- striate's schedule has a fixed length below a pass, chosen on the held-out images so that every seed reaches the line. It is
  evaluated once, at its end: the whole schedule counts, and a seed that ends below the line has not reached it; there is no
  second point. In a median such a seed counts as infinite, as a peer's does that runs out of passes.

What the clock counts: the steps, from the first batch to the last before the point, with the loading of batches. It counts no
evaluation, and nothing that comes before the first step: imports, reading, building the network; that is a column of its own,
outside the ratio. The peers have their images in memory as float arrays, normalized beforehand, and transform nothing in Python
image by image. Keras has compiled its step before the clock starts, on a few images, after which weights and optimizer are put
back. All compute in fp32, the peers' default on a CPU; where that has bf16, `striate-bf16` is a second row with that one
setting, and the peers stay as they are. striate takes pixels from its store, normalizes them and counts hits inside the clock.

The settings were chosen on the held-out images, so the score on these is a little too good. The test images are read once by
each training, at its end. The test column has the mean of the seeds and Wilson's 95 % interval of one test of 10,000 images.

A peer that is not installed is left out, and said so:

    pip install fastai keras tensorflow-cpu jax
    python bench/mnist_99.py --seeds 3 --threads 2

Needs MNIST (`$STRIATE_DATA`, else it is downloaded). With three seeds and all sides it takes about 50 minutes on two quiet
cores, by estimate: 60 to 100 s a pass with torch and 140 s with Keras, and one to two passes until the line.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from math import inf, isinf
from pathlib import Path
from statistics import median_high
from typing import Any

import numpy as np
import rows
from mnist_peers import PEERS, QUICK, Clock, Data

LINE = 0.99
VAL_SHARE = 1 / 12
STRIATE: dict[str, Any] = {
    "net": {"dropout": 0.5},
    "train": {
        "steps": 640, "batch_size": 64, "optimizer": "muon-adamw", "lr": 0.003, "muon_lr": 0.1, "betas": (0.9, 0.99),
        "weight_decay": 0.0, "label_smoothing": 0.1, "schedule": "cosine", "warmup": 0.1,
    },
}  # over the recipe mnist_cnn  # fmt: skip
NEEDS = {  # side -> (package to import, package to install) of each that it needs
    "striate": (),
    "striate-bf16": (),
    "torch": (),
    "keras-tensorflow": (("keras", "keras"), ("tensorflow", "tensorflow-cpu")),
    "keras-jax": (("keras", "keras"), ("jax", "jax")),
    "fastai": (("fastai", "fastai"),),
    "fastai-2-passes": (("fastai", "fastai"),),
}
Json = dict[str, Any]


def with_striate(precision: str, quick: bool, seed: int, threads: int, clock: Clock) -> tuple[int, int]:
    """The product's own command with `STRIATE`; right answers and images of the test part."""
    import striate

    settings = {**STRIATE, "data": {"val_share": VAL_SHARE}, "engine": {"threads": threads, "precision": precision}}
    batch = STRIATE["train"]["batch_size"]
    if quick:
        clock.line = 0.3
        settings["train"] = {**STRIATE["train"], "steps": QUICK["train"] // batch}
    last = ended = 0.0

    def watch(event: Json) -> None:
        nonlocal last, ended
        if event["event"] == "step":
            last = time.perf_counter()
        elif event["event"] == "epoch":
            ended = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        found = striate.train("mnist", recipe="mnist_cnn", seed=seed, name="run", out=folder, settings=settings, watch=watch)
        lines = (Path(folder) / "run" / "journal.jsonl").read_text().splitlines()
    epochs = [event for event in map(json.loads, lines) if event["event"] == "epoch"]
    assert len(epochs) == 1, "a schedule below one pass is evaluated once; a longer one needs a clock that stands meanwhile"
    loop_began = ended - epochs[0]["seconds"]  # the journal counts from the first batch to the end of this evaluation
    clock.seconds, clock.began = last - loop_began, time.time() - (time.perf_counter() - loop_began)
    a_pass = found["images"]["train"]
    images = found["steps"] * a_pass // -(-a_pass // batch)  # batches of a pass differ by one image at most
    clock.point(images, found["val"]["accuracy"])
    return round(found["test"]["accuracy"] * found["test"]["n"]), found["test"]["n"]


def child(side: str, seed: int, threads: int, quick: bool, arrays: Path, started: float) -> Json:
    """One training, in an interpreter of its own."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    clock = Clock(LINE)
    if side.startswith("striate"):
        right, count = with_striate("bf16" if side.endswith("bf16") else "fp32", quick, seed, threads, clock)
    else:
        data = Data(arrays, quick)
        clock.line = data.line
        if "keras" not in side:
            import torch

            torch.set_num_threads(threads)
        right, count = PEERS[side](data, seed, clock), len(data.parts["test"][1])
    reached = clock.points[-1][2] >= clock.line
    images, seconds, accuracy = clock.points[-1]
    return {
        "side": side, "seed": seed, "reached": reached, "images": images, "seconds": seconds, "accuracy": accuracy,
        "right": right, "count": count, "before": clock.began - started, "points": clock.points,
    }  # fmt: skip


def spawn(side: str, seed: int, threads: int, quick: bool, arrays: Path) -> Json | None:
    """Run `child` in a fresh interpreter and read the last line of what it prints; None where it failed."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads)), "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
    if side.startswith("keras-"):
        environment["KERAS_BACKEND"] = side.removeprefix("keras-")
    print(f"{side}, seed {seed}", file=sys.stderr, flush=True)
    work = json.dumps([side, seed, threads, quick, str(arrays), time.time()])
    done = subprocess.run([sys.executable, __file__, "--child", work], env=environment, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        print(f"{side}, seed {seed} ended with {done.returncode} and is left out", file=sys.stderr, flush=True)
        return None
    last = done.stdout.splitlines()[-1]
    print(last.decode(), file=sys.stderr, flush=True)
    found: Json = json.loads(last)
    return found


def save_arrays(path: Path) -> None:
    """The images as striate divides them, for the peers; afterwards striate's own store holds them too."""
    from striate.base import config
    from striate.base.signals import Stop
    from striate.data import sources
    from striate.workflows.dataset import gather

    settings = {"data": {"path": "mnist", "val_share": VAL_SHARE}, "preprocess": {"resize_mode": "squash"}}
    run = config.build(config.lay_over(config.recipe("mnist_cnn"), settings))
    dataset = gather(sources.read(run.data), run, Stop(), lambda _event: None)
    arrays = {}
    for part, rows_M in (
        ("train", dataset.parts.train_M), ("held_out", dataset.parts.val_M), ("test", dataset.parts.test_M)
    ):  # fmt: skip
        order = np.random.default_rng(0).permutation(rows_M)
        arrays[f"{part}_pixels"] = dataset.stored.pixels_NHWC[order, :, :, 0]
        arrays[f"{part}_labels"] = dataset.examples.labels_N[order]
    np.savez(path, **arrays)


def until(runs: list[Json], what: str) -> list[float]:
    """Seconds or images until the line, rising; infinite for a seed that did not reach it, so that a median counts it too."""
    return sorted(run[what] if run["reached"] else inf for run in runs)


def spread(values: list[float], digits: int) -> str:
    """Median and range."""
    middle, low, high = (
        "never" if isinf(value) else f"{value:,.{digits}f}" for value in (median_high(values), values[0], values[-1])
    )
    return f"{middle} ({low} to {high})"


def row(side: str, runs: list[Json], ours: float) -> str:
    """One line of the table."""
    from striate.metrics.intervals import wilson

    seconds, reached = until(runs, "seconds"), sum(run["reached"] for run in runs)
    test = wilson(round(sum(run["right"] for run in runs) / len(runs)), runs[0]["count"])
    ratio = ours / median_high(seconds)
    cells = (
        side, f"{reached} of {len(runs)}", spread(seconds, 1), spread(until(runs, "images"), 0),
        " ".join(f"{run['accuracy']:.4f}" for run in runs), f"{test.value:.4f} ({test.low:.4f} to {test.high:.4f})",
        f"{median_high(run['before'] for run in runs):.1f}", f"{ratio:.2f}" if 0 < ratio < inf else "-",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def table(found: dict[str, list[Json]]) -> str:
    """All sides, and how striate stands to the fastest peer."""
    middle = {side: median_high(until(runs, "seconds")) for side, runs in found.items()}
    head = (
        "", "reached 99.0 %", "seconds until then", "training images until then", "held-out at the last point", "test",
        "seconds before the first step", "striate's seconds / its",
    )  # fmt: skip
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += [row(side, runs, middle.get("striate", inf)) for side, runs in found.items()]
    fastest = min((side for side in found if side in PEERS), key=lambda side: middle[side], default=None)
    for side in found if fastest is not None and middle[fastest] < inf else ():
        if side not in PEERS and middle[side] < inf:
            lines.append(f"\n{side} needs {middle[side] / middle[fastest]:.2f} of the seconds of the fastest peer, {fastest}.")
    return "\n".join(lines)


def jobs(found: dict[str, list[Json]], asked: argparse.Namespace) -> list[rows.Row]:
    """The rows of the job, one for each of ours that has run; none where no peer has reached the line."""
    import limits
    import torch
    from torch.nn import functional

    from striate.nets.factory import build

    middle = {side: median_high(until(runs, "seconds")) for side, runs in found.items()}
    fastest = min((side for side in found if side in PEERS), key=lambda side: middle[side], default=None)
    if fastest is None or isinf(middle[fastest]):
        return []
    net = build("mnist_cnn", (1, 28, 28), 10)
    images_NCHW, labels_N = torch.zeros(32, 1, 28, 28), torch.zeros(32, dtype=torch.int64)
    step = limits.operations(lambda: functional.cross_entropy(net(images_NCHW), labels_N).backward())
    sides = "" if asked.sides == ",".join(NEEDS) else f" --sides {asked.sides}"
    others = [package for side in found for _, package in NEEDS[side]]
    result = []
    for side in (side for side in found if side not in PEERS):
        ours, bf16 = found[side], side.endswith("bf16")
        images, seconds = ours[0]["images"], median_high(run["seconds"] for run in ours)
        reached = f"{sum(run['reached'] for run in ours)} of {len(ours)} seeds"
        times = f"{spread(until(ours, 'seconds'), 1)} s against {spread(until(found[fastest], 'seconds'), 1)}"
        result.append(rows.Row(
            f"mnist{'-bf16' * bf16}", f"99.0 % of MNIST with `mnist_cnn`{', bf16 beside peers in fp32' * bf16}",
            "0.2 of the fastest peer's seconds; 5 of 5 seeds",
            f"{middle[side] / middle[fastest]:.2f}: {times}; {reached}",
            f"{fastest}, the fastest of {rows.versions('torch', *dict.fromkeys(others))}",
            f"{len(ours)} seeds, in turns, threads: {asked.threads}",
            limits.measure(asked.threads, bf16).of_operations(step / 32 * images, seconds),
            f"python bench/mnist_99.py --seeds {asked.seeds} --threads {asked.threads}{sides}", rows.here(),
        ))  # fmt: skip
    return result


def absent(side: str) -> str | None:
    """Why a side cannot run here; None where it can."""
    needed = [package for module, package in NEEDS[side] if find_spec(module) is None]
    if needed:
        return f"{' and '.join(needed)} {'are' if len(needed) > 1 else 'is'} not installed: pip install {' '.join(needed)}"
    if side.endswith("bf16"):
        facts = Path("/proc/cpuinfo")
        flags = set(facts.read_text().split()) if facts.exists() else set()
        if not flags & {"avx512_bf16", "amx_bf16"}:
            return "this processor does not say that it computes in bf16"
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds until 99.0 % of held-out MNIST: striate beside its peers.")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to N - 1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sides", default=",".join(NEEDS), help=f"some of {','.join(NEEDS)}")
    parser.add_argument("--quick", action="store_true", help="few images: to see that each side works, not for figures")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        side, seed, threads, quick, arrays, started = json.loads(asked.child)
        print(json.dumps(child(side, seed, threads, quick, Path(arrays), started)))
        return
    found: dict[str, list[Json]] = {}
    for side in asked.sides.split(","):
        if side not in NEEDS:
            parser.error(f"--sides: expected some of {','.join(NEEDS)}; got {side}")
        if reason := absent(side):
            print(f"{side} is left out: {reason}", flush=True)
        else:
            found[side] = []
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "mnist.npz"
        save_arrays(arrays)
        for seed in range(asked.seeds):
            for side, runs in found.items():
                if (run := spawn(side, seed, asked.threads, asked.quick, arrays)) is not None:
                    runs.append(run)
    quick = " QUICK: the line is 0.3, these are no figures." if asked.quick else ""
    print(f"{asked.threads} threads, seeds 0 to {asked.seeds - 1}.{quick}\n")
    found = {side: runs for side, runs in found.items() if runs}
    print(table(found))
    for mine in () if asked.quick else jobs(found, asked):
        rows.show(mine)


if __name__ == "__main__":
    main()
