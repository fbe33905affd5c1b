"""The bytes of images at addresses, read some hundred images ahead of their use, neighbors of a shard in one request.

Images on a disk go through as they are: the children that decode them read them. What is read lies in memory until it is taken,
at most two windows of it.
"""

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from striate.base import addresses, worker_pool
from striate.base.child_process import Answer, Call
from striate.base.errors import DecodeError
from striate.data import remote_files, shard_paths
from striate.data.shard_index import ShardIndex

# Images of a window, and bytes of it. Photographs of 100 KB make 26 MB of 256, some seconds of a usual connection
MOST_IMAGES = 256
MOST_BYTES = 2**25
# Bytes between two images that are read with them in place of a request more. A request takes 10 to 50 ms of which nothing is
# transferred, in which a connection of 100 Mbit/s transfers 125 to 625 kB
GAP = 2**17
MOST_TOGETHER = 2**23  # bytes of one request, so that several go on at once


class File(NamedTuple):
    """An image to decode."""

    path: Path
    content: bytes  # of an image at an address; empty where the child reads the file
    refused: str  # the reason why there is no image; empty where there is one


class _Place(NamedTuple):
    """Where an image at an address lies; or why it lies nowhere."""

    path: Path
    shards: ShardIndex | None
    row: int
    address: str  # of the shard
    offset: int
    length: int
    refused: str = ""

    @property
    def end(self) -> int:
        return self.offset + self.length


class _Window:
    """Images that are read together."""

    def __init__(self, places: list[_Place]) -> None:
        self.places = places
        groups = [*_together(sorted((place for place in places if place.shards is not None), key=lambda place: place[3:5]))]
        self.task_of = {place.path: number for number, group in enumerate(groups) for place in group}
        self.begins = [group[0].offset for group in groups]
        self.tasks = remote_files.start(
            partial(_read, group[0].address, group[0].offset, max(place.end for place in group)) for group in groups
        )

    def files(self) -> Iterator[File]:
        """The images in the order in which they were drawn."""
        for place in self.places:
            if place.shards is None:
                yield File(place.path, b"", place.refused)
                continue
            number = self.task_of[place.path]
            begin = place.offset - self.begins[number]
            yield _checked(place, place.shards, self.tasks[number].result()[begin : begin + place.length])

    def close(self) -> None:
        """Let nobody wait for them any more."""
        for task in self.tasks:
            task.give_up()


def _read(address: str, begin: int, end: int) -> bytes:
    return remote_files.read(address, begin, end - begin).content


def _together(places: list[_Place]) -> Iterator[list[_Place]]:
    """Images, in the order of their shards, in groups that one request reads each."""
    group, end = list[_Place](), 0
    for place in places:
        near = group and place.address == group[0].address and place.offset - end <= GAP
        if group and not (near and place.end - group[0].offset <= MOST_TOGETHER):
            yield group
            group, end = [], 0
        group.append(place)
        end = max(end, place.end)
    if group:
        yield group


def _checked(place: _Place, index: ShardIndex, content: bytes) -> File:
    """The image, read once more by itself where its bytes are not those of its checksum."""
    try:
        if index.damage(place.row, content) is not None:
            content = index.read_row(place.row)
    except DecodeError as error:
        return File(place.path, b"", str(error))
    return File(place.path, content, "" if content else "empty file")


def _place(path: Path) -> _Place | None:
    """Where an image lies; None of a file on a disk."""
    if not addresses.is_address(path):
        return None
    if (entry := shard_paths.entry_of(path)) is None:
        return _Place(path, None, 0, "", 0, 0, "not an image of shards, which alone are read from addresses")
    index = shard_paths.opened(entry[0])
    if (row := index.row_of(entry[1])) is None:
        return _Place(path, None, 0, "", 0, 0, f"{addresses.shown(entry[0])} has no image of this name")
    try:
        shard, offset, length = index.place(row)
    except DecodeError as error:
        return _Place(path, None, 0, "", 0, 0, str(error))
    return _Place(path, index, row, addresses.join(index.address, shard.name), offset, length)


class Files:
    """The files of paths, in order; those at addresses are read ahead. Used once, by one thread at a time."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = paths
        self._windows = deque[_Window]()
        self._closed = False

    def __enter__(self) -> "Files":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End a reading that somebody waits for in another thread, which gets a DataError."""
        self._closed = True
        for window in tuple(self._windows):
            window.close()

    def __iter__(self) -> Iterator[File]:
        places, length = list[_Place](), 0
        for path in self._paths:
            if (place := _place(path)) is None:
                yield from self._all(places)
                places, length = [], 0
                yield File(path, b"", "")
                continue
            places.append(place)
            length += place.length
            if len(places) == MOST_IMAGES or length >= MOST_BYTES:
                self._begin(places)
                places, length = [], 0
                if len(self._windows) == 2:
                    yield from self._first()
        yield from self._all(places)

    def _begin(self, places: list[_Place]) -> None:
        self._windows.append(_Window(places))
        if self._closed:
            self.close()

    def _first(self) -> Iterator[File]:
        yield from self._windows[0].files()
        self._windows.popleft()

    def _all(self, places: list[_Place]) -> Iterator[File]:
        if places:
            self._begin(places)
        while self._windows:
            yield from self._first()


def call(file: File, spec: object) -> Call:
    """What a child is asked for an image."""
    return Call({"path": os.fsencode(file.path).hex(), "input_spec": spec, "refused": file.refused}, file.content)


def in_children(
    where: str, paths: Iterable[Path], spec: object, count: int, limits: tuple[int, float, int]
) -> Generator[Answer]:  # fmt: skip
    """What the function `where` answers in `count` children for each image, with what JSON holds as `spec`.

    Images at an address are read by this process, others by the children. `limits` are those of `worker_pool.in_order`.
    """
    with Files(paths) as files:
        calls = (call(file, spec) for file in files)
        with closing(worker_pool.in_order(where, calls, count, *limits)) as answers:
            try:
                for answer in answers:  # noqa: UP028 - `yield from` would close `answers` first
                    yield answer
            finally:
                files.close()  # before `answers`, whose threads may wait for it
