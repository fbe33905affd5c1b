"""Whether weights from other classes help: a network trained on five classes of CIFAR-10, 50 images of each of the other five.

The body, resnet20, learns airplane, automobile, bird, cat and deer from 25,000 images by the package's own recipe, in fewer
epochs. Then `striate finetune --strategy all` with its defaults gets 50 images of each of dog, frog, horse, ship and truck
to learn from, 20 of each to choose by, and 1,000 of each to be tested on. Each seed draws other images to learn from and to
choose by; the test images are the same.

    python bench/transfer.py --epochs 8 --seeds 3

Prints a table for each seed and one of all: test accuracy with Wilson's 95 % interval, the paired test against the strategy
that validation chose, and seconds. Needs CIFAR-10 ($STRIATE_DATA).
"""

import argparse
import json
import tempfile
from pathlib import Path
from statistics import mean

import numpy as np
from PIL import Image

import striate
from striate.base.config import Data
from striate.data import sources

TRAIN, VAL, TEST = 50, 20, 1000
BASE = ("airplane", "automobile", "bird", "cat", "deer")


def save(root: Path, numbers: np.ndarray, pixels_NHWC: np.ndarray) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for number in numbers.tolist():
        Image.fromarray(pixels_NHWC[number]).save(root / f"{number:05d}.png", compress_level=1)


def make_base(root: Path, pixels_NHWC: np.ndarray, labels_N: np.ndarray, classes: tuple[str, ...]) -> None:
    for name in BASE:
        save(root / name, np.flatnonzero(labels_N == classes.index(name)), pixels_NHWC)


def make_other(root: Path, pixels_NHWC: np.ndarray, labels_N: np.ndarray, classes: tuple[str, ...], seed: int) -> None:
    for name in classes:
        if name not in BASE:
            numbers = np.random.default_rng(0).permutation(np.flatnonzero(labels_N == classes.index(name)))
            test, rest = numbers[:TEST], np.random.default_rng(1 + seed).permutation(numbers[TEST:])
            for part, chosen in (("train", rest[:TRAIN]), ("val", rest[TRAIN : TRAIN + VAL]), ("test", test)):
                save(root / part / name, chosen, pixels_NHWC)


def rows(found: dict) -> list[str]:
    lines = []
    for row in found["strategies"]:
        test = row["test"]
        against = "chosen" if row["p_value"] is None else f"{row['p_value']:.2g}"
        score = f"{test['accuracy']:.4f} ({test['low']:.4f} to {test['high']:.4f})"
        lines.append(f"| {row['name']} | {row['val']['accuracy']:.3f} | {score} | {against} | {row['seconds']:,.0f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="scratch, extract, adapt and retrain on 250 images of five CIFAR-10 classes")
    parser.add_argument("--epochs", type=int, default=8, help="of the body")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--body", help="a run of this script's that has ended, whose body is taken")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        examples = sources.read(Data(path="cifar10"))
        pixels_NHWC, labels_N = examples.pixels_NHWC, examples.labels_N
        body = asked.body
        if body is None:
            make_base(root / "base", pixels_NHWC, labels_N, examples.classes)
            settings = {"train": {"epochs": asked.epochs}}
            trained = striate.train(str(root / "base"), recipe="resnet20_cifar10", out=root, name="body", settings=settings)
            body = trained["run"]
            print("body:", json.dumps({name: trained[name] for name in ("seconds", "val", "test")}), flush=True)
        every: dict[str, list[dict]] = {}
        for seed in range(asked.seeds):
            data = root / f"other-{seed}"
            make_other(data, pixels_NHWC, labels_N, examples.classes, seed)
            found = striate.finetune(str(data), weights=body, strategies="all", seed=seed, out=root, name=f"run-{seed}")
            print(f"\nseed {seed}\n\n| strategy | validation | test | p | seconds |\n|---|---|---|---|---|")
            print("\n".join(rows(found)), found["sentence"], sep="\n\n", flush=True)
            for row in found["strategies"]:
                every.setdefault(row["name"], []).append(row)
        print("\n| strategy | test, mean of seeds | least | most | seconds |\n|---|---|---|---|---|")
        for name, of_seeds in every.items():
            scores = [row["test"]["accuracy"] for row in of_seeds]
            took = mean(row["seconds"] for row in of_seeds)
            print(f"| {name} | {mean(scores):.4f} | {min(scores):.4f} | {max(scores):.4f} | {took:,.0f} |")


if __name__ == "__main__":
    main()
