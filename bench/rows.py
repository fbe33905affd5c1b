"""A job's row of the table in `README.md`, in the one form in which every bench prints it.

python bench/augment.py | tee augment.txt; python bench/table.py augment.txt
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from statistics import median
from typing import NamedTuple

MARK = "row of README.md: "


class Row(NamedTuple):
    """What was measured of one job."""

    key: str  # of its file in `results/`
    job: str
    mark: str
    figure: str  # median, with the least and the most
    peers: str  # what stood beside it, with versions
    runs: str  # how many, and whether in turns
    limit: str  # how much of the time the work that cannot be left out needs at this machine's best
    command: str
    measured: str  # when and where


def images_trained_on(steps: int, images: int, batch_size: int) -> int:
    """How many images, counted once for each step that has them, went through so many steps of epochs over `images`."""
    epochs, rest = divmod(steps, -(-images // batch_size))
    return epochs * images + rest * batch_size


def here() -> str:
    """Today, and the machine."""
    import torch

    capability = torch.backends.cpu.get_cpu_capability()
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {capability}, torch {metadata.version('torch')}"


def versions(*packages: str, python: str = sys.executable) -> str:
    """The packages with the versions that an interpreter has."""
    ask = "import sys, importlib.metadata as m; print(', '.join(f'{name} {m.version(name)}' for name in sys.argv[1:]))"
    return subprocess.run([python, "-c", ask, *packages], check=True, capture_output=True, text=True).stdout.strip()


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, and the least and the most."""
    low, middle, high = (f"{value:,.{digits}f}" for value in (min(values), median(values), max(values)))
    return f"{middle} ({low} to {high})" if len(values) > 1 else middle


def show(row: Row) -> None:
    """Print the row, as `table.py` reads it."""
    print(MARK + json.dumps(row._asdict(), ensure_ascii=False))


def parse(output: str) -> list[Row]:
    """The rows that a bench printed."""
    lines = (line.removeprefix(MARK) for line in output.splitlines() if line.startswith(MARK))
    return [Row(**json.loads(line)) for line in lines]
