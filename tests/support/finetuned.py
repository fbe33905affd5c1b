"""Short fine-tunings of the shipped weights, and how to compare what their strategies left."""

from pathlib import Path
from typing import Any

import torch

import striate

START = "resnet20@cifar10"
NAMES = ["extract", "adapt", "retrain", "scratch"]
SHORT: dict[str, Any] = {
    "adapt": {"epochs": 4}, "retrain": {"epochs": 2, "batch_size": 16}, "scratch": {"epochs": 2, "batch_size": 16}
}  # fmt: skip


def finetune(data: Path | None, out: Path, *names: str, own: dict[str, Any] | None = None, **how: Any) -> dict[str, Any]:
    if names:
        how["strategies"] = list(names)
    short = {name: how for name, how in SHORT.items() if name in names or (name == "adapt" and "retrain" in names)}
    settings = {"finetune": {**short, **(own or {})}, **how.pop("settings", {})}
    return striate.finetune(str(data), weights=START, out=out, name="run", settings=settings, **how)


def weights(run: str | Path, strategy: str) -> dict[str, torch.Tensor]:
    return striate.load(Path(run) / "strategies" / strategy / "model").net.state_dict()


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    assert list(before) == list(after)
    return {name for name in before if before[name].numpy().tobytes() != after[name].numpy().tobytes()}
