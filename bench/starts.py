"""How a network's start and its activation change what it learns: `mnist_cnn` on MNIST through the product's own training.

First the initializations, 300 steps of the same recipe, three seeds each: test accuracy, and the training loss over the last 50
steps. Then ReLU against tanh: the step at which the mean training loss of 20 steps first falls below a line. Needs MNIST
(`$STRIATE_DATA`); about 10 minutes on two cores.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import striate

SEEDS, STEPS, LINE = (0, 1, 2), 300, 0.1
BASE: dict[str, Any] = {"train": {"steps": STEPS, "batch_size": 100, "label_smoothing": 0.0}}


def run(folder: Path, net: dict[str, Any], seed: int) -> tuple[dict[str, Any], list[float]]:
    losses: list[float] = []

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            losses.append(event["loss"])

    name = f"{'-'.join(map(str, net.values()))}-{seed}"
    settings = {**BASE, "net": net}
    result = striate.train("mnist", net="mnist_cnn", seed=seed, name=name, out=folder, settings=settings, watch=watch)
    return result, losses


def first_below(losses: list[float], line: float, over: int = 20) -> int | None:
    means = [sum(losses[at - over : at]) / over for at in range(over, len(losses) + 1)]
    return next((at + over for at, mean in enumerate(means) if mean < line), None)


def main() -> None:
    with TemporaryDirectory() as folder:
        for init in ("he", "whitening", "paper", "torch", "orthogonal", "sparse", "scaled"):
            found = [run(Path(folder), {"init": init}, seed) for seed in SEEDS]
            right = [result["test"]["accuracy"] for result, _ in found]
            late = [sum(losses[-50:]) / 50 for _, losses in found]
            early = [sum(losses[:50]) / 50 for _, losses in found]
            print(
                f"init {init:10} test {' '.join(f'{value:.4f}' for value in right)} mean {sum(right) / 3:.4f}; "
                f"training loss of the first 50 steps {sum(early) / 3:.4f}, of the last 50 {sum(late) / 3:.4f}", flush=True,
            )  # fmt: skip
        for activation in ("relu", "tanh"):
            steps = [first_below(run(Path(folder), {"activation": activation}, seed)[1], LINE) for seed in SEEDS]
            print(f"{activation:5} steps to a mean training loss of {LINE}: {steps}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
