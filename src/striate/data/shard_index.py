"""The index of a folder of shards: where each image lies in its tar file, with label, id and checksum, for random access.

One file, `striate.index`: a line that names the format, a header in JSON, columns at multiples of 64 bytes, and the SHA-256 of
everything before it. Columns are mapped into memory. An image of shards has a path as any other image has one, the index's
followed by its name: `shards/striate.index/cat/1.jpg`; `read_entry` gives the bytes of such a path, so that nothing that takes
paths of images has to know of shards.

Legend: N images, K classes, S shards.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.base import files
from striate.base.errors import DataError, DecodeError
from striate.base.hash_rng import name_id
from striate.data.image_facts import hash_content
from striate.data.names import Names

NAME = "striate.index"
VERSION = 1
MOST_BYTES = 2**30  # of one image; a larger length is no image's
_MAGIC = b"striate shards 1\n"
_ALIGN, _SUM_BYTES, _MOST_HEADER = 64, 32, 2**30
_DTYPES = {
    "labels": "<i8", "ids": "<u8", "parts": "|u1", "groups": "<i8", "shard": "<u4", "offset": "<i8", "length": "<i8",
    "content": "<u8", "keys": "<u8", "rows": "<i8", "text": "|u1", "ends": "<i8",
}  # fmt: skip
_OPTIONAL = ("groups",)

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Shard:
    """A tar file that an index describes."""

    name: str  # of the file
    bytes: int
    sha256: str  # empty where it is not known, as of tars that came without an index


@dataclass(frozen=True)
class ShardIndex:
    """An open index."""

    path: Path
    header: dict[str, Any]
    columns: Columns  # mapped into memory
    shards: tuple[Shard, ...]
    folder: Path  # that the shards lie in
    sum: bytes  # SHA-256 of what is before it

    def __len__(self) -> int:
        return len(self.columns["ids"])

    @property
    def names(self) -> Names:
        """The names of the images."""
        return Names.of_text(self.columns["text"].tobytes(), self.columns["ends"])

    def name(self, row: int) -> str:
        """The name of one image."""
        begin, end = (int(place) for place in self.columns["ends"][row : row + 2])
        return self.columns["text"][begin:end].tobytes().decode("utf-8", "surrogatepass")

    def row_of(self, name: str) -> int | None:
        """The row of an image by its name; None where there is none."""
        plain = PurePath(name).as_posix()
        keys, wanted = self.columns["keys"], np.uint64(name_id(plain))
        place = int(np.searchsorted(keys, wanted))
        while place < len(keys) and keys[place] == wanted:
            row = int(self.columns["rows"][place])
            if PurePath(self.name(row)).as_posix() == plain:
                return row
            place += 1
        return None

    def read_row(self, row: int) -> bytes:
        """The bytes of an image, compared with their checksum.

        Raises:
            DecodeError: the shard is not there or ends early, or its bytes are not those that were written.

        """
        shard = self.shards[int(self.columns["shard"][row])]
        offset, length, content = (int(self.columns[name][row]) for name in ("offset", "length", "content"))
        where = f"{shard.name}, the {length:,} bytes at {offset:,}"
        if length > MOST_BYTES:
            raise DecodeError(f"{where}: more than {MOST_BYTES:,}")
        try:
            with (self.folder / shard.name).open("rb") as file:
                file.seek(offset)
                content_bytes = file.read(length)
        except OSError as error:
            raise DecodeError(f"{where} cannot be read: {error.strerror or error}") from error
        if len(content_bytes) != length:
            raise DecodeError(
                f"{where}: the shard ends after {offset + len(content_bytes):,}; copy it again from where it is whole"
            )
        if content and hash_content(content_bytes) != content:
            raise DecodeError(f"{where} are not those that the index has the checksum of; copy the shard again")
        return content_bytes


def entry_of(path: Path) -> tuple[Path, str] | None:
    """The index and the name of the image that a path of an image of shards is made of; None of another path."""
    if NAME not in (parts := path.parts):
        return None
    place = len(parts) - parts[::-1].index(NAME)
    index = Path(*parts[:place])
    return (index, "/".join(parts[place:])) if place < len(parts) and index.is_file() else None


def file_of(path: Path) -> Path | None:
    """The tar file that an image of shards lies in; None of another path, and where there is no such image."""
    if (entry := entry_of(path)) is None:
        return None
    index = _opened(entry[0])
    row = index.row_of(entry[1])
    return None if row is None else index.folder / index.shards[int(index.columns["shard"][row])].name


def read_entry(index: Path, name: str) -> bytes:
    """The bytes of an image by its name. Raises DecodeError: there is none, or its shard is damaged."""
    try:
        opened = _opened(index)
    except DataError as error:
        raise DecodeError(str(error)) from error
    row = opened.row_of(name)
    if row is None:
        raise DecodeError(f"{index} has no image of this name")
    return opened.read_row(row)


def _opened(path: Path) -> ShardIndex:
    """An index whose sum has been compared, by the process that listed its images."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    return _open_cached(str(path), status.st_mtime_ns, status.st_size, status.st_ino)


@lru_cache(maxsize=8)
def _open_cached(path: str, _changed: int, _bytes: int, _inode: int) -> ShardIndex:
    return open_index(Path(path), verify=False)


def stamp(root: Path) -> str | None:
    """A hash of the index and of sizes and times of its shards, where `root` is an index; else None."""
    if (index := _at(root)) is None:
        return None
    hasher = hashlib.blake2b(index.sum, digest_size=16)
    for shard in index.shards:
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
        with suppress(OSError):
            status = (index.folder / shard.name).stat()
            row[:] = status.st_ctime_ns, status.st_ino & (2**63 - 1)
    if len(names) == len(index):
        return by_shard[index.columns["shard"]]
    rows = [index.row_of(name) for name in names]
    return by_shard[index.columns["shard"][[row for row in rows if row is not None]]]


def _at(root: Path) -> ShardIndex | None:
    return _opened(root) if root.name == NAME and root.is_file() else None


def write_index(path: Path, header: Mapping[str, Any], columns: Columns, names: Sequence[str]) -> None:
    """Put an index at a path, whole or not at all.

    Args:
        path: of the file.
        header: what is not a column: `classes`, `shards`, and what else JSON holds.
        columns: labels (N, or N x K of 0 and 1), ids, parts, shard, offset, length, content, and perhaps groups, each of N.
        names: of the images.

    Raises:
        DataError: a name that leads out of the folder, or two that are one path.

    """
    plain = [PurePath(name) for name in names]
    if bad := next((name for name in plain if name.is_absolute() or ".." in name.parts or not name.parts), None):
        raise DataError(
            f"expected names of images below their folder; got {bad}. Put the images below the table's folder, and name them "
            "relative to it."
        )
    keys_N = np.array([name_id(name.as_posix()) for name in plain], np.uint64)
    order = np.argsort(keys_N, kind="stable")
    stored = Names(names)
    every = {
        **columns, "keys": keys_N[order], "rows": order, "text": np.frombuffer(stored.text, np.uint8),
        "ends": np.array(stored.ends, np.int64),
    }  # fmt: skip
    arrays = {name: np.ascontiguousarray(array, _DTYPES[name]) for name, array in every.items()}
    places, begin = {}, 0
    for name, array in arrays.items():
        places[name] = {"shape": list(array.shape), "offset": begin}
        begin += -(-array.nbytes // _ALIGN) * _ALIGN
    text = json.dumps({**header, "version": VERSION, "columns": places}, separators=(",", ":")).encode()
    with files.explained(path, "write"):
        files.make_folder(path.parent)
        temporary, hasher = path.with_name(f".{path.name}.{os.getpid()}.tmp"), hashlib.sha256()
        try:
            with temporary.open("wb") as file:
                for piece in (_MAGIC, len(text).to_bytes(8, "little"), text, b"\0" * _padding(len(text)), *_padded(arrays)):
                    file.write(piece)
                    hasher.update(piece)
                file.write(hasher.digest())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            files.sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _padding(header_bytes: int) -> int:
    return -(len(_MAGIC) + 8 + header_bytes) % _ALIGN


def _padded(arrays: Columns) -> list[Any]:
    return [
        part
        for array in arrays.values()
        for part in (array.data.cast("B") if array.size else b"", b"\0" * (-array.nbytes % _ALIGN))
    ]


def open_index(path: Path, verify: bool = True) -> ShardIndex:
    """The index at a path; `verify` compares its sum.

    Raises:
        DataError: it is not whole, of another version, or says what cannot be.

    """
    try:
        with files.explained(path, "read"), path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if verify:
                _compare_sum(file, size)
            file.seek(0)
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ValueError("it does not begin as an index of version 1 does")
            length = int.from_bytes(file.read(8), "little")
            if length > min(size, _MOST_HEADER):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
            file.seek(size - _SUM_BYTES)
            stored_sum = file.read()
        begin = len(_MAGIC) + 8 + length + _padding(length)
        columns = _columns(path, header["columns"], begin, size - _SUM_BYTES)
        shards = tuple(Shard(str(shard["name"]), int(shard["bytes"]), str(shard["sha256"])) for shard in header["shards"])
        _check(header, columns, shards)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"the index {path} is damaged: {error}. Copy it again, or write the shards anew.") from error
    folder = Path(header["folder"]) if header.get("folder") else path.parent
    return ShardIndex(path, header, columns, shards, folder, stored_sum)


def _compare_sum(file: Any, size: int) -> None:
    hasher, left = hashlib.sha256(), size - _SUM_BYTES
    while left > 0 and (piece := file.read(min(left, 2**20))):
        hasher.update(piece)
        left -= len(piece)
    if left != 0 or file.read(_SUM_BYTES) != hasher.digest():
        raise ValueError("its bytes are not those that its checksum was made of")


def _columns(path: Path, places: Mapping[str, Any], begin: int, end: int) -> Columns:
    columns = {}
    for name, dtype in _DTYPES.items():
        if name not in places and name in _OPTIONAL:
            continue
        shape, offset = tuple(map(int, places[name]["shape"])), begin + int(places[name]["offset"])
        if min(shape) < 0 or offset < begin or offset + int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize > end:
            raise ValueError(f"its column {name} does not lie in it")
        empty = 0 in shape
        array = np.zeros(shape, dtype) if empty else np.memmap(path, dtype, "r", offset, shape)
        columns[name] = array.view(np.ndarray)
    return columns


def _check(header: Mapping[str, Any], columns: Columns, shards: Sequence[Shard]) -> None:
    count, classes = len(columns["ids"]), header["classes"]
    if not all(isinstance(name, str) for name in classes):
        raise ValueError("its classes are no names")
    rows = [
        name
        for name in ("labels", "parts", "groups", "shard", "offset", "length", "content", "keys", "rows")
        if name in columns
    ]
    if any(len(columns[name]) != count for name in rows) or len(columns["ends"]) != count + 1:
        raise ValueError("its columns differ in length")
    for shard in shards:
        if Path(shard.name).name != shard.name or shard.name in (".", "..") or "\\" in shard.name or "\0" in shard.name:
            raise ValueError(f"{shard.name!r} is no name of a file in its folder")
    if not count:
        return
    labels, ends, rows_N = columns["labels"], columns["ends"], columns["rows"]
    if labels.ndim == 2 and (labels.shape[1] != len(classes) or labels.min() < 0 or labels.max() > 1):
        raise ValueError("its labels are not 0 and 1 for each class")
    if labels.ndim == 1 and (labels.min() < -1 or labels.max() >= len(classes)):
        raise ValueError("a label is none of its classes")
    if ends[0] != 0 or (np.diff(ends) < 0).any() or ends[-1] > len(columns["text"]) or columns["parts"].max() > 3:
        raise ValueError("its names or parts are out of range")
    if rows_N.min() < 0 or rows_N.max() >= count or columns["shard"].max() >= len(shards):
        raise ValueError("its rows are out of range")
    sizes = np.array([shard.bytes for shard in shards], np.int64)[columns["shard"]]
    offset, length = columns["offset"], columns["length"]
    if offset.min() < 0 or length.min() < 0 or (offset > sizes).any() or (length > sizes - offset).any():
        raise ValueError("an image does not lie in its shard")
