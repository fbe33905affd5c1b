"""The index of a folder of shards: where each image lies in its tar file, with label, id and checksum, for random access.

One file, `striate.index`: a line that names the format, a header in JSON, columns at multiples of 64 bytes, and the SHA-256 of
everything before it. Columns are mapped into memory. An image of shards has a path as any other image has one, the index's
followed by its name: `shards/striate.index/cat/1.jpg` (`shard_paths`).

Legend: N images, K classes, S shards.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate.base import addresses, files
from striate.base.errors import DataError, DecodeError
from striate.base.hash_rng import name_id
from striate.data import remote_files
from striate.data.image_facts import hash_content
from striate.data.names import Names

NAME = "striate.index"
VERSION = 1
MOST_BYTES = 2**30  # of one image; a larger length is no image's
_MAGIC = b"striate shards 1\n"
_ALIGN, _SUM_BYTES, _MOST_HEADER = 64, 32, 2**30
_DTYPES = {
    "labels": "<i8", "ids": "<u8", "parts": "|u1", "groups": "<i8", "shard": "<u4", "offset": "<i8", "length": "<i8",
    "content": "<u8", "crc32": "<u4", "keys": "<u8", "rows": "<i8", "text": "|u1", "ends": "<i8",
}  # fmt: skip
_OPTIONAL = ("groups", "crc32")

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Shard:
    """A tar file that an index describes."""

    name: str  # of the file
    bytes: int
    sha256: str  # empty where it is not known, as of tars that came without an index


class Place(NamedTuple):
    """Where an image lies."""

    shard: Shard
    offset: int
    length: int

    def __str__(self) -> str:
        return f"{self.shard.name}, the {self.length:,} bytes at {self.offset:,}"


@dataclass(frozen=True)
class ShardIndex:
    """An open index."""

    path: Path
    header: dict[str, Any]
    columns: Columns  # mapped into memory
    shards: tuple[Shard, ...]
    folder: Path  # that the shards lie in
    sum: bytes  # SHA-256 of what is before it
    address: str = ""  # of the folder, where the shards are not on a disk

    def __len__(self) -> int:
        return len(self.columns["ids"])

    @property
    def names(self) -> Names:
        """The names of the images, mapped into memory as the columns are."""
        return Names.of_buffers(self.columns["text"], np.asarray(self.columns["ends"], np.int64))

    def name(self, row: int) -> str:
        """The name of one image."""
        ends = self.columns["ends"]
        return self.columns["text"][ends[row] : ends[row + 1]].tobytes().decode("utf-8", "surrogatepass")

    def row_of(self, name: str) -> int | None:
        """The row of an image by its name; None where there is none."""
        row = self._row_of(name)
        return self._row_of(plain) if row is None and (plain := PurePath(name).as_posix()) != name else row

    def _row_of(self, plain: str) -> int | None:
        keys, wanted = self.columns["keys"], name_id(plain)
        place = int(keys.searchsorted(np.uint64(wanted)))
        while place < len(keys) and int(keys[place]) == wanted:
            row = int(self.columns["rows"][place])
            if (name := self.name(row)) == plain or PurePath(name).as_posix() == plain:
                return row
            place += 1
        return None

    def read_row(self, row: int) -> bytes:
        """The bytes of an image, compared with their checksum.

        Raises:
            DecodeError: the shard is not there or ends early, or its bytes are not those that were written.
            DataError: an address is not read.

        """
        place, content = self.place(row), b""
        for _ in range(2 if self.address else 1):  # a transfer may have damaged them
            if self.address:
                content = remote_files.read(addresses.join(self.address, place.shard.name), place.offset, place.length).content
            else:
                content = self._read_file(place)
            if (why := self._damage(row, place, content)) is None:
                return content
        raise DecodeError(why)

    def place(self, row: int) -> Place:
        """Where an image lies. Raises DecodeError: it is too long."""
        columns = self.columns
        shard = self.shards[int(columns["shard"][row])]
        place = Place(shard, int(columns["offset"][row]), int(columns["length"][row]))
        if place.length > MOST_BYTES:
            raise DecodeError(f"{place}: more than {MOST_BYTES:,}")
        return place

    def _read_file(self, place: Place) -> bytes:
        """The bytes at a place of a file, which is opened anew: nothing is kept open of thousands of shards."""
        content = b""
        try:
            handle = os.open(f"{self.folder}{os.sep}{place.shard.name}", os.O_RDONLY | getattr(os, "O_BINARY", 0))
            try:
                os.lseek(handle, place.offset, os.SEEK_SET)
                while len(content) < place.length and (piece := os.read(handle, place.length - len(content))):
                    content = content + piece if content else piece
            finally:
                os.close(handle)
        except OSError as error:
            raise DecodeError(f"{place} cannot be read: {error.strerror or error}") from error
        return content

    def damage(self, row: int, content: bytes) -> str | None:
        """Why these bytes are not the image's; None where they are."""
        return self._damage(row, self.place(row), content)

    def _damage(self, row: int, place: Place, content: bytes) -> str | None:
        """The CRC-32 is compared where the index has one: a fifth of the hash's time, it reveals any changed byte."""
        if len(content) != place.length:
            return f"{place}: the shard ends after {place.offset + len(content):,}; copy it again from where it is whole"
        if "crc32" in self.columns and (crc := int(self.columns["crc32"][row])):
            same = zlib.crc32(content) == crc
        else:
            same = (known := int(self.columns["content"][row])) == 0 or hash_content(content) == known
        return None if same else f"{place} are not those that the index has the checksum of; copy the shard again"


def write_index(path: Path, header: Mapping[str, Any], columns: Columns, names: Sequence[str]) -> None:
    """Put an index at a path, whole or not at all.

    Args:
        path: of the file.
        header: what is not a column: `classes`, `shards`, and what else JSON holds.
        columns: labels (N, or N x K of 0 and 1), ids, parts, shard, offset, length, content, and perhaps groups and crc32,
            each of N; a content or a CRC-32 of 0 is not known.
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
        for name in ("labels", "parts", "groups", "shard", "offset", "length", "content", "crc32", "keys", "rows")
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
