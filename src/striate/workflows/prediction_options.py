"""What a prediction is asked for besides its images; nothing here imports torch."""

from pathlib import Path
from typing import NamedTuple

from striate.base.errors import SettingError
from striate.base.option_names import option

OVER_RAY = "ray"  # as an engine


class PredictionOptions(NamedTuple):
    """Options of `striate.predict`, as it describes them."""

    out: str | Path | None = None
    embed: str | Path | None = None
    crops: int = 1
    threshold: float | None = None
    probabilities: bool = False
    engine: str | None = None
    ray_address: str | None = None
    precision: str = "fp32"

    @property
    def over_ray(self) -> bool:
        """Whether the workers of a Ray cluster predict."""
        return self.engine == OVER_RAY or self.ray_address is not None

    @property
    def computed_by(self) -> str | None:
        """The engine of a process that predicts: torch or onnx; None for what the model is."""
        return None if self.engine == OVER_RAY else self.engine


class Parts(NamedTuple):
    """How many rows a table of a folder has, and which tables are computed here: all, or every Nth from the Ith, as `I/N`."""

    rows: int
    shard: str | None = None

    def turns(self) -> tuple[int, int]:
        """The number of the first table, from 0, and the step to the next; SettingError where `shard` is not I/N."""
        first, _, step = (self.shard or "1/1").partition("/")
        if not (first.isascii() and first.isdigit() and step.isascii() and step.isdigit() and 1 <= int(first) <= int(step)):
            raise SettingError(f"expected {option('shard')} as I/N with I from 1 to N, such as 1/4; got {self.shard!r}.")
        return int(first) - 1, int(step)
