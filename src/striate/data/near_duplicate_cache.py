"""The near-duplicates of many images are searched once and kept in the cache, under a hash of the small copies.

Those of more than 16,384 images are searched in parts, by all processes that want them: each part by one of them.
"""

import hashlib
import io
import json
import logging
import shutil
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from striate.base import files, shared_parts
from striate.base.errors import DiskError, RunError
from striate.data import duplicates
from striate.data.duplicates import NearDuplicates
from striate.data.small_copies import SmallCopies

log = logging.getLogger("striate")

FOLDER, ABOUT = "near-duplicates", "about.json"
_FOUND = "found.npz"
_SEARCH_VERSION = 5  # raised whenever `duplicates` may find other pairs
_WORTH_KEEPING = 2_000  # images; fewer are searched in less than half a second
_AT_ONCE = 16_384  # images; more are searched in parts
_WAIT_SECONDS = 0.5


def search(copies: SmallCopies, cache: Path, data: str) -> NearDuplicates:
    """As `duplicates.near_duplicates`; of many images what was found before. `data` is where they are from, for the list."""
    count = len(copies.sizes_N2)
    if count < _WORTH_KEEPING:
        return duplicates.near_duplicates(copies)
    hasher = hashlib.blake2b(f"{_SEARCH_VERSION} {count}".encode(), digest_size=16)
    for column in copies:
        hasher.update(np.ascontiguousarray(column).data)
    folder = cache / FOLDER / hasher.hexdigest()
    if (stored := _read(folder, count)) is not None:
        return stored
    scratch = cache if cache.is_dir() else None
    if count <= _AT_ONCE or scratch is None:
        pairs = duplicates.near_duplicates(copies, scratch)
        with suppress(DiskError):  # a cache that cannot be written costs time alone
            _write(folder, pairs, data, count)
        return pairs
    searching = duplicates.Search(copies, scratch)
    try:
        return _together(searching, folder, data)
    except DiskError:
        return duplicates.join_parts([searching.part(number) for number in range(len(searching.parts))], count)


def _together(searching: duplicates.Search, folder: Path, data: str) -> NearDuplicates:
    """What is found with the other processes that search the same."""
    count, parts = len(searching.copies.sizes_N2), folder.with_name(f".{folder.name}.parts")

    def write(number: int, new: Path) -> None:
        with files.explained(new, "write"):
            (new / _FOUND).write_bytes(_packed(searching.part(number)))

    while (stored := _read(folder, count)) is None:
        shared_parts.make(parts, len(searching.parts), write, folder.is_dir, lambda: None)
        try:
            with files.lock(folder.with_name(f"{folder.name}.building"), "search"):
                if _read(folder, count) is not None:
                    continue
                if folder.is_dir():  # it is damaged
                    shutil.rmtree(folder)
                elif shared_parts.sound(parts, len(searching.parts), _tell_of_damage):
                    results = [_unpacked(shared_parts.path_of(parts, number)) for number in range(len(searching.parts))]
                    _write(folder, duplicates.join_parts(results, count), data, count)
                    shared_parts.remove(parts)
        except RunError:  # another process joins them
            time.sleep(_WAIT_SECONDS)
    if parts.is_dir() and not shared_parts.in_use(parts):  # locks that this process took after another had joined the parts
        shared_parts.remove(parts)
    return stored


def _tell_of_damage(clause: str) -> None:
    log.warning("A part of the search for near-duplicates is damaged (%s); it is searched anew.", clause)


def _write(folder: Path, pairs: NearDuplicates, data: str, count: int) -> None:
    about = {"data": data, "images": count}
    files.write_folder(folder, {_FOUND: _packed(pairs), ABOUT: json.dumps(about).encode()})


def _packed(pairs: NearDuplicates) -> bytes:
    content = io.BytesIO()
    np.savez(content, pairs_P2=pairs.pairs_P2, alike_M=pairs.alike_M)
    return content.getvalue()


def _unpacked(folder: Path) -> NearDuplicates:
    with np.load(folder / _FOUND, allow_pickle=False) as arrays:
        return NearDuplicates(arrays["pairs_P2"], arrays["alike_M"])


def _read(folder: Path, count: int) -> NearDuplicates | None:
    """What was found before; None where nothing was, or it is damaged."""
    try:
        if files.damage(folder):
            return None
        pairs = _unpacked(folder)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    fits = pairs.pairs_P2.ndim == 2 and all(((rows >= 0) & (rows < count)).all() for rows in pairs)
    return pairs if fits else None
