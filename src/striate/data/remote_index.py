"""The index of shards at an address, kept in the cache by its own SHA-256, which is its last 32 bytes.

So one request says whether the cache has it. Nothing else of the shards is kept: pixels lie where every other source's do.
"""

import hashlib
import os
import time
from functools import partial
from pathlib import Path

from striate.base import addresses, files
from striate.base.errors import DataError, RunError
from striate.data import remote_files
from striate.data.http_ranges import AbsentError

FOLDER = "shards"  # in the cache
SUM_BYTES = 32
_PIECE = 2**23  # bytes of one request
_known: dict[str, Path] = {}  # by address: where its index lies, as this process found it


def current(address: str, name: str) -> Path:
    """The index of that name at the address of its folder, in the cache; asked of the server by `refresh` alone."""
    if (place := _known.get(address)) is not None and place.is_file():
        return place
    return refresh(address, name)


def refresh(address: str, name: str) -> Path:
    """The same, as it is at the address now.

    Raises:
        DataError: there is none, or its bytes are not those that its checksum was made of.

    """
    remote = addresses.join(address, name)
    try:
        total = remote_files.size(remote)
    except AbsentError as error:
        raise DataError(
            f"expected shards at {address}; {name} is not there. Give the address of a folder that `striate data DATA --shards "
            "OUT` wrote. Tars without that file are read from a disk: copy them to a folder and give that, also to write "
            "shards with an index for the address."
        ) from error
    end = remote_files.read(remote, max(0, total - SUM_BYTES), SUM_BYTES).content
    place = files.cache_folder().absolute() / FOLDER / end.hex() / name
    while not place.is_file():
        try:
            with files.lock(place.parent, "index"):
                if not place.is_file():
                    _fetch(remote, total, place)
        except RunError:  # another process fetches it
            time.sleep(0.2)
    _known[address] = place
    return place


def _fetch(remote: str, total: int, place: Path) -> None:
    temporary, hasher, written = place.with_name(f".{place.name}.{os.getpid()}.tmp"), hashlib.sha256(), 0
    begins = [(begin, min(_PIECE, total - begin)) for begin in range(0, total, _PIECE)]
    try:
        with files.explained(place, "write"), temporary.open("wb") as file:
            for first in range(0, len(begins), remote_files.AT_ONCE):
                few = begins[first : first + remote_files.AT_ONCE]
                for piece in remote_files.start(partial(remote_files.read, remote, *each) for each in few):
                    content = piece.result().content
                    hasher.update(content[: max(0, total - SUM_BYTES - written)])
                    written += len(content)
                    file.write(content)
        if written != total or hasher.hexdigest() != place.parent.name:
            raise DataError(
                f"the index {remote} is damaged, or is being written: its bytes are not those that its checksum was made of. "
                "Copy it there again."
            )
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)
