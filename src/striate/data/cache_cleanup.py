"""Listing the cache folder, and removing what striate makes anew: pixel caches, results, and images given in memory.

What no run is building is removed, by renaming it first, so it is seen whole or not at all. A run that has mapped pixels into
its memory keeps them until it ends (on Linux and macOS; Windows refuses, and they stay). What is being built is locked.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from striate.base import files, shared_parts
from striate.base.errors import RunError
from striate.base.phrases import printable
from striate.data import in_memory, near_duplicate_cache, result_cache

_ROOMS = {
    "pixels": "store.json",
    "facts": "store.json",
    in_memory.FOLDER: in_memory.ABOUT,
    near_duplicate_cache.FOLDER: near_duplicate_cache.ABOUT,
    result_cache.SAMPLES: result_cache.ABOUT,
    result_cache.MIRRORING: result_cache.ABOUT,
}  # with the file that says what it is
_OTHER = "not a pixel cache"


class Entry(NamedTuple):
    """One thing in the cache."""

    path: str  # of its folder or file
    what: str  # `pixels`, `facts`, `in-memory`, `near-duplicates`, `samples`, `mirroring`; of other things the folder's name
    data: str | None  # the folder or file that it was made from, or `images in memory`; None for other things
    input_spec: str | None  # side, channels and resize mode, as `64 px, color, crop`; None for other things
    images: int | None  # in it; None for other things
    bytes: int  # on the disk
    used: str  # when it was opened last, or the newest file was written; UTC
    state: str  # `whole`, `being built`, `half-built` (of a process that died) or `unreadable`; else `not a pixel cache`


@dataclass(frozen=True)
class Cache:
    """The cache folder: what lies there now, and what was removed."""

    folder: str
    entries: tuple[Entry, ...]
    removed: tuple[Entry, ...] = ()
    refused: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        entries, removed = ([entry._asdict() for entry in group] for group in (self.entries, self.removed))
        return {
            "cache": self.folder, "bytes": _total(self.entries), "entries": entries, "removed": removed,
            "freed": _total(self.removed), "refused": self.refused,
        }  # fmt: skip

    def __str__(self) -> str:
        lines = []
        if self.removed:
            lines += [f"freed {_bytes_text(_total(self.removed))} in {self.folder}:", *map(_describe, self.removed)]
            lines.append("a run that has one of them open keeps it; the space is free when it ends")
        lines += [f"  {path} stays: {why}" for path, why in self.refused.items()]
        ending = ":" if self.entries else ", nothing kept"
        lines += [f"{self.folder}: {_bytes_text(_total(self.entries))}{ending}", *map(_describe, self.entries)]
        return str(printable("\n".join(lines)))


def _total(entries: tuple[Entry, ...]) -> int:
    return sum(entry.bytes for entry in entries)


def _describe(entry: Entry) -> str:
    if entry.state == _OTHER:
        return f"  {_bytes_text(entry.bytes):>9}  {entry.what}: not decoded images; remove it by hand where you do not need it"
    facts = [f"{entry.images:,} images" if entry.images is not None else None, entry.input_spec]
    images = "" if entry.images is None else f" of {entry.data}: {', '.join(filter(None, facts))}"
    used = entry.used[:16].replace("T", " ")
    return f"  {_bytes_text(entry.bytes):>9}  {entry.what}{images}, {entry.state}, last used {used} UTC"


def _bytes_text(count: int) -> str:
    """Bytes in the largest fitting unit.

    >>> _bytes_text(999), _bytes_text(1_500_000), _bytes_text(23_400_000_000)
    ('999 B', '1.5 MB', '23.4 GB')
    """
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


def list_cache(folder: Path) -> Cache:
    """What lies in the cache folder; nothing is changed. Raises DiskError: it cannot be read."""
    with files.explained(folder, "read"):
        entries = [*_pixel_caches(folder), *_other_entries(folder)]
    return Cache(str(folder), tuple(sorted(entries, key=lambda entry: (entry.what, entry.used), reverse=True)))


def clear(folder: Path) -> Cache:
    """Remove what striate makes anew and no process is building, the half-built ones too; other things stay."""
    removed, refused = [], {}
    for entry in list_cache(folder).entries:
        if entry.state == _OTHER:
            continue
        path = Path(entry.path)
        try:
            with files.lock(_lock(path), "store"):
                if shared_parts.in_use(path):
                    raise RunError("its parts are being made")
                aside = path if path.name.startswith(".") else path.with_name(f".{path.name}.removed.tmp")
                if aside != path:
                    path.rename(aside)
                shutil.rmtree(aside)
        except RunError:
            refused[entry.path] = "it is being built"
        except OSError as error:
            refused[entry.path] = f"{error.strerror or error}"
        else:
            removed.append(entry)
    left = list_cache(folder)
    return Cache(left.folder, left.entries, tuple(removed), refused)


def _lock(path: Path) -> Path:
    """The folder whose lock the builder of a pixel cache, whole or half-built, holds."""
    return path.with_name(f"{path.name.lstrip('.').partition('.')[0]}.building")


def _pixel_caches(folder: Path) -> Iterator[Entry]:
    for room in _ROOMS:
        for path in sorted((folder / room).glob("*")) if (folder / room).is_dir() else ():
            if path.is_dir() and not path.name.endswith(".building"):
                yield _made_anew(path, room)


def _made_anew(path: Path, room: str) -> Entry:
    half = path.name.startswith(".")
    data, input_spec, images, used, state = None, None, None, _newest(path), "half-built" if half else "whole"
    if half:
        try:
            with files.lock(_lock(path), "store"):
                state = "being built" if shared_parts.in_use(path) else state
        except RunError:
            state = "being built"
    with suppress(OSError):
        used = (path / _ROOMS[room]).stat().st_mtime
    try:
        about = json.loads((path / _ROOMS[room]).read_text("utf-8"))
        data, images = str(about["data"]), int(about["images"] if "images" in about else about["count"])
        if (spec := about.get("input_spec")) is not None:
            input_spec = f"{spec['size_px']} px, {'gray' if spec['channels'] == 1 else 'color'}, {spec['resize_mode']}"
    except (OSError, ValueError, KeyError, TypeError):
        state = state if half else "unreadable"
    return Entry(str(path), room, data, input_spec, images, _bytes(path), _format_time(used), state)


def _other_entries(folder: Path) -> Iterator[Entry]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in _ROOMS:
            yield Entry(str(path), path.name, None, None, None, _bytes(path), _format_time(_newest(path)), _OTHER)


def _files(path: Path) -> Iterator[Path]:
    return (file for file in (path.rglob("*") if path.is_dir() else (path,)) if file.is_file())


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in _files(path))


def _newest(path: Path) -> float:
    return max((file.stat().st_mtime for file in _files(path)), default=path.stat().st_mtime)


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
