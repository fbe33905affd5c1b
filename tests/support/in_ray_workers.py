"""What tests have run by processes of Ray, which import it from here."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from striate.base.errors import SettingError
from striate.data.image_inputs import ImageInput
from striate.workflows.ray_predictions import Piece


def endless_pieces(ledger: Path) -> Iterator[Piece]:
    """Pieces without end, of 256 images in memory; each is noted in a file by one byte."""
    image_HWC = np.zeros((64, 64, 3), np.uint8)
    for number in count():
        with ledger.open("a") as file:
            file.write(".")
        yield Piece([ImageInput(f"[{number}]", image_HWC + np.uint8(n % 8)) for n in range(256)])


def failing(text: str) -> None:
    """Raise an error with this text."""
    raise SettingError(text)
