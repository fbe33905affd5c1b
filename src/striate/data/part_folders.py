"""Folders for the parts of a data set: `train` and `test`, or names that differ in that word alone, as `seg_train`, `seg_test`.

Archives wrap each part once more: `train/train/cats/1.jpg`.
"""

import os
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase, translate
from pathlib import Path

from striate.data.examples import Part
from striate.data.examples_from_source import part_named

IGNORED = (
    ".*", "__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "lost+found", "system volume information",
    "*.txt", "*.csv", "*.tsv", "*.json", "*.jsonl", "*.xml", "*.md", "*.html", "*.yaml", "*.yml", "*.toml", "*.log",
    "*.py", "*.npy", "*.npz", "*.db", "*.parquet",
)  # fmt: skip
_ANY_IGNORED = re.compile("|".join(map(translate, IGNORED)))


def ignoring_pattern(name: str) -> str | None:
    """The first of the patterns that ignores a file or folder of this name, whatever its case; None where none does."""
    lower = name.lower()
    if _ANY_IGNORED.match(lower) is None:  # most names are tested against all patterns at once
        return None
    return next(pattern for pattern in IGNORED if fnmatchcase(lower, pattern))


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder that no pattern ignores; none where it cannot be read."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return []
    return sorted(name for name in names if ignoring_pattern(name) is None)


def named(names: Iterable[str]) -> dict[str, Part | None]:
    """The part that each folder is by its name, None for what is neither.

    >>> named(["seg_pred", "seg_test", "seg_train"])
    {'seg_pred': None, 'seg_test': <Part.TEST: 3>, 'seg_train': <Part.TRAIN: 1>}
    """
    plain = {name: part_named(name) for name in names}
    if any(plain.values()):
        return plain
    alike: dict[tuple[str, str], dict[str, Part]] = {}
    for name in plain:
        words = re.split(r"([^a-z]+)", name.lower())
        for place, word in enumerate(words):
            if (part := part_named(word)) is not None:
                alike.setdefault(("".join(words[:place]), "".join(words[place + 1 :])), {})[name] = part
    if len(alike) == 1:
        (parts,) = alike.values()
        if Part.TRAIN in parts.values() and 1 < len({*parts.values()}) == len(parts):
            return {name: parts.get(name) for name in plain}
    return plain


def of(root: Path, top: Sequence[str]) -> dict[str, Part | None]:
    """The part that each folder is, FREE for a class, None for what is neither.

    A folder is a part where it holds folders: one called train that holds images is a class, as is one called test where there
    is no train.
    """
    parts = named(top)
    if not any(part is Part.TRAIN and folders_in(root / path) for path, part in parts.items()):
        return dict.fromkeys(top, Part.FREE)
    plain = [path for path, part in parts.items() if part is Part.VAL and not path.lower().startswith("eval")]
    for path in parts:
        if path.lower().startswith("eval") and plain:  # beside a validation part, it is to evaluate with at the end
            parts[path] = None if Part.TEST in parts.values() else Part.TEST
    return parts


def is_wrapped(path: str, inner: Sequence[str]) -> bool:
    """Whether the folder of a part holds one folder alone that is the part once more."""
    if len(inner) != 1:
        return False
    outer, name = path.rpartition("/")[2].lower(), inner[0].rpartition("/")[2].lower()
    return name == outer or part_named(name) is not None
