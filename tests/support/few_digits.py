"""Some of the embedded digits as a folder: what does not depend on how many they are is faster with these."""

from pathlib import Path

import numpy as np
from PIL import Image

from striate.data import builtin_datasets


def few_digits(folder: Path, each: int) -> Path:
    """The first images of each digit, 8 x 8 and gray, in a folder for each."""
    digits = builtin_datasets.read("digits", None)
    assert digits.pixels_NHWC is not None
    for digit in range(10):
        (folder / str(digit)).mkdir(parents=True)
        for row in np.flatnonzero(digits.labels_N == digit)[:each]:
            Image.fromarray(digits.pixels_NHWC[row, ..., 0]).save(folder / str(digit) / f"{row}.png")
    return folder
