"""The images of shards by their paths: an index's path, or its address, followed by the image's name.

`read` gives the bytes of `shards/striate.index/cat/1.jpg` and of `https://host/shards/striate.index/cat/1.jpg`, so that
nothing that takes paths of images has to know of shards.

Legend: N images.
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import addresses
from striate.base.errors import DataError, DecodeError
from striate.data import remote_index
from striate.data.shard_index import NAME, ShardIndex, open_index


def entry_of(path: Path) -> tuple[Path, str] | None:
    """The index and the name of the image that a path of an image of shards is made of; None of another path."""
    entry = _split(path)
    return (entry.path, entry.name) if entry is not None and (entry.at_address or _status(entry.path)) else None


class _Entry(NamedTuple):
    """What may be an image of shards by its path."""

    path: Path  # of the index
    at_address: bool
    name: str


def _split(path: Path) -> _Entry | None:
    if NAME not in (parts := path.parts):
        return None
    place = len(parts) - parts[::-1].index(NAME)
    return _Entry(*_index(parts[:place]), "/".join(parts[place:])) if place < len(parts) else None


@lru_cache(maxsize=64)
def _index(parts: tuple[str, ...]) -> tuple[Path, bool]:
    """The path of an index, and whether it is an address: the same for each of its images."""
    index = Path(*parts)
    return index, addresses.is_address(index)


def _status(index: Path) -> os.stat_result | None:
    """Of a regular file; else None."""
    try:
        status = os.stat(index)  # noqa: PTH116 - once for each image, and a Path takes longer
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def row_of(path: Path) -> tuple[ShardIndex, int] | None:
    """The index and the row of an image of shards; None of another path, and where there is no such image."""
    if (entry := entry_of(path)) is None:
        return None
    index = opened(entry[0])
    row = index.row_of(entry[1])
    return None if row is None else (index, row)


def file_of(path: Path) -> Path | None:
    """The tar file that an image of shards on a disk lies in; else None."""
    image = row_of(path)
    if image is None or image[0].address:
        return None
    index, row = image
    return index.folder / index.shards[int(index.columns["shard"][row])].name


def content_of(path: Path) -> int | None:
    """The checksum of an image at an address, which its bytes must have; None of another path."""
    image = row_of(path) if addresses.is_address(path) else None
    return None if image is None else int(image[0].columns["content"][image[1]])


def read(path: Path) -> bytes | None:
    """The bytes of an image of shards by its path; None of another path.

    Raises:
        DecodeError: there is no such image, or its shard or its index is damaged.
        DataError: an address is not read.

    """
    if (entry := _split(path)) is None:
        return None
    if entry.at_address:
        shards = opened(entry.path)
    elif (status := _status(entry.path)) is None:
        return None
    else:
        try:
            shards = _as_it_is(entry.path, status)
        except DataError as error:
            raise DecodeError(str(error)) from error
    row = shards.row_of(entry.name)
    if row is None:
        raise DecodeError(f"{addresses.shown(entry.path)} has no image of this name")
    return shards.read_row(row)


def opened(path: Path) -> ShardIndex:
    """An index whose sum has been compared, by the process that listed its images."""
    if addresses.is_address(path):
        return open_address(addresses.shown(path.parent))
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    return _as_it_is(path, status)


def _as_it_is(path: Path, status: os.stat_result) -> ShardIndex:
    return _open_cached(str(path), status.st_mtime_ns, status.st_size, status.st_ino)


@lru_cache(maxsize=8)
def _open_cached(path: str, _changed: int, _bytes: int, _inode: int) -> ShardIndex:
    return open_index(Path(path), verify=False)


def open_address(address: str) -> ShardIndex:
    """The index of the shards at an address, as this process met it first."""
    return _open_at(address, str(remote_index.current(address, NAME)))


@lru_cache(maxsize=8)
def _open_at(address: str, local: str) -> ShardIndex:
    return replace(open_index(Path(local)), path=addresses.as_path(f"{address}/{NAME}"), address=address)


def stamp(root: Path) -> str | None:
    """A hash of the index and of sizes and times of its shards, where `root` is an index; else None.

    At an address the index alone counts: the bytes that come are compared with its checksums.
    """
    if (index := _at(root)) is None:
        return None
    hasher = hashlib.blake2b(index.sum, digest_size=16)
    for shard in () if index.address else index.shards:
        try:
            status = (index.folder / shard.name).stat()
            hasher.update(f"{shard.name!r} {status.st_size} {status.st_mtime_ns}\n".encode())
        except OSError as error:
            hasher.update(f"{shard.name!r} errno {error.errno}\n".encode())
    return hasher.hexdigest()


def marks(root: Path, names: Sequence[str]) -> NDArray[np.int64] | None:
    """Time of status change and inode of the shard of each image, -1 of one that is not there: N x 2; None as in `stamp`."""
    if (index := _at(root)) is None:
        return None
    by_shard = np.full((len(index.shards), 2), -1, np.int64)
    for row, shard in zip(by_shard, index.shards, strict=True):
        if index.address:
            break
        with suppress(OSError):
            status = (index.folder / shard.name).stat()
            row[:] = status.st_ctime_ns, status.st_ino & (2**63 - 1)
    if len(names) == len(index):
        return by_shard[index.columns["shard"]]
    rows = [index.row_of(name) for name in names]
    return by_shard[index.columns["shard"][[row for row in rows if row is not None]]]


def _at(root: Path) -> ShardIndex | None:
    return opened(root) if root.name == NAME and (addresses.is_address(root) or root.is_file()) else None
