"""What the demonstration of a subject gives: its numbers, lines for people, and the figures that it drew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Demonstration:
    """The result of one demonstration."""

    numbers: Mapping[str, Any]  # as they go into JSON
    lines: Sequence[str]  # what is printed
    files: Sequence[Path]  # the figures

    def as_json(self) -> dict[str, Any]:
        """The numbers, and the names of the figures under "files"."""
        return {**self.numbers, "files": [str(path) for path in self.files]}
