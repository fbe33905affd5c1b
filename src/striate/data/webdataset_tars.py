"""Tar files in the WebDataset format that came without an index: one is made of their headers, and of their labels.

A sample is the files of one key, which is their name up to the first dot after the last slash: `0001.jpg` and `0001.cls`. Its
label is in `cls`, `class`, `label` or `txt`, or in `json` under `label`, `class` or `cls`; whole numbers are positions in
`classes.json` beside the tars, where that is. Images are known by the last part of their name.

Legend: N images.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from striate.base import files
from striate.base.errors import DataError
from striate.base.phrases import printable
from striate.data import shard_index, tar_entries
from striate.data.examples import Ignored, Quarantined
from striate.data.examples_from_source import ids_of
from striate.data.part_folders import folders_in
from striate.data.tar_entries import TarEntry

CLASSES = "classes.json"
NO_LABEL = "no label: expected a file of the same key that ends in .cls"
_IMAGES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "avif", "heic", "ppm", "pgm")
_LABELS = ("cls", "class", "label", "txt", "json")
_KEYS = ("label", "class", "cls")  # of a json
_MOST_LABEL = 2**16  # bytes
_LAYOUT = 1  # raised whenever an index would be another


def holds_tars(folder: Path) -> bool:
    """Whether a folder holds tar files and no other folder."""
    return bool(_tars(folder)) and not folders_in(folder)


def _tars(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.tar") if path.is_file() and not path.name.startswith("."))


def stamp(folder: Path) -> str:
    """A hash of where the tars are, of their sizes and times of change, and of the names of classes beside them."""
    hasher = hashlib.blake2b(f"{folder.absolute()} {_LAYOUT}\n".encode("utf-8", "surrogateescape"), digest_size=16)
    for path in (*_tars(folder), folder / CLASSES):
        if path.is_file():
            with files.explained(path, "read"):
                status = path.stat()
            hasher.update(f"{path.name!r} {status.st_size} {status.st_mtime_ns}\n".encode())
    return hasher.hexdigest()


@dataclass
class _Found:
    """The images of all tars so far."""

    names: list[str] = field(default_factory=list)
    words: list[str | None] = field(default_factory=list)  # the label of each
    places: list[tuple[int, int, int]] = field(default_factory=list)  # shard, offset and length
    quarantined: list[Quarantined] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)


def write(folder: Path, index: Path) -> None:
    """Write the index of the tars in a folder.

    Raises:
        DataError: a tar is damaged, or none holds an image.

    """
    samples, shards, classes = _Found(), [], _classes(folder / CLASSES)
    for number, path in enumerate(_tars(folder)):
        with files.explained(path, "read"), path.open("rb") as file:
            for sample in _samples(path, samples):
                _add(samples, number, path.name, sample, file, classes)
            shards.append({"name": path.name, "bytes": path.stat().st_size, "sha256": ""})
    if not samples.names:
        first = f" The first file, {samples.ignored[0].path}: {samples.ignored[0].pattern}." if samples.ignored else ""
        raise DataError(f"expected images in the tar files in {folder}; there are none.{first}")
    named = sorted({word for word in samples.words if word is not None})
    position = {word: place for place, word in enumerate(named)}
    order = sorted(range(len(samples.names)), key=lambda n: samples.names[n].encode("utf-8", "surrogateescape"))
    names = [samples.names[n] for n in order]
    places_N3 = np.array([samples.places[n] for n in order], np.int64)
    count = len(names)
    columns: dict[str, NDArray[Any]] = {
        "labels": np.array([position.get(samples.words[n] or "", -1) for n in order], np.int64),
        "ids": ids_of(names), "parts": np.zeros(count, np.uint8), "shard": places_N3[:, 0], "offset": places_N3[:, 1],
        "length": places_N3[:, 2], "content": np.zeros(count, np.uint64),
    }  # fmt: skip
    header = {
        "classes": named, "shards": shards, "folder": str(folder.absolute()), "quarantined": samples.quarantined,
        "ignored": samples.ignored, "notes": [], "without_test": "",
    }  # fmt: skip
    shard_index.write_index(index, header, columns, names)


def _classes(path: Path) -> list[str] | None:
    """The names of classes by number; None without that file."""
    if not path.is_file():
        return None
    with files.explained(path, "read"):
        content = path.read_bytes()
    try:
        names = json.loads(content)
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise ValueError("it is no list of names")
    except (ValueError, RecursionError) as error:
        raise DataError(f"expected a list of names of classes in {path}: {error}. Mend it, or remove it.") from error
    return names


def _samples(path: Path, samples: _Found) -> Iterator[dict[str, TarEntry]]:
    """The files of each key by their ending; what is refused goes to the quarantine. A key is one sample where it stands."""
    sample, before, seen = dict[str, TarEntry](), None, set[str]()
    for entry in tar_entries.entries(path):
        name = f"{path.name}/{entry.name}"
        if entry.refused or entry.name in seen:
            samples.quarantined.append(Quarantined(printable(name), entry.refused or "the second of this name in the tar"))
            continue
        seen.add(entry.name)
        folder, _, last = entry.name.rpartition("/")
        key, _, ending = last.partition(".")
        if (folder, key) != before and sample:
            yield sample
            sample = {}
        before = (folder, key)
        sample[ending.lower()] = entry
    if sample:
        yield sample


def _add(
    samples: _Found, number: int, shard: str, sample: dict[str, TarEntry], file: BinaryIO, classes: list[str] | None
) -> None:
    """Take in a sample: its first image with its label; files beside them are ignored."""
    by_last = {ending.rpartition(".")[2]: entry for ending, entry in reversed(sample.items())}
    image = next((entry for ending, entry in sample.items() if ending.rpartition(".")[2] in _IMAGES), None)
    label = next((by_last[ending] for ending in _LABELS if ending in by_last), None)
    for entry in sample.values():
        if image is None or (entry is not image and entry is not label):
            why = "no image of this key" if image is None else "neither the image nor the label of its key"
            samples.ignored.append(Ignored(f"{shard}/{entry.name}", why))
    if image is None:
        return
    name = f"{shard}/{image.name}"
    if image.length > shard_index.MOST_BYTES:
        samples.quarantined.append(Quarantined(name, f"{image.length:,} bytes; at most {shard_index.MOST_BYTES:,}"))
        return
    word = None if label is None else _label(file, label, classes, f"{shard}/{label.name}")
    samples.names.append(name)
    samples.words.append(word)
    samples.places.append((number, image.offset, image.length))


def _label(file: BinaryIO, entry: TarEntry, classes: list[str] | None, name: str) -> str | None:
    content = tar_entries.read_entry(file, entry, _MOST_LABEL)
    if content is None:
        raise DataError(f"{name} has {entry.length:,} bytes; expected a label of at most {_MOST_LABEL:,}.")
    try:
        text = content.decode("utf-8").strip()
        value: Any = text
        if entry.name.lower().endswith(".json"):
            record = json.loads(text)
            value = next((record[key] for key in _KEYS if key in record), None) if isinstance(record, dict) else record
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: expected a label in UTF-8, or JSON; {error}.") from error
    if isinstance(value, bool | float | list | dict):
        raise DataError(f"{name}: expected a number or a name as label; got {str(value)[:60]}.")
    word = "" if value is None else str(value)
    if classes is not None and word.isascii() and word.isdigit():
        if int(word) >= len(classes):
            raise DataError(f"{name}: the label {word}, and {CLASSES} has {len(classes):,} names. Mend {CLASSES}.")
        return classes[int(word)]
    return word or None
