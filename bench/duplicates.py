"""Planted near-duplicates: how many are found, how many pairs are false, how long it takes.

    python bench/duplicates.py

600 copies are planted: 300 images of CIFAR-10 (32 px) and 300 photographs of TrashNet (512 x 384 px), each changed in one of
eight ways, in turn. Where pixels are not equal, copies are JPEG of quality 60 to 95, re-encoded ones 30 to 95; resized ones
have 0.5 to 2 times the side; cropped ones have lost up to 5 % of width or height at each of the four edges. They are searched
among 10,000 other images of CIFAR-10. Pairs among these are near-duplicates that CIFAR-10 has itself, or false: the sheet
`--sheet FILE` has them to look at. Seconds are given for the first 1,000, 10,000 and 30,000 images of
CIFAR-10, and for 100,000: its 50,000 and as many means of two of them, which are made up. Needs `$STRIATE_DATA`; about two
minutes.
"""

import argparse
import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from striate.data import cifar10
from striate.data.decode import canonical, decode_image
from striate.data.duplicates import near_duplicates
from striate.data.image_facts import Facts, measure
from striate.data.small_copies import of_facts

Rng = np.random.Generator
Edit = Callable[[Image.Image, Rng], bytes]
Turn = Image.Transpose
TURNS = ((Turn.ROTATE_90, 6), (Turn.ROTATE_180, 3), (Turn.ROTATE_270, 8))  # and the EXIF orientation that takes each back
FILTERS = [Image.Resampling[name] for name in ("BILINEAR", "BICUBIC", "LANCZOS", "BOX")]


def jpeg(image: Image.Image, rng: Rng, least: int = 60, orientation: int | None = None) -> bytes:
    buffer, exif = io.BytesIO(), Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    image.save(buffer, "JPEG", quality=int(rng.integers(least, 96)), exif=exif)
    return buffer.getvalue()


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def resized(image: Image.Image, rng: Rng) -> bytes:
    factor = 2 ** rng.uniform(-1, 1)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return png(image.resize(size, FILTERS[rng.integers(4)]))


def cropped(image: Image.Image, rng: Rng) -> bytes:
    left, top, right, bottom = rng.uniform(0, 0.05, 4)
    width, height = image.size
    box = (round(left * width), round(top * height), width - round(right * width), height - round(bottom * height))
    return jpeg(image.crop(box), rng)


def turned(image: Image.Image, rng: Rng, with_exif: bool) -> bytes:
    turn, orientation = TURNS[rng.integers(3)]
    return jpeg(image.transpose(turn), rng, orientation=orientation if with_exif else None)


KINDS: dict[str, Edit] = {
    "equal pixels": lambda image, _: png(image),
    "re-encoded": lambda image, rng: jpeg(image, rng, least=30),
    "resized": resized,
    "mirrored": lambda image, rng: jpeg(image.transpose(Turn.FLIP_LEFT_RIGHT), rng),
    "cropped": cropped,
    "turned, with EXIF": lambda image, rng: turned(image, rng, with_exif=True),
    "turned, EXIF lost": lambda image, rng: turned(image, rng, with_exif=False),
    "brighter": lambda image, rng: jpeg(ImageEnhance.Brightness(image).enhance(rng.uniform(1.05, 1.4)), rng),
}


def search(facts: list[Facts]) -> set[tuple[int, int]]:
    """Pairs of equal pixels and near-duplicates."""
    first: dict[int, int] = {}
    equal = {(first.setdefault(each.pixel_hash, place), place) for place, each in enumerate(facts)}
    found = near_duplicates(of_facts(facts))
    print(f"{len(found.alike_M)} images are like more than 16 others")
    return {pair for pair in equal if pair[0] != pair[1]} | {(a, b) for a, b in found.pairs_P2.tolist()}


def planted(name: str, images: list[Image.Image], among: list[Facts], rng: Rng) -> None:
    kinds = list(KINDS)
    originals = [measure(canonical(np.asarray(image))) for image in images]
    edits = [KINDS[kinds[place % len(kinds)]](image, rng) for place, image in enumerate(images)]
    copies = [measure(decode_image(content, (255, 255, 255))) for content in edits]
    pairs = search([*originals, *copies, *among])
    print(f"{name}: {len(images)} copies")
    for which, kind in enumerate(kinds):
        places = range(which, len(images), len(kinds))
        hits = sum((place, place + len(images)) in pairs for place in places)
        print(f"  {kind}: {hits} of {len(places)}, {hits / len(places):.1%}")


def sheet(pixels_NHWC: NDArray[np.uint8], pairs: list[tuple[int, int]], path: Path) -> None:
    rows = -(-len(pairs) // 10)
    page = np.full((rows * 32, 10 * 68, 3), 255, np.uint8)
    for place, (first, second) in enumerate(pairs):
        top, left = 32 * (place // 10), 68 * (place % 10)
        page[top : top + 32, left : left + 64] = np.concatenate([pixels_NHWC[first], pixels_NHWC[second]], axis=1)
    Image.fromarray(page).resize((2 * page.shape[1], 2 * page.shape[0])).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sheet", type=Path, help="draw the pairs that are found among CIFAR-10's first 10,000 images")
    parser.add_argument("--most", type=int, default=100_000, help="time up to so many images")
    options = parser.parse_args()
    root, rng = Path(os.environ["STRIATE_DATA"]), np.random.default_rng(0)
    pixels_NHWC = cifar10.read(root / "cifar10").pixels_NHWC
    assert pixels_NHWC is not None
    facts = [measure(image) for image in pixels_NHWC]
    others = facts[10_000:20_000]
    photographs = [Image.open(path).convert("RGB") for path in sorted((root / "trashnet").rglob("*.jpg"))[:300]]
    planted("CIFAR-10", [Image.fromarray(image) for image in pixels_NHWC[20_000:20_300]], others, rng)
    planted("TrashNet", photographs, others, rng)
    made_up = [
        measure(((a.astype(int) + b) // 2).astype(np.uint8))
        for a, b in zip(pixels_NHWC, np.roll(pixels_NHWC, 12_345, axis=0), strict=True)
    ]
    for count in (1_000, 10_000, 30_000, 100_000):
        if count > options.most:
            break
        begun = time.perf_counter(), time.process_time()
        pairs = sorted(search([*facts, *made_up][:count]))
        wall, processor = time.perf_counter() - begun[0], time.process_time() - begun[1]
        print(f"{count:,} images: {len(pairs)} pairs, {wall:.1f} s, {processor:.1f} s of the processor")
        if count == 10_000 and options.sheet is not None:
            sheet(pixels_NHWC, pairs, options.sheet)


if __name__ == "__main__":
    main()
