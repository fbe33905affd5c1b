"""Whether the times that commands name are true: what each said at its start, and `--minutes`, beside the clock on the wall.

    python bench/honest_time.py [DATA] [--weights NAME] [--minutes 1]

Each row is one command in a fresh process with empty caches. The goal: each ratio between 3/4 and 5/4. Minutes of fine-tuning
are a bound, so a strategy that needs less ends before.
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


def row(label: str, folder: Path, arguments: list[str], given: float | None) -> None:
    name = label.replace(" ", "-").replace(",", "")
    environment = {**os.environ, "STRIATE_CACHE": str(folder / f"cache-{name}")}
    command = [sys.executable, "-m", "striate", *arguments, "--name", name, "--out", str(folder / "runs"), "--json"]
    start = time.monotonic()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.monotonic() - start
    said = estimate(folder / "runs" / name)
    figures = [f"{said:8.1f}", f"{wall:8.1f}", f"{said / wall:6.2f}"]
    figures.append(f"{60 * given / wall:6.2f}" if given else "     -")
    print(f"{label:28}", *figures, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--weights", default="resnet20@cifar10")
    parser.add_argument("--minutes", type=float, default=1.0)
    given = parser.parse_args()
    limit = ["--minutes", str(given.minutes)]
    print(f"{'':28} estimate     wall  ratio  given/wall")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        row("train", folder, ["train", given.data], None)
        row("train, minutes", folder, ["train", given.data, *limit], given.minutes)
        for strategy in STRATEGIES:
            arguments = ["finetune", given.data, "--from", given.weights, "--strategy", strategy]
            if strategy in ("extract", "adapt"):
                row(strategy, folder, arguments, None)
            else:
                row(f"{strategy}, minutes", folder, [*arguments, *limit], given.minutes)


if __name__ == "__main__":
    main()
