"""Seconds and memory as the number of images grows, and as the images do: from the index to the first batches and predictions.

    python bench/growth.py                      # 100 to 1,000,000 images, then 32 to 1024 px
    python bench/growth.py --images 1000,100000 --sides 32,256 --plot growth.svg

The index is synthetic: names of files that are not there, in ten classes, and images of 8 px of noise that stand for what the
decoder would give. So no disk and no decoder is measured, only what grows with their number. Each number of images has two
fresh processes, one that builds the cache and one that opens it, as a second training does, and one for the survey. This looks
for near-duplicates among small copies of noise, of which no two are alike: what their number costs, without what pairs cost.
Predictions are those of a mean and one linear layer, so that what is measured is the way to the network and back.

By size there are `OF_SIZE` images of noise from 32 to 1024 px a side, of which the same is measured.

Seconds are of the processor. MB are anonymous memory above what the imports take, at its most, looked at every 10 ms; pages of
the cache's files are not counted, since the system takes them back when it wants.

With --survey N the survey alone is measured, by N processes that share one cache: of many images each decodes parts, and each
ends with the whole answer. With --shards images are read at random through an index of shards with so many entries. With
--search N the search for near-duplicates alone is measured, by N processes that share one cache, among small copies of noise
and among such whose amplitudes fall with the frequency, as those of photographs do (Field 1987, "Relations between the
statistics of natural images and the response properties of cortical cells"). Most of the latter look alike from afar.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import rows
from meter import Meter, Row

SIDE, CLASSES, BATCH, BATCHES = 8, 10, 64, 20
COUNTS = (100, 1_000, 10_000, 100_000, 1_000_000)
WAYS = ("surveyed", "built", "opened")
SIDES, OF_SIZE = (32, 64, 128, 256, 512, 1024), 64


def decoded(side: int, seed: int) -> Callable[..., Generator[Any]]:
    """What takes the place of the decoder: the small copies of no two images are alike."""
    from striate.data.decode import Decoded
    from striate.data.image_facts import measure

    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (256 if side == SIDE else 8, side, side, 3), np.uint8)
    facts = [measure(image_HWC) for image_HWC in images]

    def stream(examples: Any, _spec: Any = None, _workers: Any = None) -> Generator[Any]:
        for name in examples.names:
            number = int(name[-11:-4])
            image_HWC, kept = images[number % len(images)], facts[number % len(facts)]
            known = kept if side == SIDE else measure(image_HWC)
            large = known._replace(height=max(side, 64), width=max(side, 64))  # smaller ones are not compared
            own = large._replace(pixel_hash=number + 1, thumb=rng.bytes(len(known.thumb)))
            yield Decoded(image_HWC, own, None, number + 1)

    return stream


def child(way: str, count: int, side: int, cache: Path, searched: int) -> Row:
    """The survey; or the stages of a training, and predictions, which build the cache where it is not there."""
    import torch
    from torch import nn

    from striate.base import nameless_files
    from striate.base.config import Data, Engine, PreprocessSettings
    from striate.batches import preprocess
    from striate.batches.loader import Loader
    from striate.data import pixel_cache, split, survey
    from striate.data.decode import InputSpec
    from striate.data.examples import Part
    from striate.data.examples_from_source import from_files
    from striate.training import device
    from striate.training.inference import predict

    torch.set_num_threads(1)
    stream = decoded(side, os.getpid())
    pixel_cache.decode_examples, survey._decoded = stream, stream
    meter = Meter()
    with meter.stage("index"):
        rows_of = zip(range(count), cycle(f"class{number}" for number in range(CLASSES)))
        examples = from_files(
            Path("absent"), [(f"{label}/{number:07d}.jpg", label, Part.FREE) for number, label in rows_of]
        ).in_files()
        nameless_files.give_back()  # both as `sources.read` does
    if way == "surveyed":
        with meter.stage("survey"):
            survey.survey(examples, Data(path="absent", near_duplicates=count <= searched))
        return meter.row
    with meter.stage("cache"):
        stored = pixel_cache.build(examples, InputSpec(side, 3, "squash"), cache)
    with meter.stage("split"):
        parts = split.divide(stored.examples, stored.pixel_hash_N, Data(path="absent"))
        nameless_files.give_back()  # as `dataset.gather` does
    with meter.stage("mean and deviation"):
        numbers = preprocess.fit(stored.pixels_NHWC, parts.train_M, PreprocessSettings())

    def loader(rows_M: Any, seed: int | None) -> Loader:
        own = stored.examples
        return Loader(stored.pixels_NHWC, own.labels_N, own.ids_N, rows_M, numbers, BATCH, shuffle_seed=seed)

    for epoch in (0, 1000):
        with meter.stage(f"batches of epoch {epoch}"):
            for _, _batch in zip(range(BATCHES), loader(parts.train_M, 0).epoch(epoch), strict=False):
                pass
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, CLASSES))
    engine = device.pick(Engine(device="cpu", threads=1))
    with meter.stage("predict"):
        predict(net, loader(np.arange(count), None), engine)
    return meter.row


def shard_reads(count: int, folder: Path) -> Row:
    """The index of shards with so many entries is opened, and batches of images are read at random, each by its path."""
    from striate.base.settings import Data
    from striate.data import decode, shard_index, sources, tar_entries
    from striate.data.examples_from_source import ids_of
    from striate.data.image_facts import hash_content

    if not (folder / shard_index.NAME).is_file():
        rng = np.random.default_rng(0)
        folder.mkdir()
        contents, offsets = [rng.bytes(4_000) for _ in range(256)], list[int]()
        with (folder / "shard-000000.tar").open("wb") as file:
            for number, content in enumerate(contents):
                file.write(tar_entries.header(f"{number:012d}.jpg", len(content)))
                offsets.append(file.tell())
                file.write(content + b"\0" * tar_entries.padding(len(content)))
        place_N, names = np.arange(count) % 256, [f"class{n % CLASSES}/{n:07d}.jpg" for n in range(count)]
        hashes = np.array([hash_content(content) for content in contents], np.uint64)
        columns = {
            "labels": np.arange(count) % CLASSES, "ids": ids_of(names), "parts": np.zeros(count, np.uint8),
            "shard": np.zeros(count, np.uint32), "offset": np.array(offsets)[place_N], "length": np.full(count, 4_000),
            "content": hashes[place_N],
        }  # fmt: skip
        size = (folder / "shard-000000.tar").stat().st_size
        header = {
            "classes": [f"class{n}" for n in range(CLASSES)], "quarantined": [], "ignored": [], "notes": [],
            "shards": [{"name": "shard-000000.tar", "bytes": size, "sha256": ""}], "without_test": "",
        }  # fmt: skip
        shard_index.write_index(folder / shard_index.NAME, header, columns, names)
        return {}
    meter = Meter()
    with meter.stage("index opened"):
        examples = sources.read(Data(path=str(folder)))
    rows_M = np.random.default_rng(1).integers(0, count, BATCHES * BATCH).tolist()
    with meter.stage(f"first {BATCH} images"):
        for row in rows_M[:BATCH]:
            decode.read_file(examples.root / examples.names[row])
    with meter.stage(f"{len(rows_M):,} images"):
        for row in rows_M:
            decode.read_file(examples.root / examples.names[row])
    return meter.row


def copies_of(kind: str, count: int, folder: Path) -> Any:
    """Small copies of images that are not there, mapped from files; made where they are not."""
    from striate.data.image_facts import CELLS, THUMB_PX
    from striate.data.small_copies import SmallCopies

    shapes = {"thumbs": (count, THUMB_PX, THUMB_PX), "chroma": (count, CELLS, CELLS, 2)}
    if not folder.is_dir():
        folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        thumbs, chroma = (np.memmap(folder / name, np.uint8, "w+", shape=shape) for name, shape in shapes.items())
        orders = np.hypot(np.fft.fftfreq(THUMB_PX)[:, None], np.fft.rfftfreq(THUMB_PX)) * THUMB_PX
        orders[0, 0] = np.inf
        for begin in range(0, count, 4096):
            white = rng.standard_normal((min(4096, count - begin), THUMB_PX, THUMB_PX), np.float32)
            falling = np.fft.irfft2(np.fft.rfft2(white) / orders, s=(THUMB_PX, THUMB_PX)) if kind == "photographs" else white
            falling /= falling.std(axis=(1, 2), keepdims=True)
            thumbs[begin : begin + len(white)] = (128 + 50 * falling).clip(0, 255)
            chroma[begin : begin + len(white)] = rng.integers(100, 156, (len(white), 1, 1, 2), np.uint8)
    mapped = (np.memmap(folder / name, np.uint8, "r", shape=shape).view(np.ndarray) for name, shape in shapes.items())
    return SmallCopies(*mapped, np.full((count, 2), 224, np.int32))


def searched_alone(kind: str, count: int, cache: Path) -> Row:
    """The search for near-duplicates as a survey does it, with the other processes of the same cache."""
    from striate.data import near_duplicate_cache

    copies, meter = copies_of(kind, count, cache.with_name(f"{kind}-{count}")), Meter()
    cache.mkdir(exist_ok=True)
    with meter.stage("search"):
        near_duplicate_cache.search(copies, cache, kind)
    return meter.row


def fresh(way: str, count: int, side: int, cache: Path, searched: int) -> Row:
    """The stages in a process of their own, with a cache of its own, so that no search is known before."""
    return together(1, way, count, side, cache, searched)[0]


def together(processes: int, way: str, count: int, side: int, cache: Path, searched: int) -> list[Row]:
    """The same in several processes that share a cache."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "STRIATE_CACHE": str(cache.with_suffix(".own"))}
    command = [sys.executable, __file__, "--child", json.dumps([way, count, side, str(cache), searched])]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(processes)]
    printed = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit(f"{way} of {count:,} images failed")
    return [json.loads(text.splitlines()[-1]) for text in printed]


def alone(parsed: argparse.Namespace, counts: list[int], folder: Path) -> None:
    """What --survey, --search and --shards ask for."""
    if parsed.survey:
        rows = {
            count: together(parsed.survey, "surveyed", count, SIDE, folder / str(count), parsed.searched) for count in counts
        }
        for number in range(parsed.survey):
            show(f"The survey, process {number + 1} of {parsed.survey}", "images", {n: rows[n][number] for n in counts})
    for kind in ("noise", "photographs") if parsed.search else ():
        rows = dict[int, list[Row]]()
        for count in counts:
            copies_of(kind, count, folder / f"{kind}-{count}")
            rows[count] = together(parsed.search, kind, count, SIDE, folder / f"search-{kind}-{count}", 0)
        for number in range(parsed.search):
            title = f"The search among {kind}, process {number + 1} of {parsed.search}"
            show(title, "images", {n: rows[n][number] for n in counts})
    if parsed.shards:
        for count in counts:
            fresh("shards", count, SIDE, folder / f"shards-{count}", 0)  # writes the index
        show("Shards", "images", {n: fresh("shards", n, SIDE, folder / f"shards-{n}", 0) for n in counts})


def show(title: str, first: str, rows: dict[int, Row]) -> None:
    """A table of the stages."""
    stages = list(next(iter(rows.values())))
    print(f"\n{title}: seconds, and MB at the most\n")
    print(f"| {first} | " + " | ".join(stages) + " |\n|" + "---|" * (len(stages) + 1))
    for number, row in rows.items():
        print(f"| {number:,} | " + " | ".join(f"{row[name][0]:.2f} s, {round(row[name][1])} MB" for name in stages) + " |")


def draw(by_images: dict[int, Row], by_side: dict[int, Row], path: Path) -> None:
    """Seconds and memory of each stage, against the number of images and against their side, on logarithmic scales."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.hashsalt": "growth", "svg.fonttype": "none"})  # the same small file from the same figures
    figure = Figure(figsize=(10, 7), layout="constrained")
    axes = figure.subplots(2, 2)
    for column, (stages, label) in enumerate(((by_images, "images of 8 px"), (by_side, f"side of {OF_SIZE} images, px"))):
        for line, (unit, least) in enumerate((("seconds of the processor", 0.01), ("MB above the imports", 1.0))):
            plot = axes[line, column]
            for number, stage in enumerate(next(iter(stages.values()), {})):
                values = [max(row[stage][line], least) for row in stages.values()]
                plot.loglog(list(stages), values, marker="osv^Dx+*"[number], markersize=5, linewidth=1.2, label=stage)
            plot.set_xlabel(label)
            plot.set_ylabel(unit)
            plot.grid(alpha=0.3)
            if column:
                plot.set_xticks(list(stages), list(map(str, stages)), minor=False)
                plot.minorticks_off()
    axes[0, 0].legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds and memory as the images become more and larger.")
    parser.add_argument("--images", default=",".join(map(str, COUNTS)), help="numbers of images")
    parser.add_argument("--sides", default=",".join(map(str, SIDES)), help="of images, in pixels")
    parser.add_argument("--survey", type=int, default=0, metavar="N", help="the survey alone, by so many processes together")
    parser.add_argument("--searched", type=int, default=10**9, help="search near-duplicates among at most so many images")
    parser.add_argument("--search", type=int, default=0, metavar="N", help="the search alone, by so many processes together")
    parser.add_argument("--shards", action="store_true", help="reading through an index of shards alone")
    parser.add_argument("--plot", type=Path, help="file to draw")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.child:
        way, count, side, cache, searched = json.loads(parsed.child)
        ways = {"shards": shard_reads, **{kind: partial(searched_alone, kind) for kind in ("noise", "photographs")}}
        print(json.dumps(ways[way](count, Path(cache)) if way in ways else child(way, count, side, Path(cache), searched)))
        return
    built, opened, by_side = dict[int, Row](), dict[int, Row](), dict[int, Row]()
    counts = [int(count) for count in parsed.images.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        if parsed.survey or parsed.search or parsed.shards:
            alone(parsed, counts, Path(folder))
            return
        for count in counts:
            surveyed, built[count], opened[count] = (
                fresh(way, count, SIDE, Path(folder) / str(count), parsed.searched) for way in WAYS
            )
            built[count]["survey"] = surveyed["survey"]
        for side in map(int, parsed.sides.split(",")):
            surveyed, by_side[side] = (fresh(way, OF_SIZE, side, Path(folder) / f"{side}px", OF_SIZE) for way in WAYS[:2])
            by_side[side]["survey"] = surveyed["survey"]
    show("The cache is built", "images", built)
    show("The cache is opened", "images", opened)
    show(f"{OF_SIZE} images", "side, px", by_side)
    if parsed.plot:
        draw(built, by_side, parsed.plot)
    row_of_memory(opened)


def row_of_memory(opened: dict[int, Row]) -> None:
    """The row of the job, where both numbers were measured."""
    if not {10_000, 1_000_000} <= set(opened):
        return
    most = {count: {name: stage[1] for name, stage in opened[count].items()} for count in (10_000, 1_000_000)}
    few, many = most[10_000], most[1_000_000]
    loads, index = "batches of epoch 0", "index"
    rows.show(rows.Row(
        "memory", "memory, 10,000 against 1,000,000 images in the index", "flat",
        f"{many[loads] - few[loads]:.0f} MB more in the first batches ({few[loads]:.0f} and {many[loads]:.0f}), "
        f"{many[index] - few[index]:.0f} while the index is made ({few[index]:.0f} and {many[index]:.0f})",
        "none", "1", "-", "python bench/growth.py", rows.here(),
    ))  # fmt: skip


if __name__ == "__main__":
    main()
