"""Labeled images given as Python objects: written once into the cache, as a source that is read like any other.

They lie under `<cache>/in-memory/<hash of images and labels>/`: a table `images.csv` of names, classes and parts, and beside it
the pixels as `images.npy` where all images are uint8 of one size, else the images as files in `images/`; images given as paths
stay where they are. So the settings of a run hold a path, and the run can be resumed, evaluated and reported later.

Legend: N images, H x W pixels, C channels.
"""

import csv
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from striate.base import files
from striate.base.errors import DataError, RunError
from striate.base.events import Watch, progress, quiet
from striate.base.phrases import printable
from striate.base.settings import Data
from striate.data import csv_parquet, image_objects, labeled_objects, table_objects
from striate.data.examples import Examples, Ignored, Part, Quarantined
from striate.data.examples_from_source import Source, from_files, part_named
from striate.data.image_objects import Plain
from striate.data.labeled_objects import Labeled
from striate.data.table_objects import Table

FOLDER, TABLE, PIXELS, ABOUT = "in-memory", "images.csv", "images.npy", "in-memory.json"
IN_MEMORY = "images in memory"  # what `ABOUT` says of their source
_ADVICE = "Give images of two classes or more."
_WAIT_SECONDS = 0.2
_EACH = 100  # images from one report of progress to the next

Report = Callable[[int, int], None]


def stored(data: Any, labels: Any = None, cache: Path | None = None, watch: Watch = quiet) -> Any:
    """The source that holds these labeled images: a path, or the name of a data set, as it is; else a table in the cache.

    Args:
        data: see `striate.data.labeled_objects`.
        labels: one for each image, where they are not in `data`.
        cache: another folder to keep them in than the cache.
        watch: called with the stages `collect`, and `keep` where they are not there.

    Raises:
        DataError: data of another kind, images and labels that do not fit, labels that are missing.

    """
    if data is None and labels is not None:
        raise DataError("expected data beside labels: the images that they are the labels of.")
    if data is None or (labels is None and isinstance(data, str | os.PathLike)):
        return data
    return str(_keep(labeled_objects.read(data, labels), IN_MEMORY, cache, watch))


def unpacked(path: Path, watch: Watch = quiet) -> Path | None:
    """The table in the cache for a Parquet file that has images in it; None where it names them by paths.

    `watch` is called as by `stored`.
    """
    table = table_objects.from_parquet(path)
    return None if table is None else _keep(labeled_objects.of_table(table), str(path.absolute()), watch=watch)


def kept(data: Any, what: str, watch: Watch = quiet) -> Path:
    """The table in the cache for labeled images that a library has loaded; `what` they are called in messages."""
    return _keep(labeled_objects.read(data, None), what, watch=watch)


def _keep(source: Labeled, what: str, cache: Path | None = None, watch: Watch = quiet) -> Path:
    """Write images and labels, where they are not there; the table."""
    summary = _summary(source, progress(watch, "collect"))
    folder = (cache or files.cache_folder()).absolute() / FOLDER / summary.name
    while _damage(folder) is not None:
        try:
            with files.lock(folder.with_name(f"{folder.name}.building"), "store"):
                if _damage(folder) is not None:
                    for leftover in folder.parent.glob(f".{folder.name}.*.tmp"):  # of processes that died: the lock is ours
                        shutil.rmtree(leftover, ignore_errors=True)
                    _write(folder, source, summary, {"data": what}, progress(watch, "keep"))
        except RunError:  # another process writes it: wait, then use it
            time.sleep(_WAIT_SECONDS)
    return folder / TABLE


class _Summary(NamedTuple):
    """What a first pass over the images says."""

    name: str  # hash of everything
    images: str  # hash of the images alone
    labels: list[str]
    shape: tuple[int, ...] | None  # H x W x C, where all images are arrays of one shape
    root: str | None  # the folder that has all images, where all are paths


class _Hash:
    """A hash of images, one after another."""

    def __init__(self) -> None:
        self._hasher = hashlib.blake2b(digest_size=12)

    def add(self, image: Plain | None) -> None:
        for part in [b""] if image is None else image_objects.content(image):
            self._hasher.update(len(part).to_bytes(8, "big"))
            self._hasher.update(part)

    def done(self) -> str:
        return self._hasher.hexdigest()


def _plain(source: Labeled, report: Report) -> Iterator[tuple[Plain | None, str | None]]:
    for position, (image, label) in enumerate(source.rows()):
        try:
            yield None if source.table is not None and image_objects.is_missing(image) else image_objects.plain(image), label
        except DataError as error:
            raise DataError(f"image {position}: {error}") from None
        if position % _EACH == 0:
            report(position, source.total)
    report(source.total, source.total)


def _summary(source: Labeled, report: Report) -> _Summary:
    images, labels = _Hash(), list[str | None]()
    shapes, folders = set[tuple[int, ...] | None](), set[str | None]()
    for image, label in _plain(source, report):
        images.add(image)
        labels.append(label)
        shapes.add(image.shape if isinstance(image, np.ndarray) else None)
        folders.add(str(image.parent) if isinstance(image, Path) else None)
    if (table := source.table) is None:
        words, root = labeled_objects.refuse_missing(labels), _common(folders)
        shape = shapes.pop() if len(shapes) == 1 else None
        facts: list[object] = [images.done(), words, source.parts]
    else:
        words, shape, root = [], None, str(Path.cwd()) if table.image_column is None else None
        facts = [images.done(), root, _renamed(table), {name: [*cells] for name, cells in table.columns.items()}]
    name = hashlib.blake2b(json.dumps(facts).encode(), digest_size=12).hexdigest()
    return _Summary(name, images.done(), words, shape, root)


def _common(folders: set[str | None]) -> str | None:
    """The folder that has all these folders; None where an image is no file, or on another disk of Windows."""
    try:
        return (
            os.path.commonpath([os.fspath(folder) for folder in folders if folder is not None]) if None not in folders else None
        )
    except ValueError:
        return None


def _write(folder: Path, source: Labeled, summary: _Summary, about: dict[str, Any], report: Report) -> None:
    with files.new_folder(folder) as new, files.explained(folder, "write"):
        names = _write_images(new, source, summary, report)
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        columns = _columns(names, source, summary)
        table.writerow(columns)
        table.writerows(zip(*columns.values(), strict=True))
        (new / TABLE).write_text(text.getvalue(), encoding="utf-8")
        renamed = None if source.table is None else _renamed(source.table)
        about |= {"images": source.total, "root": summary.root, "renamed": renamed}
        (new / ABOUT).write_text(json.dumps(about), encoding="utf-8")


def _columns(names: list[str], source: Labeled, summary: _Summary) -> dict[str, Sequence[str]]:
    """The table that is written: what was given as one, with the names of the images, or names, labels and parts."""
    if (table := source.table) is not None:
        images = {} if table.image_column is None else {table.image_column: names}
        renamed = _renamed(table)
        return {renamed.get(name, name): cells for name, cells in {**images, **table.columns}.items()}
    return {"path": names, "label": summary.labels, **({"split": source.parts} if source.parts else {})}


def _renamed(table: Table) -> dict[str, str]:
    """Columns that are known to hold the images and the labels, and the usual names that they get unless others have these."""
    known = {table.image_column: "path", table.label_column: "label"}
    return {name: usual for name, usual in known.items() if name is not None and usual not in table.columns}


def _write_images(new: Path, source: Labeled, summary: _Summary, report: Report) -> list[str]:
    """Write the images; their names."""
    names, again = list[str](), _Hash()
    with (new / PIXELS).open("wb") if summary.shape else nullcontext() as pixels:
        if pixels is not None and summary.shape is not None:
            header = {"descr": "|u1", "fortran_order": False, "shape": (source.total, *summary.shape)}
            np.lib.format.write_array_header_1_0(pixels, header)
        for position, (image, _) in enumerate(_plain(source, report)):
            again.add(image)
            if image is None:
                names.append("")
            elif isinstance(image, Path):
                names.append(_path_name(image, summary.root))
            elif pixels is not None and isinstance(image, np.ndarray):
                names.append(f"{PIXELS}#{position:06d}")
                pixels.write(image.data)
            else:
                content, ending = image_objects.as_file(image)
                names.append(f"images/{position:06d}{ending}")
                (new / "images").mkdir(exist_ok=True)
                (new / names[-1]).write_bytes(content)
    if again.done() != summary.images:
        raise DataError(
            "the data set gives other images each time it is read, as one that augments them at random. Give it without that: "
            "striate augments by the settings augment.* or by its rule."
        )
    if (new / "images").is_dir() and hasattr(os, "sync"):  # one fsync for each of many small files would take minutes
        os.sync()
    return names


def _path_name(path: Path, root: str | None) -> str:
    name = path.as_posix() if root is None else path.relative_to(root).as_posix()
    if printable(name) != name:
        raise DataError(f"expected names of files in UTF-8; got {printable(name)}. Rename it.")
    return name


def _damage(folder: Path) -> str | None:
    """What is wrong with the table or the pixels of a folder, as a clause; files of images are judged when they are decoded."""
    files.recover(folder)
    try:
        sheet = (folder / files.MANIFEST).read_text("utf-8")
    except (OSError, ValueError):
        return "it is not there"
    return None if sheet == files.manifest(folder) else "a file in it is not what was written"


def holds(path: Path) -> bool:
    """Whether a path is where images that were given as objects are or were kept."""
    return path.name == TABLE and path.parent.parent.name == FOLDER


def read(table: Path, data: Data) -> Examples:
    """The images that `stored` has written. Raises DataError: they are gone, or not what was written."""
    folder = table.parent
    if (clause := _damage(folder)) is not None:
        raise DataError(
            f"the images that were given in Python are kept in {folder}, and {clause}. Give the same images and labels "
            "again, as by striate.survey(images, labels=labels): that writes them to the same place."
        )
    about = json.loads((folder / ABOUT).read_text("utf-8"))
    with suppress(OSError):  # the time of its last use
        os.utime(folder / ABOUT)
    root = folder if about["root"] is None else Path(about["root"])
    called = "the table" if about["data"] == IN_MEMORY else about["data"]
    if about["renamed"] is not None:
        named = {setting: about["renamed"].get(getattr(data, setting)) for setting in ("image_column", "label_column")}
        return csv_parquet.read(
            table, data.model_copy(update={name: usual for name, usual in named.items() if usual}), root, called
        )
    if data.multi_label:
        raise DataError(
            "expected several labels an image, as data.multi_label says; these images came with one label each. Give a list of "
            "labels for each, or a table with a column of labels as cat|dog, or a column of 0 and 1 for each label."
        )
    for name, column in (("group", data.group_column), ("split_column", data.split_column)):
        if column and column != "parent":
            raise DataError(f"data.{name} names a column of a table; these images are in none. Leave it out.")
    with table.open(newline="", encoding="utf-8") as file:
        rows = [_Row(*row) for row in list(csv.reader(file))[1:]]
    if (folder / PIXELS).exists():
        examples = _examples(folder, rows)
        return replace(examples, pixels_NHWC=np.load(folder / PIXELS, mmap_mode="r", allow_pickle=False))
    return _examples(root, rows, are_files=True)


class _Row(NamedTuple):
    name: str
    label: str
    split: str = ""


def _examples(root: Path, rows: list[_Row], are_files: bool = False) -> Examples:
    unique: dict[str, _Row] = {}
    bad, ignored = list[Quarantined](), list[Ignored]()
    for row in rows:
        first = unique.setdefault(row.name, row)
        if first is not row and first != row:
            before, now = (" ".join(filter(None, each[1:])) for each in (first, row))
            raise DataError(f"{row.name!r} is given twice, as {before!r} and as {now!r}. Give it once.")
        if first is not row:
            ignored.append(Ignored(row.name, "given twice"))
        elif are_files and not (root / row.name).is_file():
            bad.append(Quarantined(row.name, "no such file"))
    missing = {name for name, _ in bad}
    entries = [(name, label, part_named(part) or Part.FREE) for name, label, part in unique.values() if name not in missing]
    return from_files(root, entries, bad, ignored, source=Source("the images given", _ADVICE))
