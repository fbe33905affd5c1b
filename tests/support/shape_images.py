"""Small folders of images to train on: bright shapes on noise, three classes, 24 pixels."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ("circle", "square", "triangle")


def draw(kind: str, number: int) -> Image.Image:
    generator = np.random.default_rng([CLASSES.index(kind), number])
    image = Image.fromarray(generator.integers(0, 120, (24, 24, 3), np.uint8))
    x, y, r = (int(v) for v in (*generator.integers(9, 15, 2), generator.integers(5, 8)))
    color = tuple(int(level) for level in generator.integers(150, 255, 3))
    pen = ImageDraw.Draw(image)
    if kind == "circle":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=color)
    elif kind == "square":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=color)
    else:
        pen.polygon(((x, y - r), (x - r, y + r), (x + r, y + r)), fill=color)
    return image


def make_folder(root: Path, each: int, classes: tuple[str, ...] = CLASSES) -> Path:
    for kind in classes:
        (root / kind).mkdir(parents=True)
        for number in range(each):
            draw(kind, number).save(root / kind / f"{number:03d}.png")
    return root
