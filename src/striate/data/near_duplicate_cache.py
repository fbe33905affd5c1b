"""The near-duplicates of many images are searched once and kept in the cache, under a hash of the small copies."""

import hashlib
import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from striate.base import files
from striate.base.errors import DiskError
from striate.data import duplicates
from striate.data.duplicates import NearDuplicates
from striate.data.small_copies import SmallCopies

FOLDER, ABOUT = "near-duplicates", "about.json"
_SEARCH_VERSION = 4  # raised whenever `duplicates` may find other pairs
_WORTH_KEEPING = 2_000  # images; fewer are searched in less than half a second


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
    pairs = duplicates.near_duplicates(copies, scratch=cache if cache.is_dir() else None)
    content = io.BytesIO()
    np.savez(content, pairs_P2=pairs.pairs_P2, alike_M=pairs.alike_M)
    about = {"data": data, "images": count}
    with suppress(DiskError):  # a cache that cannot be written costs time alone
        files.write_folder(folder, {"found.npz": content.getvalue(), ABOUT: json.dumps(about).encode()})
    return pairs


def _read(folder: Path, count: int) -> NearDuplicates | None:
    """What was found before; None where nothing was, or it is damaged."""
    try:
        if files.damage(folder):
            return None
        with np.load(folder / "found.npz", allow_pickle=False) as arrays:
            pairs = NearDuplicates(arrays["pairs_P2"], arrays["alike_M"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    fits = pairs.pairs_P2.ndim == 2 and all(((rows >= 0) & (rows < count)).all() for rows in pairs)
    return pairs if fits else None
