"""Seconds and memory as the number of images grows: the index, the pixel cache, the split, and the first batches.

    python bench/growth.py                      # 100 to 1,000,000 images
    python bench/growth.py --images 1000,100000

The index is synthetic: names of files that are not there, in ten classes, and images of 8 px of noise that stand for what the
decoder would give. So no disk and no decoder is measured, only what grows with their number. Each number of images has two
fresh processes, one that builds the cache and one that opens it, as a second training does. Seconds are of the processor.
MB are anonymous memory above what the imports take, at its most, looked at every 10 ms; pages of the cache's files are not
counted, since the system takes them back when it wants.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

SIDE, CLASSES, BATCH, BATCHES = 8, 10, 64, 20
COUNTS = (100, 1_000, 10_000, 100_000, 1_000_000)
Row = dict[str, tuple[float, float]]  # stage -> seconds, MB


class Meter:
    """Seconds and the most memory of stages."""

    def __init__(self) -> None:
        self.before, self.row = anonymous_mb(), {}  # type: float, Row

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        most, over = [anonymous_mb()], threading.Event()

        def watch() -> None:
            while not over.wait(0.01):
                most.append(max(most.pop(), anonymous_mb()))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        begun = time.process_time()
        yield
        seconds = time.process_time() - begun
        over.set()
        watcher.join()
        self.row[name] = (seconds, max(*most, anonymous_mb()) - self.before)


def anonymous_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("RssAnon:"))


def decoded(count: int) -> Callable[..., Generator[Any]]:
    """What takes the place of the decoder."""
    from striate.data.decode import Decoded
    from striate.data.image_facts import measure

    images = np.random.default_rng(0).integers(0, 256, (256, SIDE, SIDE, 3), np.uint8)
    facts = [measure(image_HWC) for image_HWC in images]

    def stream(_examples: Any, _spec: Any, _workers: Any = None) -> Generator[Any]:
        for number in range(count):
            own = facts[number % 256]._replace(pixel_hash=number + 1)
            yield Decoded(images[number % 256], own, None, number + 1)

    return stream


def child(count: int, cache: Path) -> Row:
    """The stages of a training up to its first batches; the cache is built where it is not there."""
    import torch

    from striate.base.config import Data, PreprocessSettings
    from striate.batches import preprocess
    from striate.batches.loader import Loader
    from striate.data import pixel_cache, split
    from striate.data.decode import InputSpec
    from striate.data.examples import Part
    from striate.data.examples_from_source import from_files

    torch.set_num_threads(1)
    pixel_cache.decode_examples = decoded(count)
    meter = Meter()
    with meter.stage("index"):
        names = (f"class{number % CLASSES}/{number:07d}.jpg" for number in range(count))
        examples = from_files(Path("absent"), [(name, name[:6], Part.FREE) for name in names])
    with meter.stage("cache"):
        stored = pixel_cache.build(examples, InputSpec(SIDE, 3, "squash"), cache)
    with meter.stage("split"):
        parts = split.divide(stored.examples, stored.pixel_hash_N, Data(path="absent"))
    with meter.stage("mean and deviation"):
        numbers = preprocess.fit(stored.pixels_NHWC, parts.train_M, PreprocessSettings())
    loader = Loader(
        stored.pixels_NHWC, stored.examples.labels_N, stored.examples.ids_N, parts.train_M, numbers, BATCH, shuffle_seed=0
    )  # fmt: skip
    for epoch in (0, 1000):
        with meter.stage(f"batches of epoch {epoch}"):
            for _, _batch in zip(range(BATCHES), loader.epoch(epoch), strict=False):
                pass
    return meter.row


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds and memory as the number of images grows.")
    parser.add_argument("--images", default=",".join(map(str, COUNTS)), help="numbers of images")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.child:
        count, cache = json.loads(parsed.child)
        print(json.dumps(child(count, Path(cache))))
        return
    rows: dict[tuple[int, str], Row] = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in map(int, parsed.images.split(",")):
            for way in ("built", "opened"):
                work = json.dumps([count, str(Path(folder) / str(count))])
                command = [sys.executable, __file__, "--child", work]
                done = subprocess.run(
                    command, check=True, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
                )
                rows[count, way] = json.loads(done.stdout.splitlines()[-1])
    stages = list(next(iter(rows.values())))
    for way in ("built", "opened"):
        print(f"\nThe cache is {way}: seconds, and MB at the most\n")
        print("| images | " + " | ".join(stages) + " |\n|" + "---|" * (len(stages) + 1))
        for (count, kind), row in rows.items():
            if kind == way:
                print(f"| {count:,} | " + " | ".join(f"{row[name][0]:.2f} s, {row[name][1]:.0f} MB" for name in stages) + " |")


if __name__ == "__main__":
    main()
