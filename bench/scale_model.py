"""What a training costs as images, classes and ranks become more: arithmetic from `scale.toml` and the catalogue.

    python bench/scale_model.py                 # the tables of docs/scale.md
    python bench/scale_model.py --with my.toml  # with other prices, machines and images
    python bench/scale_model.py --write         # the tables into docs/scale.md

Nothing is measured here; `scale.py` measures from one process to two, and what an image takes in memory. A step takes three
times the multiply-adds of a forward pass, each two operations. Gradients are summed by a ring: each of n ranks sends and
receives 2 (n - 1) / n times their bytes (Patarasuk & Yuan 2009); nothing is taken off for what overlaps with the backward pass.
"""

import argparse
import tomllib
from collections.abc import Iterable, Iterator
from math import ceil, log2
from pathlib import Path
from typing import Any, NamedTuple

from striate.nets.catalogue import CATALOGUE, Entry

DOCUMENT = Path(__file__).parents[1] / "docs" / "scale.md"
BEGIN, END = "<!-- tables of bench/scale_model.py -->\n", "<!-- end of tables -->\n"
IMAGES = (1_000_000, 100_000_000, 10_000_000_000)
RANKS = (1, 2, 8, 64, 512)
CLASSES = (1_000, 100_000, 10_000_000)
# Bytes of an image in the index beside its name: label, id, part, shard, offset, length, content, CRC-32, key, row, end
INDEX_BYTES = 8 + 8 + 1 + 4 + 8 + 8 + 8 + 4 + 8 + 8 + 8
NETWORK, FEATURES = "resnet50", 2048
NORMS, CHANNELS = 53, 26_560  # batch norms of resnet50; each has a sum over all ranks forward and one backward


class Assumed(NamedTuple):
    """`scale.toml`, section by section."""

    prices: dict[str, Any]
    machine: dict[str, float]
    data: dict[str, float]
    measured: dict[str, float]

    def compute_s(self, macs: int) -> float:
        """A step of one rank."""
        return 3 * 2 * macs * self.data["batch"] / (self.machine["tera_operations"] * 1e12)

    def sum_s(self, nbytes: float, ranks: int) -> float:
        """One sum of so many bytes over all ranks."""
        if ranks == 1:
            return 0.0
        moved = 2 * (ranks - 1) / ranks * nbytes
        return moved * 8 / (self.machine["network_gigabits"] * 1e9) + self.machine["latency_us"] * 1e-6 * log2(ranks)


def read(path: Path) -> Assumed:
    """The assumptions in a file."""
    return Assumed(**tomllib.loads(path.read_text("utf-8")))


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Markdown."""
    columns = list(head)
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]) + "\n"


def trained() -> list[Entry]:
    """The networks that learn by back-propagation, each once."""
    return [entry for entry in CATALOGUE if entry.learns == "back-propagation" and entry.macs]


def short(value: float) -> str:
    """Three digits."""
    if value >= 1000 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def networks(assumed: Assumed) -> str:
    """What of a network is exchanged in a step, against what is computed; and what it takes of the device."""
    rows = []
    for entry in trained():
        gradients, compute = 4.0 * entry.parameters, assumed.compute_s(entry.macs)
        share = assumed.sum_s(gradients, 8) / compute
        # weights, gradients, two moments of AdamW, and the best weights so far
        kept = 5 * gradients
        rows.append((
            entry.name, f"{entry.parameters:,}", short(entry.macs / 1e6), short(gradients / 1e6), short(2 * gradients / 1e6),
            short(kept / 1e6), f"{kept / (assumed.machine['memory_gb'] * 1e9):.2%}", short(1000 * compute),
            short(1000 * assumed.sum_s(gradients, 8)), short(share),
            short((kept - gradients) / 1e6 / assumed.measured["checkpoint_mb"]),  # all but the gradients
        ))  # fmt: skip
    head = (
        "network", "parameters", "MMAC an image", "all-reduce, MB a step", "AdamW's moments, MB", "in all, MB", "of the device",
        "compute, ms a step", "all-reduce by 8, ms", "ratio", "checkpoint, s",
    )  # fmt: skip
    return table(head, rows)


def of_networks(assumed: Assumed) -> str:
    """What the table of networks comes to."""
    ratios: dict[bool, list[float]] = {True: [], False: []}
    for entry in trained():
        residual = entry.name.startswith(("resnet", "plain", "googlenet"))
        ratios[residual].append(assumed.sum_s(4.0 * entry.parameters, 8) / assumed.compute_s(entry.macs))
    largest = max(trained(), key=lambda entry: entry.parameters)
    kept = 5 * 4.0 * largest.parameters / (assumed.machine["memory_gb"] * 1e9)
    few, many = ratios[True], ratios[False]
    return (
        f"Residual networks, plain ones and GoogLeNet exchange {short(min(few))} to {short(max(few))} times as long as they "
        f"compute, the others {short(min(many))} to {short(max(many))} times. {largest.name} takes most of the device, "
        f"{kept:.0%}.\n"
    )


def of_images(assumed: Assumed) -> str:
    """What requests add to the machines."""
    machines = sum(step_s(assumed, 64)) / assumed.data["batch"] / 3600 * assumed.prices["machine_hour"]
    return f"A GET for each image costs {assumed.prices['get_1000'] / 1000 / machines:.0%} of what the machines cost.\n"


def step_s(assumed: Assumed, ranks: int) -> tuple[float, float, float]:
    """Compute, gradients, sums of synchronized batch norm: seconds of a step of `NETWORK`."""
    entry = next(entry for entry in CATALOGUE if entry.name == NETWORK)
    channels = CHANNELS / NORMS  # of each: count, mean and square in float64, then two gradients in float32
    norms = NORMS * (assumed.sum_s(8 * (1 + 2 * channels), ranks) + assumed.sum_s(4 * 2 * channels, ranks))
    return assumed.compute_s(entry.macs), assumed.sum_s(4 * entry.parameters, ranks), norms


def by_ranks(assumed: Assumed) -> str:
    """How many images a second so many ranks learn from, and what limits them."""
    rows, alone = [], 0.0
    for ranks in RANKS:
        compute, gradients, norms = step_s(assumed, ranks)
        rate = ranks * assumed.data["batch"] / (compute + gradients + norms)
        alone = alone or rate
        hours = 1e6 * assumed.data["epochs"] / rate / 3600
        rows.append((
            ranks, short(1000 * compute), short(1000 * gradients), short(1000 * norms), short(rate),
            f"{rate / alone / ranks:.0%}", short(assumed.data["batch"] * ranks), short(hours),
            short(hours * ranks * assumed.prices["machine_hour"]),
        ))  # fmt: skip
    head = (
        "ranks", "compute, ms", "gradients, ms", "batch norm, ms", "images/s", "of linear", "images a batch",
        f"hours, 1,000,000 images, {assumed.data['epochs']:.0f} epochs", "US$",
    )  # fmt: skip
    return table(head, rows)


def by_images(assumed: Assumed) -> str:
    """What images take: storage, index, memory of a rank, time and money of one epoch by 64 ranks."""
    rows, ranks = [], 64
    rate = ranks * assumed.data["batch"] / sum(step_s(assumed, ranks))
    for count in IMAGES:
        gb = count * assumed.data["image_kb"] / 1e6
        index = count * (INDEX_BYTES + assumed.data["name_bytes"]) / 1e9
        seconds = count / rate
        rows.append((
            f"{count:,}", short(gb / 1000), f"{ceil(gb * 1000 / assumed.data['shard_mb']):,}", short(index),
            short(index * 1000 / assumed.machine["read_mb"]), short(count * assumed.measured["listed_bytes"] / 1e9),
            short(count * assumed.measured["indexed_bytes"] / 1e9), short(count**2 / 2**65), short(gb / seconds),
            short(seconds / 3600), short(seconds / 3600 * ranks * assumed.prices["machine_hour"]),
            short(gb * assumed.prices["storage_gb_month"]),
            short(count / 1000 * assumed.prices["get_1000"]),
        ))  # fmt: skip
    head = (
        "images", "TB, read each epoch", "shards", "index, GB", "to read it, s", "memory of a rank, folder, GB",
        "memory of a rank, shards, GB", "pairs of equal ids", f"GB/s by {ranks} ranks",
        "hours an epoch", "US$ an epoch", "US$ a month of storage", "US$ an epoch, a GET each",
    )  # fmt: skip
    return table(head, rows)


def by_classes(assumed: Assumed) -> str:
    """What the last layer of `NETWORK` takes."""
    rows = []
    for classes in CLASSES:
        weights = 4.0 * (FEATURES + 1) * classes
        logits = 4.0 * classes * assumed.data["batch"]
        kept = 5 * weights + 2 * logits
        rows.append((
            f"{classes:,}", short(weights / 1e6), short(kept / 1e9), f"{kept / assumed.machine['memory_gb'] / 1e9:.0%}",
            short(1000 * assumed.sum_s(weights, 8)), "yes" if kept < assumed.machine["memory_gb"] * 1e9 else "no",
        ))  # fmt: skip
    return table(("classes", "all-reduce, MB a step", "kept, GB", "of the device", "all-reduce by 8, ms", "fits"), rows)


def text(assumed: Assumed) -> Iterator[str]:
    """All tables, with their headings."""
    prices, machine, data, measured = assumed
    yield (
        f"Prices: {prices['machine']} at US$ {prices['machine_hour']} an hour ({prices['list']}, {prices['date']}), "
        f"US$ {prices['storage_gb_month']} a GB and month and US$ {prices['get_1000']} for 1,000 GETs "
        f"({prices['storage_list']}). A rank makes "
        f"{machine['tera_operations']:g} tera operations a second and has {machine['network_gigabits']:g} Gbit/s, "
        f"{machine['latency_us']:g} us, {machine['memory_gb']:g} GB on the device and {machine['host_gb']:g} beside it; "
        f"{data['batch']:g} images a rank and step, {data['image_kb']:g} KB an image. A million images take "
        f"{measured['listed_bytes']:g} MB of a rank's memory, at most {measured['indexed_bytes']:g} of shards; a second of the "
        f"processor writes {measured['checkpoint_mb']:g} MB of a checkpoint.\n"
    )
    for title, rows in (
        ("Each network of the catalogue at its published size, 8 ranks", f"{networks(assumed)}\n{of_networks(assumed)}"),
        (f"Ranks: {NETWORK}, 224 px, batch norm over all ranks", by_ranks(assumed)),
        (f"Images: {NETWORK}, one epoch", f"{by_images(assumed)}\n{of_images(assumed)}"),
        (f"Classes: the last layer of {NETWORK}, 8 ranks", by_classes(assumed)),
    ):
        yield f"\n**{title}**\n\n{rows}"


def renewed(document: str, assumed: Assumed) -> str:
    """The document with the tables as they are now."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{DOCUMENT} has no place for the tables: {BEGIN.strip()} and {END.strip()}")
    return f"{before}{begin}\n{''.join(text(assumed))}\n{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description="What a training costs as images, classes and ranks become more.")
    parser.add_argument("--with", dest="file", type=Path, default=Path(__file__).with_name("scale.toml"), help="assumptions")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scale.md")
    parsed = parser.parse_args()
    assumed = read(parsed.file)
    if parsed.write:
        DOCUMENT.write_text(renewed(DOCUMENT.read_text("utf-8"), assumed), "utf-8")
    else:
        print("".join(text(assumed)), end="")


if __name__ == "__main__":
    main()
