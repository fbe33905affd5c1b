"""What two processes, shards and a million images cost: measured. `scale_model.py` reckons on from there.

    python bench/scale.py
    python bench/scale.py --only reading --python PYTHON   # of an environment that has the webdataset package

- processes: a training of `resnet20` at 32 px by one process and by two, one thread each, in turns; the loop as it is, with
  DistributedDataParallel and batch norm over both. Images a second by the clock, and seconds of the processor for 1,000 images:
  on a machine with other work the second says what sharing costs.
- reading: the same JPEGs of about 50 KB as files of a folder, in an order drawn anew; as shards, in such an order through the
  index, with checksums compared; and as the webdataset package reads the shards, from the first to the last. Bytes alone, then
  decoded by Pillow. The files are in the system's cache, so that what is compared is the way to them.
- memory: anonymous memory of rank 0 of 1, 1 of 2 and 2 of 3 after the first batches of epochs 0 and 1000 above what the imports
  take, with a list of so many files and with a synthetic index of so many images; and seconds of a batch of both epochs.
- checkpoint: seconds of the processor to write one of `resnet18` with the moments of SGD and the best weights.

Seconds are of the processor unless they are said to be by the clock; a peer that is absent is said to be.
"""

import argparse
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import rows
from meter import anonymous_mb

HERE = Path(__file__)
PHOTOS, BATCH, STEPS, TURNS = 300, 64, 12, 3
COUNTS = (10_000, 1_000_000)
PARTS = ("processes", "reading", "memory", "checkpoint")


def child(*words: object, python: str = sys.executable, **environment: str) -> subprocess.Popen[str]:
    """This file in a process of its own."""
    command = [python, str(HERE), "--child", json.dumps(words)]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=surroundings)


def answer(process: subprocess.Popen[str]) -> Any:
    out, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"{process.args} ended with {process.returncode}")
    return json.loads(out.splitlines()[-1])


# ---- processes


def training() -> dict[str, float]:
    """Steps of resnet20 in this one of the processes; seconds by the clock and of the processor, after two steps."""
    import torch

    from striate.base import config
    from striate.base.signals import Stop
    from striate.batches.loader import Loader
    from striate.batches.preprocess import Preprocess
    from striate.nets.factory import build
    from striate.training import device, loop, loss, processes
    from striate.training.journal import Journal

    rng = np.random.default_rng(0)
    count = BATCH * (STEPS + 2)
    pixels, labels = rng.integers(0, 256, (count, 32, 32, 3), np.uint8), np.arange(count) % 10
    engine = device.pick(config.Engine(device="cpu", threads=1))
    half = Preprocess(torch.full((3, 1, 1), 0.5), torch.full((3, 1, 1), 0.25))
    ids, rows_M = np.arange(count, dtype=np.uint64), np.arange(count)
    train = Loader(pixels, labels, ids, rows_M, half, BATCH, 0, rank=engine.rank, world=engine.world)
    val = Loader(pixels[:10], labels[:10], ids[:10], rows_M[:10], half, BATCH)
    settings = config.Train.model_validate({"batch_size": BATCH, "steps": STEPS + 2})
    times = []
    net = build("resnet20", (3, 32, 32), 10, seed=0)

    def observe(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] in (2, STEPS + 2):
            times.append((time.monotonic(), time.process_time()))

    with processes.joined(engine.device):
        loop.fit(loop.Task(
            net, train, val, settings, STEPS + 2, loss.make(settings, None), engine, 0, Journal(None), None, Stop(),
            lambda _: [], observers=[observe],
        ))  # fmt: skip
    (begun, used), (ended, used_then) = times
    return {"seconds": ended - begun, "processor": used_then - used}


def by_processes() -> None:
    measured: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(TURNS):
        for world, found in measured.items():
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = str(free.getsockname()[1])
            together = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            started = [child("training", RANK=str(rank), LOCAL_RANK=str(rank), **together) for rank in range(world)]
            results = [answer(process) for process in started]
            images = BATCH * STEPS
            seconds, used = max(each["seconds"] for each in results), sum(each["processor"] for each in results)
            found.append((images / seconds, 1000 * used / images))
    print("\n| processes | images/s by the clock | seconds of the processor for 1,000 images |\n|---|---|---|")
    for world, found in measured.items():
        print(f"| {world} | {rows.spread([each[0] for each in found], 1)} | {rows.spread([each[1] for each in found])} |")
    clock = [two[0] / one[0] for one, two in zip(measured[1], measured[2], strict=True)]
    used_ratio = [two[1] / one[1] for one, two in zip(measured[1], measured[2], strict=True)]
    rows.show(rows.Row(
        "scale-processes", "training, resnet20, 32 px, 64 images a step, two processes against one", "2 times the images",
        f"{rows.spread(clock)} times by the clock; {rows.spread(used_ratio)} times the processor's seconds for an image",
        "one process", f"{TURNS} of {STEPS} steps, in turns, one thread a process", "-",
        "python bench/scale.py --only processes", rows.here(),
    ))  # fmt: skip


# ---- reading


def a_read(way: str, folder: str, decodes: bool) -> dict[str, Any]:
    """Read all images once; seconds of the processor, and how many."""
    from PIL import Image

    def use(content: bytes) -> int:
        if decodes:
            Image.open(io.BytesIO(content)).convert("RGB").load()
        return len(content)

    place = Path(folder)
    if way == "webdataset":
        try:
            import webdataset
        except ImportError:
            return {"absent": "the webdataset package is not there: --python PYTHON names an interpreter that has it"}
        shards = sorted(map(str, (place / "shards").glob("*.tar")))
        begun = time.process_time()
        sizes = [use(sample["jpg"]) for sample in webdataset.WebDataset(shards, shardshuffle=False)]
        return {"seconds": time.process_time() - begun, "images": len(sizes), "version": webdataset.__version__}
    from striate.data import decode, shards

    paths = sorted((place / "photos").rglob("*.jpg")) if way == "folder" else list(shards.paths(place / "shards"))
    order = np.random.default_rng(1).permutation(len(paths))
    begun = time.process_time()
    sizes = [use(decode.read_file(paths[row])) for row in order]
    return {"seconds": time.process_time() - begun, "images": len(sizes), "bytes": sum(sizes)}


def by_reading(python: str) -> None:
    from loader import make_photos

    import striate

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_photos(folder / "photos", PHOTOS)
        striate.write_shards(folder / "photos", folder / "shards", shard_mb=8)
        measured: dict[tuple[str, bool], list[float]] = {}
        version, size = "absent", 0.0
        for _ in range(TURNS):
            for decodes in (False, True):
                for way in ("folder", "shards", "webdataset"):
                    interpreter = python if way == "webdataset" else sys.executable
                    found = answer(child("a_read", way, name, decodes, python=interpreter, STRIATE_CACHE=f"{name}/cache"))
                    if "absent" in found:
                        version = found["absent"]
                        continue
                    assert found["images"] == PHOTOS, found
                    version, size = found.get("version", version), found.get("bytes", size)
                    measured.setdefault((way, decodes), []).append(1e6 * found["seconds"] / PHOTOS)
    print(f"\n{PHOTOS} JPEGs of {size / PHOTOS / 1000:.0f} KB; webdataset {version}\n")
    print("| | us of the processor to read an image | with its decoding |\n|---|---|---|")
    for way in ("folder", "shards", "webdataset"):
        if (way, False) in measured:
            print(f"| {way} | {rows.spread(measured[way, False], 0)} | {rows.spread(measured[way, True], 0)} |")
        else:
            print(f"| {way} | {version} | |")
    compared = {way: median(values) for (way, decodes), values in measured.items() if not decodes}
    beside = f"folder {compared['folder']:.0f} us"
    if "webdataset" in compared:
        beside += f", webdataset {version} from first to last {compared['webdataset']:.0f} us"
    rows.show(rows.Row(
        "scale-reading", "an image's bytes out of shards, in any order, checksum compared", "a file's, and webdataset's",
        f"{rows.spread(measured['shards', False], 0)} us of the processor", beside,
        f"{TURNS} of {PHOTOS} JPEGs of {size / PHOTOS / 1000:.0f} KB, in turns", "-", "python bench/scale.py --only reading",
        rows.here(),
    ))  # fmt: skip


# ---- memory


class _Gray:
    """Images that take no memory, in place of a cache or a decoder."""

    def __init__(self, count: int) -> None:
        self.shape = (count, 8, 8, 1)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows_M: Any, /) -> Any:
        return np.zeros((len(rows_M), *self.shape[1:]), np.uint8)


def make_index(path: str, count: int) -> None:
    """A synthetic index: names, labels and places of images that are not there."""
    from striate.base.hash_rng import name_id
    from striate.data import shard_index

    names = [f"class{number % 10}/{number:07d}.jpg" for number in range(count)]
    rows_N, mb = np.arange(count), 110_000
    columns = {
        "labels": rows_N % 10, "ids": np.array([name_id(name) for name in names], np.uint64), "parts": np.zeros(count),
        "shard": rows_N // 1000, "offset": rows_N % 1000 * mb, "length": np.full(count, mb), "content": np.zeros(count),
    }  # fmt: skip
    shards = [{"name": f"shard-{n:06d}.tar", "bytes": 1000 * mb, "sha256": ""} for n in range(-(-count // 1000))]
    header = {
        "classes": [f"class{n}" for n in range(10)], "shards": shards, "quarantined": [], "ignored": [], "notes": [],
        "without_test": "",
    }  # fmt: skip
    shard_index.write_index(Path(path), header, columns, names)


def a_rank(way: str, count: int, rank: int, world: int, index: str) -> dict[str, float]:
    """The first batches of epochs 0 and 1000 in one of several processes."""
    import torch

    from striate.base import nameless_files
    from striate.base.config import Data
    from striate.batches.loader import Loader
    from striate.batches.preprocess import Preprocess
    from striate.data import shard_index, shards, sources
    from striate.data.examples import Part
    from striate.data.examples_from_source import from_files

    torch.zeros(1)
    before, begun = anonymous_mb(), time.process_time()
    if way == "folder":
        names = (f"class{number % 10}/{number:07d}.jpg" for number in range(count))
        examples = sources.settled(from_files(Path("absent"), [(name, name[:6], Part.FREE) for name in names]))
    else:
        shards.open_shards = lambda path: shard_index.open_index(path)  # whose shards are not there
        examples = shards.read(Path(index), Data(path=index))
    opened = time.process_time() - begun
    half = Preprocess(torch.full((1, 1, 1), 0.5), torch.full((1, 1, 1), 0.25))
    rows_M = nameless_files.keep(np.arange(count))  # as the split does, and what follows as `gather`
    nameless_files.give_back()
    train = Loader(_Gray(count), examples.labels_N, examples.ids_N, rows_M, half, 64, 0, rank=rank, world=world)
    first = {}
    for epoch in (0, 1000, 0, 1000):  # again, since the first of all has imports of its own
        begun = time.process_time()
        batches = train.epoch(epoch)
        for _ in range(20):
            next(batches)
        first[epoch] = (time.process_time() - begun) / 20
        batches.close()
    return {"mb": anonymous_mb() - before, "open": opened, "epoch 0": first[0], "epoch 1000": first[1000]}


def by_memory() -> None:
    print("\n| source | images | rank | MB | s to open | ms a batch, epoch 0 | epoch 1000 |\n|---|---|---|---|---|---|---|")
    found: dict[tuple[str, int], dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        for count in COUNTS:
            index = f"{name}/{count}/striate.index"
            answer(child("make_index", index, count))
            for way in ("folder", "shards"):
                for rank, world in ((0, 1), (1, 2), (2, 3)) if count == COUNTS[-1] else ((0, 1),):
                    each = found[way, count] = answer(child("a_rank", way, count, rank, world, index))
                    print(
                        f"| {way} | {count:,} | {rank} of {world} | {each['mb']:.0f} | {each['open']:.2f} | "
                        f"{1000 * each['epoch 0']:.2f} | {1000 * each['epoch 1000']:.2f} |"
                    )
    few, many = COUNTS
    grown = {way: found[way, many]["mb"] - found[way, few]["mb"] for way in ("folder", "shards")}
    last = found["shards", many]
    rows.show(rows.Row(
        "scale-memory", "memory of a rank, 10,000 against 1,000,000 images; first batches of epoch 1000", "flat; as epoch 0",
        f"{grown['shards']:.0f} MB more from shards, {grown['folder']:.0f} from a list of files; a batch of epoch 1000 takes "
        f"{last['epoch 1000'] / last['epoch 0']:.2f} times one of epoch 0",
        "none", "1; 20 batches of rank 2 of 3", "-", "python bench/scale.py --only memory", rows.here(),
    ))  # fmt: skip


# ---- checkpoint


def by_checkpoint() -> None:
    import torch

    from striate.nets.factory import build
    from striate.training import checkpoint

    net = build("resnet18", (3, 224, 224), 1000, seed=0)
    copies = ("net", "best", "optimizer")
    tensors = {f"{copy}.{name}": torch.randn(value.shape) for copy in copies for name, value in net.named_parameters()}
    mb = sum(value.nbytes for value in tensors.values()) / 1e6
    seconds, clock = [], []
    with tempfile.TemporaryDirectory() as name:
        for step in range(TURNS):
            begun, used = time.monotonic(), time.process_time()
            checkpoint.save(Path(name), step, tensors, {})
            seconds.append(time.process_time() - used)
            clock.append(time.monotonic() - begun)
    print(
        f"\ncheckpoint of resnet18: {mb:.0f} MB, {rows.spread(seconds)} s of the processor, {rows.spread(clock)} by the clock"
    )
    rows.show(rows.Row(
        "scale-checkpoint", "a checkpoint of resnet18: weights, momentum, best weights", "-",
        f"{rows.spread(seconds)} s of the processor for {mb:.0f} MB, {mb / median(seconds):,.0f} MB/s", "none",
        f"{TURNS}", "-", "python bench/scale.py --only checkpoint", rows.here(),
    ))  # fmt: skip


CHILDREN: dict[str, Callable[..., Any]] = {
    "training": training, "a_read": a_read, "make_index": make_index, "a_rank": a_rank,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="What two processes, shards and a million images cost.")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has the webdataset package")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.child:
        name, *words = json.loads(parsed.child)
        print(json.dumps(CHILDREN[name](*words)))
        return
    for part in parsed.only.split(","):
        if part not in PARTS:
            parser.error(f"expected parts of {', '.join(PARTS)}; got {part}")
        {
            "processes": by_processes, "reading": lambda: by_reading(parsed.python), "memory": by_memory,
            "checkpoint": by_checkpoint,
        }[part]()  # fmt: skip


if __name__ == "__main__":
    main()
