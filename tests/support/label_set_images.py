"""A table of images with several labels each: up to three of a square, a cross, a ring and a bar, on noise, 24 pixels."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = ("bar", "cross", "ring", "square")
_SIDE = 24


def image(labels: tuple[str, ...], rng: np.random.Generator) -> Image.Image:
    """The shapes of these labels, each in a quarter of its own, on noise."""
    levels = rng.integers(0, 60, (_SIDE, _SIDE))
    quarters = rng.permutation(4)[: len(labels)]
    for label, quarter in zip(labels, quarters, strict=True):
        top, left = (12 * int(half) + int(rng.integers(0, 3)) for half in divmod(quarter, 2))
        y, x = np.ogrid[:9, :9]
        shapes = {
            "square": (y >= 0) & (x >= 0),
            "cross": (abs(y - x) < 2) | (abs(8 - y - x) < 2),
            "ring": abs(np.hypot(y - 4, x - 4) - 3.5) < 1.2,
            "bar": (abs(y - 4) < 2) & (x >= 0),
        }
        levels[top : top + 9, left : left + 9][shapes[label]] = 230
    return Image.fromarray(levels.astype(np.uint8))


def write(folder: Path, count: int, how: str = "cells", seed: int = 0) -> Path:
    """A table of `count` images in `folder`: labels in one cell with bars, or in columns of 0 and 1; its path."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        chosen = rng.random(4) < (0.5, 0.4, 0.3, 0.4)
        if chosen.all():
            chosen[number % 4] = False
        labels = tuple(label for label, flag in zip(LABELS, chosen, strict=True) if flag)
        image(labels, rng).save(folder / f"{number:04d}.png")
        cells = ["|".join(labels)] if how == "cells" else [int(flag) for flag in chosen]
        rows.append([f"{number:04d}.png", *cells])
    path = folder / "labels.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "label"] if how == "cells" else ["path", *LABELS])
        table.writerows(rows)
    return path
