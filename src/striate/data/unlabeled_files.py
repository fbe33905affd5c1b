"""The files below a folder that are predicted: in the order of their names, and never all of them in memory."""

import os
from collections.abc import Iterator
from pathlib import Path

from striate.base.errors import DataError
from striate.data.folders import Walk


def files_within(folder: Path) -> Iterator[Path]:
    """Every file below a folder that no pattern ignores, by name; for predictions, where there are no classes.

    The names of one folder at a time are held, so there may be any number of files.
    """
    walk = Walk(folder)
    yield from _below(walk, "")
    if walk.quarantined and walk.quarantined[0].path == "":
        raise DataError(f"{folder}: {walk.quarantined[0].reason}.")


def why_none(folder: Path) -> str:
    """Why there is nothing below a folder that would be predicted: what is left out and why, or that it is empty."""
    walk = Walk(folder)
    walk.descend("")
    left = [*walk.quarantined, *walk.ignored]
    if not left:
        return "it holds none"
    path, reason = left[0]
    more = f", and so {'is' if len(left) == 2 else 'are'} {len(left) - 1:,} more" if len(left) > 1 else ""
    return f"{path} is left out ({reason}){more}"


def _below(walk: Walk, place: str) -> Iterator[Path]:
    names = [f"{inner}/" for inner in walk.folders(place)] + walk.files  # the slash sorts a folder as its files' paths sort
    walk.files.clear()
    for name in sorted(names, key=os.fsencode):
        if name.endswith("/"):
            yield from _below(walk, name[:-1])
        else:
            yield walk.root / name
