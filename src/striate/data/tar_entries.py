"""The entries of a tar file by their headers alone: names are data, nothing is unpacked, and what is no file is said so.

POSIX ustar, pax (POSIX.1-2001, section pax, "pax Interchange Format") and GNU's long names, as Python, GNU tar and the
webdataset package write them. Written are plain ustar headers without time and owner, so that the same images give the same
bytes.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from striate.base import files
from striate.base.errors import DataError

BLOCK = 512
_MOST_HEADER = 2**20  # bytes of a pax header or a long name
_KINDS = {
    b"1": "a link", b"2": "a link", b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file",
    b"V": "a label of a volume", b"M": "a part of a file that began in another tar",
}  # fmt: skip
_COMPRESSED = {b"\x1f\x8b": "gunzip", b"BZ": "bunzip2", b"\xfd7": "unxz", b"(\xb5": "unzstd"}


class TarEntry(NamedTuple):
    """A file in a tar, or what is there in its place."""

    name: str
    offset: int  # of its first byte
    length: int
    refused: str  # why it is not read; empty for a file


def header(name: str, length: int) -> bytes:
    """The header of a file: mode 0644, time 0, no owner."""
    entry = tarfile.TarInfo(name)
    entry.size = length
    return entry.tobuf(tarfile.USTAR_FORMAT)


def padding(length: int) -> int:
    """Bytes after a file up to the next block."""
    return -length % BLOCK


def entries(path: Path) -> Iterator[TarEntry]:
    """What a tar file holds, in its order, without folders; only headers are read.

    Raises:
        DataError: it ends early, a header is damaged, or it is compressed.
        DiskError: it cannot be read.

    """
    with files.explained(path, "read"), path.open("rb") as file:
        size, place, further = path.stat().st_size, 0, dict[str, str]()
        while place < size:
            file.seek(place)
            block = file.read(BLOCK)
            if len(block) == BLOCK and not any(block):  # two of them end a tar; one is taken for the end by every reader
                return
            kind, length = _checked(path, block, place), _number(path, block[124:136], place)
            begin = place + BLOCK
            if kind in b"xL" and length > _MOST_HEADER:
                raise _damaged(path, place, f"a name of {length:,} bytes")
            if kind not in b"xgLK":
                length = _whole(path, further.get("size", str(length)), place)
            if begin + length > size:
                raise DataError(
                    f"{path} ends early: at byte {place:,} it begins {length:,} bytes, and has {max(0, size - begin):,} more. "
                    "Copy it again from where it is whole."
                )
            if kind == b"x":
                further |= _pax(path, file.read(length), place)
            elif kind == b"L":
                further["path"] = _text(file.read(length))
            elif kind not in b"gK5":
                yield _entry(further.get("path") or _name(block), kind, begin, length)
            if kind not in b"xgLK":
                further = {}
            place = begin + length + padding(length)


def _entry(name: str, kind: bytes, begin: int, length: int) -> TarEntry:
    refused = _KINDS.get(kind, "" if kind in (b"0", b"\0", b"7") else f"an entry of the kind {kind!r}")
    parts = PurePosixPath(name).parts
    if not refused and (not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name):
        refused = "a name that leads out of the tar"
    return TarEntry(name, begin, length, refused)


def _checked(path: Path, block: bytes, place: int) -> bytes:
    """The kind of an entry, where its header is whole."""
    if place == 0 and (tool := _COMPRESSED.get(block[:2])) and block[257:262] != b"ustar":
        raise DataError(f"{path} is compressed, so no image in it can be read by itself. Unpack it with {tool} to a .tar.")
    if len(block) < BLOCK:
        raise DataError(f"{path} ends early, at byte {place + len(block):,}. Copy it again from where it is whole.")
    total = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    if _number(path, block[148:156], place) != total:
        raise _damaged(path, place, "another sum")
    return block[156:157]


def _number(path: Path, field: bytes, place: int) -> int:
    if field[0] == 0x80:  # GNU's form for large numbers
        return int.from_bytes(field[1:], "big")
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        raise _damaged(path, place, "no number where one belongs") from None


def _whole(path: Path, text: str, place: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise _damaged(path, place, f"the size {text[:20]!r}")
    return int(text)


def _pax(path: Path, content: bytes, place: int) -> dict[str, str]:
    """The records of a pax header, each `LENGTH KEY=VALUE` and a new line."""
    records, begin = {}, 0
    while begin < len(content):
        digits, _, _ = content[begin : begin + 20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        key, equals, value = content[begin + len(digits) + 1 : begin + length].partition(b"=")
        if length <= len(digits) + 2 or begin + length > len(content) or not equals or not value.endswith(b"\n"):
            raise _damaged(path, place, "a pax header that is none")
        records[key.decode("utf-8", "replace")] = _text(value[:-1])
        begin += length
    if any(key.startswith("GNU.sparse.") for key in records):
        raise DataError(f"{path}: sparse files, as at byte {place:,}, are not read. Write the tar without --sparse.")
    return records


def _name(block: bytes) -> str:
    name, prefix = _text(block[:100]), _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _damaged(path: Path, place: int, what: str) -> DataError:
    return DataError(
        f"{path} is damaged, or no tar: {what} in the header at byte {place:,}. Copy it again from where it is whole."
    )


def read_entry(file: BinaryIO, entry: TarEntry, most: int) -> bytes | None:
    """The bytes of an entry of an open tar file; None where they are more than `most`."""
    if entry.length > most:
        return None
    file.seek(entry.offset)
    return file.read(entry.length)
