"""The ```console blocks of a document: their commands, and which of them are not run."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^\n]*?) *-->\s*?\n\s*)?^ *```console *\n(?P<lines>.*?)^ *```", re.M | re.S)


class Block(NamedTuple):
    """A console block: its commands, or why they are not run."""

    line: int
    commands: tuple[str, ...]
    not_run: str | None


def blocks(text: str) -> list[Block]:
    found = []
    for match in BLOCK.finditer(text):
        lines = re.sub(r"\\\n *(> )?", "", match["lines"]).splitlines()
        commands = tuple(line.strip()[2:].strip() for line in lines if line.strip().startswith("$ "))
        found.append(Block(text[: match.start("lines")].count("\n"), commands, match["reason"]))
    return found
