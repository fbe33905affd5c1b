"""What a prediction is asked for besides its images; nothing here imports torch."""

from pathlib import Path
from typing import NamedTuple


class PredictionOptions(NamedTuple):
    """Options of `striate.predict`, as it describes them."""

    out: str | Path | None = None
    embed: str | Path | None = None
    crops: int = 1
    threshold: float | None = None
    probabilities: bool = False
