"""Arrays in files without a name, mapped into memory: what is large takes memory only as long as the system has it to spare.

The system writes pages of a file back to the disk when memory runs short, which it does not do with a program's own without
swap. A file without a name is gone with the last process that has it open, however that ends.
"""

import ctypes
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from striate.base import files
from striate.base.errors import DiskError

_AT_ONCE = 2**24  # bytes that are written where a system reserves none
LEAST_BYTES = 2**20  # of an array; a smaller one is not worth a file


def room(shape: tuple[int, ...], dtype: DTypeLike, folder: Path | None, least_bytes: int) -> NDArray[Any]:
    """Room for an array: in a file of `folder` where it has so many bytes, else in memory; there too without a folder.

    A folder that cannot be written, as one on a full disk, costs memory alone.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if folder is not None and size >= least_bytes:
        with suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file, size)
            return np.memmap(file, dtype, "w+", shape=shape).view(np.ndarray)  # which keeps a handle of its own
    return np.empty(shape, dtype)


def _reserve(file: IO[bytes], size: int) -> None:
    """Take the blocks of a file from the disk now, since a disk that fills while memory is written through is SIGBUS."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    for start in range(0, size, _AT_ONCE):  # macOS has no such call
        file.write(bytes(min(_AT_ONCE, size - start)))
    file.flush()


def keep(array: NDArray[Any]) -> NDArray[Any]:
    """The same array in a file of the cache folder where it is large, and not mapped from a file already."""
    if array.nbytes < LEAST_BYTES or is_mapped(array):
        return array
    in_file = room_in_cache(array.shape, array.dtype)
    in_file[...] = array
    return in_file


def room_in_cache(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Room for an array: in a file of the cache folder where it is large and one can be written there, else in memory."""
    if int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize >= LEAST_BYTES:
        cache = files.cache_folder()
        with suppress(DiskError), files.explained(cache, "write"):
            files.make_folder(cache)
            return room(shape, dtype, cache, LEAST_BYTES)
    return np.empty(shape, dtype)


class GrowingArray:
    """An array that gets rows at its end; once it is large it lies in a file, as in `room_in_cache`.

    >>> rows = GrowingArray()
    >>> rows.add(np.zeros((2, 3)))
    >>> rows.add(np.ones((1, 3)))
    >>> rows.whole()[:, 0].tolist()
    [0.0, 0.0, 1.0]
    """

    def __init__(self) -> None:
        self._room: NDArray[Any] | None = None
        self._count = 0

    def add(self, rows: NDArray[Any]) -> None:
        """Add rows, of the same shape and type as those before; there may be none."""
        end = self._count + len(rows)
        if self._room is None or end > len(self._room):
            larger = room_in_cache((max(end, 2 * self._count), *rows.shape[1:]), rows.dtype)
            if self._room is not None:
                larger[: self._count] = self._room[: self._count]
            self._room = larger
        self._room[self._count : end] = rows
        self._count = end

    def whole(self) -> NDArray[Any] | None:
        """The rows until now, without a copy; None where nothing was added."""
        return None if self._room is None else self._room[: self._count]


def is_mapped(array: Any) -> bool:
    """Whether an array, or a buffer, is a view of a mapped file."""
    while isinstance(array, np.ndarray | memoryview) and not isinstance(array, np.memmap):
        array = array.obj if isinstance(array, memoryview) else array.base
    return isinstance(array, np.memmap)


def give_back() -> None:
    """Give memory that was freed back to the system. glibc keeps what lies between blocks in use; others do it themselves."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
