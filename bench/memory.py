"""How much memory commands take on images of 224 px, in MB above a process that has imported torch alone.

Networks with random weights, a run of each from one training step on 83 photographs' worth of noise. Each command is a fresh
process; its resident memory, and
what its children have of their own, is read from /proc every 20 ms, and the largest sum counts. A map of evidence
is judged with fewer shifted controls than by default, which changes the time and not the memory.

    python bench/memory.py [WORD ...]    # of all rows those that hold each word
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

NETS = ("resnet18", "resnet50", "vgg16", "efficientnet_lite0")
METHODS = ("saliency", "deconvnet", "guided", "gradcam", "integrated_gradients", "occlusion")
IMAGE = "photos/a/00.jpg"
JUDGED = """
import sys
import striate
from striate.interpret.attribution import explain_all
from striate.interpret.faithfulness import FaithfulnessTest
explain_all(striate.load(sys.argv[1]), sys.argv[2], [sys.argv[3]], test=FaithfulnessTest(shifts=9, orders=1, copies=1))
"""
TORCH = """
import torch
from pathlib import Path
print(next(int(line.split()[1]) * 1024 / 1e6 for line in Path("/proc/self/status").open() if line.startswith("VmRSS")))
"""
SECONDS = 0.02


def commands(net: str) -> dict[str, list[str]]:
    striate = ["-m", "striate"]
    return {
        "predict": [*striate, "predict", net, "photos", "--out", "rows.csv"],
        "evaluate": [*striate, "evaluate", net, "photos"],
        "inspect": [*striate, "inspect", net],
        "inspect --filters": [*striate, "inspect", net, "--filters"],
        "inspect --layer": [*striate, "inspect", net, "--layer", {"vgg16": "conv3_1"}.get(net, "conv1")],
        "inspect IMAGE": [*striate, "inspect", net, IMAGE, "--method", "saliency", "--layer", "conv1"],
        **{method: ["-c", JUDGED, net, IMAGE, method] for method in METHODS},
        "report": [*striate, "report", net],
    }


def resident(process: int) -> int:
    """Bytes that a process has in memory, and its descendants of their own or as their share."""
    total, pending = _field(process, "status", "VmRSS"), _children(process)
    while pending:
        number = pending.pop()
        if _command(number) != _command(process):  # until it runs a program of its own, its memory is its parent's
            total += _field(number, "smaps_rollup", "Pss")
        pending += _children(number)
    return total


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def _field(process: int, file: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:  # it has ended
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _children(process: int) -> list[int]:
    try:
        files = [task / "children" for task in Path(f"/proc/{process}/task").iterdir()]
        return [int(number) for file in files for number in file.read_text().split()]
    except OSError:
        return []


def peak_mb(arguments: list[str]) -> tuple[float, float]:
    """The largest sum during a command, and its seconds."""
    begun, most = time.perf_counter(), 0
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            most = max(most, resident(process.pid))
            time.sleep(SECONDS)
        if process.returncode:
            raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}: {process.stderr.read().decode()[-2000:]}")
    return most / 1e6, time.perf_counter() - begun


def make_photos() -> None:
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for number in range(83):
        coarse = generator.integers(0, 256, (12, 16, 3), np.uint8)
        path = Path(f"photos/{'ab'[number % 2]}/{number:02}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse).resize((500, 375)).save(path)


def main(words: list[str]) -> None:
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        make_photos()
        torch_mb = float(subprocess.check_output([sys.executable, "-c", TORCH]))
        print(f"import torch {torch_mb:.0f} MB", flush=True)
        for net in NETS:
            rows = {name: row for name, row in commands(net).items() if all(word in f"{name} {net}" for word in words)}
            if not rows:
                continue
            settings = ["--set", "train.batch_size=4", "--set", "train.steps=1", "--set", "preprocess.size_px=224"]
            row = ["-m", "striate", "train", "photos", "--net", net, "--name", net, "--no-report", *settings]
            for name, arguments in {"train, a step of 4": row, **rows}.items():
                most, seconds = peak_mb(arguments)
                print(f"{net:20} {name:22} {most - torch_mb:6.0f} MB  {seconds:5.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
