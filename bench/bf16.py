"""What products in bfloat16 cost in accuracy: the same trainings in fp32 and in bf16, seed by seed, and their predictions.

Digits by the network that is the default for them, MNIST by the schedule of `mnist_99.py`, five epochs of lenet5_modern on
CIFAR-10, and five epochs of all weights of `resnet20@cifar10` on the digits. Of each the difference of the accuracies on the
test images in points, its mean over the seeds, and Student's 95 % interval of that. A second table has the same of the networks
that were trained in bf16, when they predict the test images in fp32 and in bf16.

A step of mnist_cnn took twelve times as long in bfloat16 as in fp32 on a CPU without instructions for it. Unless `--native` is
given, what they compute is made of fp32: convolutions and matrix products take inputs, weights and gradients rounded to
bfloat16, add up their products in fp32, and round the result. `--compare` prints how far a step made so is from torch's own.

    python bench/bf16.py --threads 1
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import numpy as np
import rows
import torch
from mnist_99 import STRIATE, VAL_SHARE
from torch import Tensor
from torch.nn import functional

import striate
from striate.base import run_folder
from striate.base.events import quiet
from striate.base.signals import Stop
from striate.nets.factory import build
from striate.workflows.open_run import open_run

Json = dict[str, Any]
T_975 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}  # by the number of seeds
FEW: Json = {"finetune": {"retrain": {"epochs": 5}}}
JOBS: dict[str, tuple[str, Json]] = {  # what it is, and what `train` or `finetune` takes
    "digits": ("digits", {}),
    "mnist": ("mnist", {"recipe": "mnist_cnn", "settings": {**STRIATE, "data": {"val_share": VAL_SHARE}}}),
    "cifar10": ("cifar10", {"net": "lenet5_modern", "settings": {"train": {"epochs": 5}}}),
    "finetune": ("digits", {"weights": "resnet20@cifar10", "strategies": "retrain", "settings": FEW}),
}


class Tested(NamedTuple):
    """What a training came to on its test images."""

    accuracy: float  # where the network predicts in fp32, as at its end
    images: int
    in_bf16: float  # the accuracy where the network predicts in bf16
    other_class: float  # share of the images to which that gives another class


@contextmanager
def products_of_rounded_numbers() -> Iterator[None]:
    """Within the block autocast's convolutions and matrix products are computed in fp32 from numbers rounded to bfloat16."""
    plain: dict[str, Callable[..., Tensor]] = {"conv2d": functional.conv2d, "linear": functional.linear}

    def rounded(name: str) -> Callable[..., Tensor]:
        def product(inputs: Tensor, weight: Tensor, bias: Tensor | None = None, *more: Any, **named: Any) -> Tensor:
            if not torch.is_autocast_enabled("cpu"):
                return plain[name](inputs, weight, bias, *more, **named)
            with torch.autocast("cpu", enabled=False):
                numbers = [None if part is None else part.bfloat16().float() for part in (inputs, weight, bias)]
                return plain[name](*numbers, *more, **named).bfloat16()

        return product

    try:
        for name in plain:
            setattr(functional, name, rounded(name))
        yield
    finally:
        for name, function in plain.items():
            setattr(functional, name, function)


def tested(job: str, precision: str, seed: int, threads: int) -> Tested:
    """One training."""
    data, given = JOBS[job]
    settings = {**given.get("settings", {}), "engine": {"device": "cpu", "threads": threads, "precision": precision}}
    command = striate.finetune if "weights" in given else striate.train
    with tempfile.TemporaryDirectory() as folder:
        result = command(data, **{**given, "settings": settings}, seed=seed, name="run", out=folder, report=False)
        labels_N, plain_N, rounded_N = predicted(Path(result["run"]))
    if (plain_N == labels_N).mean() != result["test"]["accuracy"]:
        raise SystemExit(f"{job}, seed {seed}: other predictions than those of the run")
    return Tested(result["test"]["accuracy"], len(labels_N), (rounded_N == labels_N).mean(), (rounded_N != plain_N).mean())


def predicted(run: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the test images of a run: labels, and what its network predicts in fp32 and in bf16."""
    settings, classes = run_folder.settings(run), list[np.ndarray]()
    for precision in ("fp32", "bf16"):
        model = striate.load(run, precision=precision)
        with open_run(settings, model, Stop(), quiet) as opened:
            rows_M = opened.dataset.parts.test_M
            labels_N = opened.dataset.examples.labels_N[rows_M]
            classes.append(model.logits(opened.dataset.stored.pixels_NHWC[rows_M]).argmax(axis=1))
    return labels_N, classes[0], classes[1]


def child(job: str, precision: str, seed: int, threads: int, native: bool) -> None:
    if precision == "bf16" and not native:
        with products_of_rounded_numbers():
            print(json.dumps(tested(job, precision, seed, threads)))
    else:
        print(json.dumps(tested(job, precision, seed, threads)))


def gradients(bf16: bool) -> Tensor:
    """Of a step of resnet20 on 32 images of noise."""
    torch.manual_seed(0)
    net = build("resnet20", (3, 32, 32), 10).to(memory_format=torch.channels_last).train()
    images_NCHW, labels_N = torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        logits_NK = net(images_NCHW)
    torch.autograd.backward(functional.cross_entropy(logits_NK.float(), labels_N))
    return torch.cat([weight.grad.reshape(-1) for weight in net.parameters() if weight.grad is not None])


def compare() -> None:
    """How far gradients made of fp32 are from those of torch's own bfloat16, beside how far those are from fp32's."""
    native, fp32 = gradients(True), gradients(False)
    with products_of_rounded_numbers():
        emulated = gradients(True)
    for name, first, second in (("made of fp32 and torch's own", emulated, native), ("in bf16 and in fp32", native, fp32)):
        print(f"gradients {name}: {float((first - second).norm() / second.norm()):.4f} of their length apart")


def show(job: str, count: int, pairs: list[tuple[float, float]], more: str = "") -> str:
    """A line of a table: both means of the accuracies in fp32 and bf16, and the difference with its interval over the seeds."""
    differences = [100 * (bf16 - fp32) for fp32, bf16 in pairs]
    half_width = T_975[len(pairs)] * stdev(differences) / sqrt(len(pairs))
    return (
        f"| {job} | {len(pairs)} | {count:,} | {100 * mean(fp32 for fp32, _ in pairs):.2f} | "
        f"{100 * mean(bf16 for _, bf16 in pairs):.2f} | {mean(differences):+.2f} ({mean(differences) - half_width:+.2f} to "
        f"{mean(differences) + half_width:+.2f}) |{more}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, choices=T_975)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--native", action="store_true", help="torch's own bfloat16, whatever the processor has")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--child", nargs=3, metavar=("JOB", "PRECISION", "SEED"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.child:
        job, precision, seed = given.child
        child(job, precision, int(seed), given.threads, given.native)
        return
    if given.compare:
        compare()
        return
    how = "torch's own" if given.native else "made of fp32"
    print(f"striate {striate.__version__}, {rows.here()}, bfloat16 {how}\n")
    head = "| | seeds | test images | fp32, % | bf16, % | difference, points |"
    print(f"{head}\n|---|---|---|---|---|---|", flush=True)
    lines = []
    for job in given.jobs.split(","):
        runs = [[trained(job, precision, seed, given) for precision in ("fp32", "bf16")] for seed in range(given.seeds)]
        count, rounded = runs[0][0].images, [run for _, run in runs]
        print(show(job, count, [(plain.accuracy, run.accuracy) for plain, run in runs]), flush=True)
        other = f" {100 * mean(run.other_class for run in rounded):.2f} |"
        lines.append(show(job, count, [(run.accuracy, run.in_bf16) for run in rounded], other))
    print(f"\nPredictions of the networks trained in bf16:\n\n{head} other class, % |\n|---|---|---|---|---|---|---|")
    print("\n".join(lines))


def trained(job: str, precision: str, seed: int, given: argparse.Namespace) -> Tested:
    """The same in an interpreter of its own."""
    words = ["--child", job, precision, str(seed), "--threads", str(given.threads), *["--native"] * given.native]
    done = subprocess.run([sys.executable, __file__, *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{job} in {precision}, seed {seed}: {done.stderr}")
    answer = Tested(*json.loads(done.stdout.splitlines()[-1]))
    print(f"{job}, seed {seed}, {precision}: {answer}", file=sys.stderr, flush=True)
    return answer


if __name__ == "__main__":
    main()
