"""Deeper without shortcuts is worse, deeper with them is not: plain20, plain56, resnet20, resnet56 on CIFAR-10.

The product's own training, a few hundred steps of the paper's rule (SGD, momentum 0.9, weight decay 1e-4, batches of 128) at a
constant rate: printed is the mean training loss over stretches of 50 steps and the validation accuracy at the end. The paper's
claim is about 64,000 steps; this shows how the four begin. Needs CIFAR-10 (`$STRIATE_DATA`); about half an hour on two cores.

    python bench/degradation.py [STEPS] [RATE]
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import striate

NETS = ("plain20", "plain56", "resnet20", "resnet56")


def losses_of(net: str, steps: int, rate: float, folder: Path) -> tuple[list[float], float]:
    losses: list[float] = []

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            losses.append(event["loss"])

    settings = {
        "train": {
            "steps": steps, "batch_size": 128, "optimizer": "sgd", "momentum": 0.9, "weight_decay": 1e-4, "lr": rate,
            "schedule": "constant", "label_smoothing": 0.0,
        },
        "preprocess": {"size_px": 32, "channels": 3},
    }  # fmt: skip
    result = striate.train("cifar10", net=net, name=net, out=folder, settings=settings, watch=watch)
    return losses, result["val"]["accuracy"]


def main(steps: int = 300, rate: float = 0.02) -> None:
    with TemporaryDirectory() as folder:
        for net in NETS:
            losses, right = losses_of(net, steps, rate, Path(folder))
            parts = [sum(losses[at : at + 50]) / len(losses[at : at + 50]) for at in range(0, steps, 50)]
            print(f"{net:9} validation {right:.4f}; loss by 50 steps: {' '.join(f'{loss:.3f}' for loss in parts)}", flush=True)


if __name__ == "__main__":
    main(*(kind(text) for kind, text in zip((int, float), sys.argv[1:], strict=False)))
