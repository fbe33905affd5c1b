"""A folder of small images of noise, darker in one class than in the other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def make_folder(folder: Path, formats: Sequence[str] = ("jpg", "png"), each: int = 20) -> Path:
    """Images `cat/0.jpg`, `cat/1.png`, ... and as many of `dog`, by the formats in turn; always the same."""
    rng = np.random.default_rng(0)
    for level, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for n in range(each):
            pixels = rng.integers(0, 150, (10, 11, 3), np.uint8) + np.uint8(50 * level)
            Image.fromarray(pixels).save(folder / name / f"{n}.{formats[n % len(formats)]}")
    return folder
