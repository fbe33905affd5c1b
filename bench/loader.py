"""Images a second of the loader against torchvision's, and whether its memory grows with the data set.

Speed: 2,000 JPEGs of about 500 x 375 px, made here, at 224 px with a center crop, in batches of 64; the second and later
epochs, so the pixel store and the peer's page cache are warm. The peer is ImageFolder, Resize, CenterCrop, ToTensor, Normalize
and DataLoader, with 0 and 2 workers. They take turns; printed are medians over the turns and the ratio to the faster peer.

Memory: anonymous memory (/proc/self/smaps_rollup, Linux) at its most in an epoch over 200, 2,000 and 20,000 images of 24 px,
each in a fresh process; the store's own pages belong to the file, and the system takes them back when it wants.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import limits
import numpy as np
import rows
import torch
from PIL import Image

from striate.base import worker_pool
from striate.base.config import Engine, PreprocessSettings
from striate.batches import preprocess
from striate.batches.loader import Loader
from striate.data import folders, pixel_cache
from striate.data.decode import InputSpec
from striate.training import device

SIDE, BATCH, TURNS = 224, 64, 5
CLASSES = 10


def make_photos(root: Path, count: int, seed: int = 0) -> None:
    """Color gradients with blotches and grain, which compress about as photographs do; a quarter of them upright."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        folder = root / f"class{number % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        width, height = (500, 375) if number % 4 else (375, 500)
        y, x = np.mgrid[0:height, 0:width, 0:1][:2] / 500
        blotches = rng.normal(0, 25, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)[:height, :width]
        color, right, down = rng.uniform(0, 200, 3), rng.uniform(-150, 150, 3), rng.uniform(-150, 150, 3)
        levels = color + right * x + down * y + blotches + rng.normal(0, 8, (height, width, 3))
        Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:05d}.jpg", quality=88)


def make_small(root: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(count):
        folder = root / f"class{number % CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(folder / f"{number:05d}.png", compress_level=0)


def stream(root: Path, cache: Path, side: int) -> Loader:
    """Batches of a folder, from a store which is built where it is not there, in a process set up as for a training."""
    device.pick(Engine(device="cpu"))
    examples = folders.read(root)
    stored = pixel_cache.build(examples, InputSpec(side, 3, "crop"), cache, workers=worker_pool.workers())
    rows = np.arange(len(stored.examples))
    numbers = preprocess.fit(stored.pixels_NHWC, rows, PreprocessSettings())
    return Loader(
        stored.pixels_NHWC, stored.examples.labels_N, stored.examples.ids_N, rows, numbers, BATCH, shuffle_seed=0
    )  # fmt: skip


def peer(root: Path, workers: int, numbers: preprocess.Preprocess) -> Callable[[], None]:
    """An epoch of torchvision's and torch's own loader at each call."""
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import CenterCrop, Compose, Normalize, Resize, ToTensor

    policy = Compose([
        Resize(SIDE), CenterCrop(SIDE), ToTensor(), Normalize(numbers.mean.flatten().tolist(), numbers.std.flatten().tolist()),
    ])  # fmt: skip
    loader = DataLoader(ImageFolder(root, policy), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)

    def epoch() -> None:
        assert sum(len(labels_N) for _, labels_N in loader) == len(loader.dataset)

    return epoch


def speed(place: Path, count: int) -> None:
    make_photos(place / "photos", count)
    begun = time.perf_counter()
    ours, epochs = stream(place / "photos", place / "cache", SIDE), iter(range(10_000))
    print(f"{count:,} JPEGs decoded once in {time.perf_counter() - begun:.1f} s by {worker_pool.workers()} processes")

    def epoch() -> None:
        assert sum(len(batch.ids_N) for batch in ours.epoch(next(epochs))) == count

    ways = {
        "striate, pixel store": epoch,
        "torchvision, 0 workers": peer(place / "photos", 0, ours.preprocess),
        "torchvision, 2 workers": peer(place / "photos", 2, ours.preprocess),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    epoch()
    for _ in range(TURNS):  # the peers' files have just been read, so they are warm too
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begun)
    speeds = {name: count / median(taken) for name, taken in seconds.items()}
    for name, rate in speeds.items():
        print(f"{name:22} {rate:8.0f} images a second, {torch.get_num_threads()} threads, batches of {BATCH}")
    mine, *peers = speeds.values()
    print(f"{mine / max(peers):.1f} times the faster peer; the goal is 10")
    own, *others = seconds.values()
    ratios = [min(each) / first for first, *each in zip(own, *others, strict=True)]
    threads = torch.get_num_threads()
    rows.show(rows.Row(
        "second-epoch", f"second and later epochs over JPEG files at {SIDE} px, images a second", "10 times the faster peer",
        f"{mine / max(peers):.1f} times ({min(ratios):.1f} to {max(ratios):.1f}): {mine:,.0f} against {max(peers):,.0f}",
        f"ImageFolder and DataLoader, with 0 and 2 workers: {rows.versions('torchvision', 'pillow')}",
        f"{TURNS}, in turns, {threads} {'thread' if threads == 1 else 'threads'}",
        limits.measure(threads).of_bytes(5 * 3 * SIDE**2 * count, median(own)), "python bench/loader.py", rows.here(),
    ))  # fmt: skip


def anonymous_kb() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


def most_anonymous(root: Path, cache: Path) -> int:
    """kB at the most in an epoch, looked at after every batch."""
    made = stream(root, cache, 24)
    return max(anonymous_kb() for epoch in (0, 1) for _ in made.epoch(epoch))


def memory(place: Path) -> None:
    found: dict[int, float] = {}
    for count in (200, 2_000, 20_000):
        make_small(place / str(count), count)
        for _ in range(2):  # the first process builds the store
            command = [sys.executable, __file__, "--epoch", str(place / str(count)), str(place / "cache")]
            found[count] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1024
    for count, megabytes in found.items():
        print(f"{count:6,} images: {megabytes:6.1f} MB of anonymous memory")
    for one, other in ((200, 2_000), (2_000, 20_000)):
        print(f"{one:,} -> {other:,}: {found[other] - found[one]:+.1f} MB, {found[other] / found[one]:.3f} times")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        speed(Path(folder), 2_000)
        if Path("/proc/self/smaps_rollup").exists():
            memory(Path(folder))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--epoch"]:
        print(most_anonymous(Path(sys.argv[2]), Path(sys.argv[3])))
    else:
        main()
