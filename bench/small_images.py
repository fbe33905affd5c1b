"""Small color images: `striate train` alone and `--weights none` against what was chosen before, and without augmentation.

Subsets of CIFAR-10 (`$STRIATE_DATA`), 300 images of cats and dogs each and 100 images of each of the ten classes, as folders of
PNG; a model is scored by `striate evaluate` on 2,000 other images. Three subsets and seeds of each. Every training is a command
of its own, report included; the seconds are those of the processor, so that a busy machine counts no other work. About 25
minutes of two quiet cores. `python bench/small_images.py [FOLDER]` keeps images and results in FOLDER, and goes on there.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from striate.data import cifar10
from striate.metrics.intervals import wilson

TASKS = {"cats and dogs, 2 x 300": ((3, 5), 300, 1000), "ten classes, 10 x 100": (tuple(range(10)), 100, 200)}
PLAIN = [word for name in ("shift", "brightness", "contrast", "saturation") for word in ("--set", f"augment.{name}=0")]
COMMANDS = {
    "mnist_cnn": ["--net", "mnist_cnn"],
    "four convolutions": PLAIN,
    "from scratch": ["--weights", "none"],
    "the rule": [],
}
SEEDS = (0, 1, 2)


def write_images(root: Path) -> None:
    """Subsets to train on, from the first 40,000 images, and images to score on, from the last 10,000."""
    data = cifar10.read(Path(os.environ["STRIATE_DATA"]) / "cifar10")
    assert data.pixels_NHWC is not None
    for task, (classes, each, held) in TASKS.items():
        rows = {k: np.flatnonzero(data.labels_N == k) for k in classes}
        folders = {f"{task} {seed}": (seed, each) for seed in SEEDS} | {f"{task} held out": (None, held)}
        for (name, (seed, count)), k in product(folders.items(), classes):
            own = rows[k][rows[k] < 40_000] if seed is not None else rows[k][rows[k] >= 40_000]
            chosen = own[:count] if seed is None else np.random.default_rng([seed, k]).permutation(own)[:count]
            (root / name / data.classes[k]).mkdir(parents=True, exist_ok=True)
            for row in chosen:
                Image.fromarray(data.pixels_NHWC[row]).save(root / name / data.classes[k] / f"{row:05d}.png")


def striate(root: Path, *words: str) -> dict[str, object]:
    """A command's JSON, and the processor's seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "striate", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**json.loads(done.stdout.splitlines()[-1]), "cpu_seconds": seconds}


def measure(root: Path) -> Iterator[dict[str, object]]:
    """A row for each training: those of before, the two that are compared, then the one without augmentation."""
    log = root / "results.jsonl"
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    yield from rows
    done = {(row["task"], row["seed"], row["command"]) for row in rows}
    compared = product(SEEDS, TASKS, ("the rule", "from scratch", "mnist_cnn"))
    for seed, task, command in (*compared, *product(SEEDS, TASKS, ("four convolutions",))):
        if (task, seed, command) in done:
            continue
        name = f"{task} {seed} {command}".replace(" ", "-").replace(",", "")
        trained = striate(root, "train", f"{task} {seed}", "--seed", str(seed), "--name", name, *COMMANDS[command])
        scored = striate(root, "evaluate", f"runs/{name}", f"{task} held out")
        row = {
            "task": task,
            "seed": seed,
            "command": command,
            "accuracy": scored["accuracy"],
            "seconds": trained["cpu_seconds"],
        }
        with log.open("a") as file:
            file.write(json.dumps(row) + "\n")
        yield row


def main(root: Path) -> None:
    if not (root / f"{next(iter(TASKS))} held out").exists():
        write_images(root)
    rows = list(measure(root))
    print("| images | training | accuracy by seed | together, 95 % interval | CPU seconds |\n|---|---|---|---|---|")
    for task, command in product(TASKS, COMMANDS):
        mine = [row for row in rows if (row["task"], row["command"]) == (task, command)]
        right = [round(float(str(row["accuracy"])) * 2000) for row in mine]
        value, low, high, _ = (100 * number for number in wilson(sum(right), 2000 * len(mine)))
        seconds = np.median([float(str(row["seconds"])) for row in mine])
        by_seed = " ".join(f"{number / 20:.1f}" for number in right)
        print(f"| {task} | {command} | {by_seed} | {value:.1f} % ({low:.1f} to {high:.1f}) | {seconds:.0f} |")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with TemporaryDirectory() as folder:
            main(Path(folder))
