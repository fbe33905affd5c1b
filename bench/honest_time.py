"""Whether the times that commands name are true: what each said at its start, and `--minutes`, beside the clock on the wall.

    python bench/honest_time.py [DATA] [--weights NAME] [--minutes 1] [--processor]

Each row is one command in a fresh process with empty caches. The goal: each ratio between 3/4 and 5/4. Minutes of fine-tuning
are a bound, so a strategy that needs less ends before. On a machine that others use, `--processor` has every clock count the
time of the process in place of the time on the wall: what a quiet machine would show, but for decoding in child processes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STRATEGIES = ("extract", "adapt", "retrain", "scratch")


def estimate(run: Path) -> float:
    """Seconds of the whole command, as it said before the first step."""
    events = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]
    key = {"start": "estimate", "estimate": "seconds"}
    return next(event[key[event["event"]]] for event in events if event.get(key.get(event["event"], "")) is not None)


ON_THE_WALL = "from striate.__main__ import run; run()"
OF_THE_PROCESS = f"import time; time.monotonic = time.process_time; {ON_THE_WALL}"


def row(label: str, folder: Path, arguments: list[str], given: float | None, processor: bool) -> None:
    name = label.replace(" ", "-").replace(",", "")
    environment = {**os.environ, "STRIATE_CACHE": str(folder / f"cache-{name}")}
    program = OF_THE_PROCESS if processor else ON_THE_WALL
    command = [sys.executable, "-c", program, *arguments, "--name", name, "--out", str(folder / "runs"), "--json"]
    start = time.monotonic()
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    wall = json.loads(done.stdout)["wall_seconds"] if processor else time.monotonic() - start
    said = estimate(folder / "runs" / name)
    figures = [f"{said:8.1f}", f"{wall:8.1f}", f"{said / wall:6.2f}"]
    figures.append(f"{60 * given / wall:6.2f}" if given else "     -")
    print(f"{label:28}", *figures, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--weights", default="resnet20@cifar10")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--only", default="train,extract,adapt,retrain,scratch")
    parser.add_argument("--processor", action="store_true")
    given = parser.parse_args()
    limit = ["--minutes", str(given.minutes)]
    print(f"{'':28} estimate     wall  ratio  given/wall")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if "train" in given.only.split(","):
            row("train", folder, ["train", given.data], None, given.processor)
            row("train, minutes", folder, ["train", given.data, *limit], given.minutes, given.processor)
        for strategy in (name for name in STRATEGIES if name in given.only.split(",")):
            arguments = ["finetune", given.data, "--from", given.weights, "--strategy", strategy]
            if strategy in ("extract", "adapt"):
                row(strategy, folder, arguments, None, given.processor)
            else:
                row(f"{strategy}, minutes", folder, [*arguments, *limit], given.minutes, given.processor)


if __name__ == "__main__":
    main()
