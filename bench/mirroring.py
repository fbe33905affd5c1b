"""The test whether classes depend on left and right: does it fire where they do, and stay silent where they do not?

It has to fire on drawn arrows, shoes and letters, on plain colors and on photographs (of CIFAR-10, enlarged), at 32 and 224 px.
It has to stay silent on all 45 pairs of CIFAR-10's classes, on the ten together, on all 15 pairs of TrashNet's materials, and
on bursts: each photograph ten times, shifted, lighter or darker, with noise. Needs `$STRIATE_DATA`; about two minutes.
"""

import os
import time
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from striate.batches import patch_responses
from striate.data import cifar10
from striate.metrics.mirror_test import MirrorTest, mirror_test

Pixels = NDArray[np.uint8]
Labeled = tuple[Pixels, NDArray[np.int64]]
Draw = Callable[[ImageDraw.ImageDraw, np.random.Generator, int, int], None]

ARROW = ((-0.5, 0), (0, -0.4), (0, -0.15), (0.5, -0.15), (0.5, 0.15), (0, 0.15), (0, 0.4))
SHOE = ((-0.5, 0.28), (-0.5, 0.2), (-0.45, 0), (-0.2, -0.05), (0.05, -0.3), (0.15, -0.45), (0.45, -0.45), (0.5, 0.28))
FONTS = [font_manager.findfont(f"DejaVu {name}") for name in ("Sans", "Sans Mono", "Serif")]


def color(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def outline(shape: tuple[tuple[float, float], ...], low: float, high: float) -> Draw:
    """Draws a shape of any color, size and place, to the left for label 0 and mirrored for label 1."""

    def draw(pen: ImageDraw.ImageDraw, rng: np.random.Generator, label: int, side: int) -> None:
        size = rng.uniform(low, high) * side
        x, y = rng.uniform(size / 2, side - size / 2, 2)
        pen.polygon([(x + (1 - 2 * label) * a * size, y + b * size) for a, b in shape], fill=color(rng))

    return draw


def letter(letters: str) -> Draw:
    def draw(pen: ImageDraw.ImageDraw, rng: np.random.Generator, label: int, side: int) -> None:
        font = ImageFont.truetype(FONTS[rng.integers(len(FONTS))], int(side * rng.uniform(0.5, 0.8)))
        pen.text((rng.uniform(0.05, 0.4) * side, rng.uniform(-0.1, 0.2) * side), letters[label], font=font, fill=color(rng))

    return draw


def drawn(draw: Draw, classes: int, each: int, side: int, photographs: Pixels | None) -> Labeled:
    pixels, labels = [], []
    for label, number in ((label, number) for label in range(classes) for number in range(each)):
        rng = np.random.default_rng([label, number])
        image = Image.new("RGB", (side, side), color(rng))
        if photographs is not None:
            image = Image.fromarray(photographs[rng.integers(len(photographs))]).resize((side, side), Image.Resampling.BICUBIC)
        draw(ImageDraw.Draw(image), rng, label, side)
        pixels.append(np.asarray(image))
        labels.append(label)
    return np.stack(pixels), np.array(labels)


def bursts(pixels: Pixels, labels: NDArray[np.int64], times: int) -> Labeled:
    rng, copies = np.random.default_rng(0), []
    for image in np.repeat(pixels, times, axis=0):
        moved = np.roll(image, rng.integers(-2, 3, 2), (0, 1)) * rng.uniform(0.85, 1.15) + rng.normal(0, 5, image.shape)
        copies.append(moved.clip(0, 255).astype(np.uint8))
    return np.stack(copies), np.repeat(labels, times)


def tested(pixels: Pixels, labels: NDArray[np.int64]) -> MirrorTest:
    order = np.random.default_rng(0).permutation(len(labels))[:800]
    filters = patch_responses.fit(pixels[order])
    return mirror_test(
        filters.features(pixels[order]),
        filters.features(pixels[order][:, :, ::-1]),
        np.unique(labels[order], return_inverse=True)[1],
    )


def trashnet(folder: Path, side: int = 64) -> Labeled:
    pixels, labels = [], []
    for label, of_class in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        for path in sorted(of_class.iterdir()):
            image = Image.open(path).convert("RGB")
            left = (image.width - image.height) // 2
            square = image.crop((left, 0, left + image.height, image.height))
            pixels.append(np.asarray(square.resize((side, side), Image.Resampling.BOX)))
            labels.append(label)
    return np.stack(pixels), np.array(labels)


def main() -> None:
    data = Path(os.environ["STRIATE_DATA"])
    cifar = cifar10.read(data / "cifar10")
    photographs = cifar.pixels_NHWC
    assert photographs is not None

    def classes(names: tuple[int, ...], each: int) -> Labeled:
        rng = np.random.default_rng(names)
        rows = np.concatenate([rng.permutation(np.flatnonzero(cifar.labels_N == k))[:each] for k in names])
        return photographs[rows], cifar.labels_N[rows]

    arrows, shoes, letters = outline(ARROW, 0.3, 0.6), outline(SHOE, 0.5, 0.8), letter("bd")
    print("| images | n | plain | mirrored | p | verdict | seconds |\n|---|---|---|---|---|---|---|")
    for name, images in {
        "arrows, 224 px, plain colors": drawn(arrows, 2, 60, 224, None),
        "arrows, 224 px, photographs": drawn(arrows, 2, 100, 224, photographs),
        "shoes, 224 px, photographs": drawn(shoes, 2, 60, 224, photographs),
        "b and d, 32 px, plain colors": drawn(letters, 2, 60, 32, None),
        "b and d, 32 px, photographs": drawn(letters, 2, 100, 32, photographs),
        "b, d, a, o, x, c, s, e, w": drawn(letter("bdaoxcsew"), 9, 60, 32, None),
        "10 classes of CIFAR-10, 80 each": classes(tuple(range(10)), 80),
        "bursts, cats and dogs, 20 each, 10 times": bursts(*classes((3, 5), 20), 10),
        "TrashNet, 6 materials": trashnet(data / "trashnet"),
    }.items():
        begun = time.process_time()
        test = tested(*images)
        print(
            f"| {name} | {test.images} | {100 * test.accuracy:.1f} % | {100 * test.mirrored_accuracy:.1f} % | "
            f"{test.p_value:.1g} | {test.verdict} | {time.process_time() - begun:.1f} |", flush=True,
        )  # fmt: skip
    for each in (30, 100, 300):
        pairs = Counter(tested(*classes(pair, each)).verdict for pair in combinations(range(10), 2))
        print(f"45 pairs of CIFAR-10, {each} each: {dict(pairs)}", flush=True)
    pixels, labels = trashnet(data / "trashnet")
    rows = {pair: np.isin(labels, pair) for pair in combinations(range(6), 2)}
    print(f"15 pairs of TrashNet: {dict(Counter(tested(pixels[mask], labels[mask]).verdict for mask in rows.values()))}")


if __name__ == "__main__":
    main()
