"""The ledger of looks at test sets: a JSON line for each time that a model was scored on one.

It is `test-looks/looks.jsonl` in the cache folder, only ever appended to, and stays when the cache is cleared. A test set is
known by the pixels of its images, so a copy in another folder is the same one.
"""

import hashlib
import json
import logging
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import files

log = logging.getLogger("striate")

FOLDER, FILE = "test-looks", "looks.jsonl"
_ONCE = ("train", "finetune")  # commands that score a run once; repeated, they give the same run and the same score


class Looks(NamedTuple):
    """How often a test set has been scored."""

    test_set: str  # its fingerprint
    looks: int  # times, this one included
    runs: int  # different runs and models among them


def fingerprint(pixel_hash_N: NDArray[np.uint64]) -> str:
    """Sixteen hexadecimal digits for a set of images by hashes of their pixels, the same in any order and with any names."""
    return hashlib.sha256(np.sort(pixel_hash_N).astype("<u8").tobytes()).hexdigest()[:16]


def add(test_set: str, model: str, command: str) -> Looks:
    """Count one more look at a test set, by `model`, the id of a run or the name of a model; a note where it cannot be kept."""
    line = {"time": round(time.time(), 3), "test_set": test_set, "model": model, "command": command}
    before = _lines(test_set)
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            # One write, which other processes do not divide; its first byte ends what a crash left of another line
            os.write(handle, f"\n{json.dumps(line)}\n".encode())
        finally:
            os.close(handle)
    except OSError as error:
        log.info("%s cannot be written (%s), so this look at the test set is not counted later.", path, error.strerror)
    return _count(test_set, [*before, line])


def count(test_set: str) -> Looks:
    """How often a test set has been scored so far."""
    return _count(test_set, _lines(test_set))


def _path() -> Path:
    return files.cache_folder() / FOLDER / FILE


def _lines(test_set: str) -> list[dict[str, Any]]:
    """The looks at a test set; lines that are damaged, and a ledger that cannot be read, count for none."""
    try:
        content = _path().read_bytes()
    except OSError:
        return []
    lines = (_parsed(text) for text in content.split(b"\n") if test_set.encode() in text)
    return [line for line in lines if line is not None and line["test_set"] == test_set]


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and {"test_set", "model", "command"} <= line.keys() else None


def _count(test_set: str, lines: list[dict[str, Any]]) -> Looks:
    repeated = [str(line["model"]) for line in lines if line["command"] in _ONCE]
    looks = len(lines) - len(repeated) + len(set(repeated))
    return Looks(test_set, looks, len({str(line["model"]) for line in lines}))
