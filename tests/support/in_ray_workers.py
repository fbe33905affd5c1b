"""What tests have run by processes of Ray, which import it from here."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from striate.base.errors import SettingError
from striate.data.image_inputs import ImageInput
from striate.workflows.ray_predictions import Piece

NOTE_BYTES = 4 * 2**20


def endless_pieces(ledger: Path) -> Iterator[Piece]:
    """Pieces without end, of one image and a note of `NOTE_BYTES`; each is noted in a file by one byte."""
    for number in count():
        with ledger.open("a") as file:
            file.write(".")
        yield Piece([ImageInput(f"[{number}]", np.zeros((8, 8, 3), np.uint8))], bytes(NOTE_BYTES))


def failing(text: str) -> None:
    """Raise an error with this text."""
    raise SettingError(text)
