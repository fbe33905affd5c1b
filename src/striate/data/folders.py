"""Images in folders by class: `cats/1.jpg`, `dogs/2.jpg`; or the same under train/, val/, test/.

A folder that holds nothing but another is looked through. `data.labels_from` takes the classes from elsewhere.

Every entry that is found is accounted for: used, quarantined (path, reason), or ignored (path, pattern). A folder that a
pattern ignores is one entry; one beside train/ that is no part is counted by its files. Links are followed within the root
only, unless `data.follow_links` is set, and a folder is entered once, so no loop and no image of another place gets in.
Files without a known ending are given to the decoder: it decides.

Legend: paths are relative to the root, with `/`.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from striate.base.errors import DataError
from striate.base.option_names import setting
from striate.data import file_labels, part_folders
from striate.data.examples import Examples, Ignored, Part, Quarantined
from striate.data.examples_from_source import OWN_FOLDER, Source, from_files, part_named
from striate.data.part_folders import folders_in, ignoring_pattern
from striate.data.table_columns import names_images

if TYPE_CHECKING:
    from striate.base.config import Data

LINK_OUT, IN_ALREADY = "a link out of the data folder", "a link to a folder that is in already"
AROUND = "a link to a folder that holds the data folder"
_IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic")
_YEAR = re.compile(r"(19|20)\d\d([-_. ]?\d\d){0,2}")


@dataclass
class Walk:
    """What a walk through a folder found; names relative to `root`."""

    root: Path
    follow_links: bool = False
    files: list[str] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    entered: set[tuple[int, int]] = field(default_factory=set)
    first_names: dict[tuple[int, int], str] = field(default_factory=dict)  # of files, where links are followed

    def __post_init__(self) -> None:
        self.inside = Path(os.path.realpath(self.root))
        status = self.inside.stat()
        self.entered.add((status.st_dev, status.st_ino))

    def collect(self, folder: str) -> None:
        """Take in everything below `folder`, a path relative to the root."""
        before = (len(self.files), len(self.quarantined))
        self.descend(folder)
        if (len(self.files), len(self.quarantined)) == before:
            self.ignored.append(Ignored(folder, "empty folder"))

    def descend(self, folder: str) -> None:
        """Put every file below `folder` that no pattern ignores into `files`."""
        pending = [folder]
        while pending:
            pending += self.folders(pending.pop())

    def folders(self, folder: str) -> Iterator[str]:
        """The paths of the folders in a folder that no pattern ignores; its files go to `files`."""
        try:
            listed = sorted(os.scandir(self.root / folder), key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            self.quarantined.append(Quarantined(folder, f"the folder cannot be read: {error.strerror}"))
            return
        for entry in listed:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if (pattern := ignoring_pattern(entry.name)) is not None:
                self.ignored.append(Ignored(path, pattern))
                continue
            kind = self._classify(path, entry)
            if kind == "folder" and (self.root / path / "run.toml").is_file():
                self.ignored.append(Ignored(path, "a run of striate"))
            elif kind == "folder":
                yield path
            elif kind == "file":
                self.files.append(path)

    def _classify(self, path: str, entry: os.DirEntry[str]) -> str:
        try:
            if entry.is_symlink():
                real = Path(os.path.realpath(entry.path))
                if not real.exists():
                    return self._quarantine(path, "a link to nothing")
                if self.inside.is_relative_to(real):
                    return self._quarantine(path, IN_ALREADY if real == self.inside else AROUND)
                if not real.is_relative_to(self.inside) and not self.follow_links:
                    return self._quarantine(path, LINK_OUT)
            if entry.is_file() and not self.follow_links:  # the listing knows it already
                return "file"
            status = (self.root / path).stat()
        except OSError as error:
            return self._quarantine(path, f"cannot be read: {error.strerror}")
        if stat.S_ISDIR(status.st_mode):
            if (status.st_dev, status.st_ino) in self.entered:
                return self._quarantine(path, IN_ALREADY)
            self.entered.add((status.st_dev, status.st_ino))
            return "folder"
        if not stat.S_ISREG(status.st_mode):
            return self._quarantine(path, "not a regular file")
        if self.follow_links and status.st_ino:
            first = self.first_names.setdefault((status.st_dev, status.st_ino), path)
            if first != path and part_named(first.split("/")[0]) == part_named(path.split("/")[0]):
                return self._quarantine(path, f"the same file as {first}")
        return "file"

    def _quarantine(self, path: str, reason: str) -> str:
        self.quarantined.append(Quarantined(path, reason))
        return "bad"


def read(given: Path, data: "Data | None" = None) -> Examples:
    """The images below a folder, by class."""
    from striate.base.config import Data

    data = data or Data()
    if data.labels_from not in (None, "top"):
        return _read_by_file(given, data)
    root, walk, notes = _unwrap(given, data.follow_links)
    top = list(walk.folders(""))
    _ignore_outside(walk)
    parts = part_folders.of(root, top)
    if data.labels_from is None:
        _refuse_unlabeled(root, parts)
    else:
        parts = dict.fromkeys(top, Part.FREE)
    entries: list[tuple[str, str, Part]] = []
    notes += _doubts(root, top, parts) if data.labels_from is None else []
    for path, part in parts.items():
        if part is None:
            walk.collect(path)
            walk.ignored += [Ignored(name, "neither train, val nor test") for name in walk.files]
            walk.files.clear()
        elif part is not Part.FREE:
            entries += _classes(walk, _class_folders(walk, path, notes), part)
        else:
            entries += _classes(walk, [path], part)
    tables = _tables(dict.fromkeys((given, root)))
    advice = f"The table {tables[0].name} names images: striate train {tables[0]}." if tables else ""
    if tables:
        notes.append(f"Classes are the folders; labels are in {tables[0].name} too, which striate train {tables[0]} uses.")
    source = Source(given, advice or _advice(root, entries), advice)
    return from_files(root, entries, walk.quarantined, walk.ignored, [*notes, *_link_notes(walk)], source=source)


def _read_by_file(root: Path, data: "Data") -> Examples:
    """The images below a folder, by what `data.labels_from` takes from the path of each."""
    walk = Walk(root, data.follow_links)
    walk.descend("")
    tops = dict.fromkeys(path.split("/")[0] for path in walk.files if "/" in path)
    parts = part_folders.named(tops)
    divided = Part.TRAIN in parts.values()
    entries = []
    if data.labels_from == "parent" and not tops:  # all files lie in the folder itself
        labels: list[str | None] = [root.absolute().name] * len(walk.files)
    else:
        labels = file_labels.of_paths(walk.files, str(data.labels_from))
    for path, label in zip(walk.files, labels, strict=True):
        part = parts.get(path.split("/")[0]) if divided else Part.FREE
        if part is None:
            walk.ignored.append(Ignored(path, "neither train, val nor test"))
        elif label is None:
            walk.quarantined.append(Quarantined(path, f"no label by {data.labels_from}"))
        else:
            entries.append((path, label, part))
    advice = f"Labels are taken from paths by --labels-from '{data.labels_from}'."
    return from_files(root, entries, walk.quarantined, walk.ignored, _link_notes(walk), source=Source(root, advice, advice))


def _link_notes(walk: Walk) -> list[str]:
    links = sum(bad.reason == LINK_OUT for bad in walk.quarantined)
    if not links:
        return []
    what = (
        "1 link leads out of the data folder and is" if links == 1 else f"{links:,} links lead out of the data folder and are"
    )
    return [f"{what} left out; {setting('data.follow_links', True)} follows them."]


def _unwrap(given: Path, follow_links: bool) -> tuple[Path, Walk, list[str]]:
    """The folder of the classes or parts below folders that hold one folder alone, with a sentence on it."""
    root = given
    while len(inner := folders_in(root)) == 1 and not _holds_images(root):
        below = root / inner[0]
        if below.is_symlink() or (part_named(inner[0]) is Part.TRAIN and len(folders_in(below)) > 1):
            break
        root = below
    if root == given or len(folders_in(root)) < 1 or _holds_images(root):
        return given, Walk(given, follow_links), []
    ignored = list[Ignored]()
    for depth, folder in enumerate([root, *root.parents][1 : len(root.relative_to(given).parts) + 1], start=1):
        outer = Walk(folder, follow_links)
        list(outer.folders(""))
        _ignore_outside(outer)
        ignored += [Ignored("../" * depth + left.path, left.pattern) for left in outer.ignored]
    walk = Walk(root, follow_links, ignored=ignored)
    return root, walk, [f"{given} holds one folder alone; the images are read from {root}."]


def _holds_images(folder: Path) -> bool:
    return any(entry.name.lower().endswith(_IMAGES) and entry.is_file() for entry in os.scandir(folder))


def is_one_class(folder: Path) -> bool:
    """Whether a folder holds images and no other folder."""
    return folder.is_dir() and _holds_images(folder) and not folders_in(folder)


def _tables(folders: Iterable[Path]) -> list[Path]:
    """CSV tables with labels of images, in these folders or in their parts."""
    places = [place for folder in folders for place in (folder, *(folder / n for n in folders_in(folder) if part_named(n)))]
    named = [path for place in places for path in sorted(place.glob("*.[ct]sv"))[:5]]
    return [path for path in named if names_images(path)]


def _refuse_unlabeled(root: Path, parts: Mapping[str, Part | None]) -> None:
    """Refuse folders train and test of images alone, and years around the classes."""
    top, divided_by = list(parts), part_folders.named(parts)
    inner = {path: folders_in(root / path) for path in top}
    if len(top) > 1 and all(divided_by.values()) and not any(inner.values()):
        table = "".join(f" The table {path.name} names images: striate train {path}." for path in _tables([root])[:1])
        raise DataError(
            f"{root}: the folders {', '.join(top)} hold images and no class folders, so these have no labels.{table} Put the "
            "images of each class into a folder of its own, or take labels from names: --labels-from 'name:(.+)_[0-9]'; "
            "--labels-from top takes these folders for the classes."
        )
    words = {path: [part_named(word) for word in re.split(r"[^a-z]+", path.lower())] for path in top}
    divided = [path for path, by_word in words.items() if any(by_word)]
    of_parts = {part for by_word in words.values() for part in by_word if part}
    if Part.TRAIN in of_parts and len(of_parts) > 1 and not any(map(part_named, top)) and {*parts.values()} == {Part.FREE}:
        raise DataError(
            f"{root}: the folders {', '.join(divided)} look like parts of a data set. Rename them to train, val and test; "
            "--labels-from top takes them for classes."
        )
    shared = set.intersection(*map(set, inner.values())) if inner else set()
    if len(top) > 1 and len(shared) > 1 and all(map(_YEAR.fullmatch, top)) and not any(_holds_images(root / p) for p in top):
        raise DataError(
            f"{root}: the folders {', '.join(top[:5])} are years or dates, and each holds folders "
            f"{', '.join(sorted(shared)[:5])}. "
            "--labels-from parent takes the inner folders for the classes, --labels-from top the outer ones."
        )


def _advice(root: Path, entries: list[tuple[str, str, Part]]) -> str:
    """What to do where all images are of one class: its folder may be one that holds the classes, or train and val."""
    if not entries or len({label for _, label, _ in entries}) > 1:
        return OWN_FOLDER
    name, _, part = entries[0]
    place = name.split("/")[: 1 if part is Part.FREE else 2]
    inner = folders_in(root.joinpath(*place))
    if len(inner) < 2:
        return OWN_FOLDER
    what = f"The folder {'/'.join(place)} holds the folders {', '.join(inner[:5])}"
    return f"{what}: give {root / place[0]}." if len(place) == 1 else f"{what}: if they are the classes, move them up."


def _doubts(root: Path, top: list[str], parts: Mapping[str, Part | None]) -> list[str]:
    """Sentences on folders that are taken for something that they may not be meant as."""
    divided = any(part is not Part.FREE for part in parts.values())
    words = {Part.VAL: "validation", Part.TEST: "test"}
    notes = [
        f"The folder {path} is taken for the {words[part]} part."
        for path, part in parts.items()
        if part in words and path.lower() in ("dev", "development", "eval", "evaluation")
    ]
    if divided and (alike := [path for path in top if parts[path] and part_named(path) is None]):
        notes.append(f"The folders {', '.join(alike)} are taken for parts; --labels-from top takes them for classes.")
    if not divided and len(top) > 1:
        notes += [f"The folder {path} is taken for a class." for path in top if part_named(path)]
    if left := [path for path, part in parts.items() if part is None]:
        notes.append(f"Not used, since they are neither train, val nor test: the folders {', '.join(left)}.")
    if not divided and len(top) > 1:
        inner = {path: folders_in(root / path) for path in top}
        first = inner[top[0]]
        if len(first) > 1 and all(names == first for names in inner.values()):
            notes.append(
                f"Each of the folders {', '.join(top[:5])} holds the same folders ({', '.join(first[:5])}). The former are "
                "taken for the classes; if the latter are: --labels-from parent."
            )
    return notes


def _classes(walk: Walk, folders: list[str], part: Part) -> list[tuple[str, str, Part]]:
    class_names = []
    for folder in folders:
        walk.collect(folder)
        class_names += [(name, folder.rpartition("/")[2], part) for name in walk.files]
        walk.files.clear()
    return class_names


def _class_folders(walk: Walk, path: str, notes: list[str]) -> list[str]:
    """The folders of the classes in the folder of a part, which may be wrapped once more; sentences go to `notes`."""
    inner = list(walk.folders(path))
    while part_folders.is_wrapped(path, inner):
        notes.append(f"{path} holds one folder alone; its images are read from {inner[0]}.")
        path, inner = inner[0], list(walk.folders(inner[0]))
    if not inner and walk.files:
        notes.append(f"Not used, since they have no labels: the images in {path}, which holds no class folders.")
    _ignore_outside(walk)
    return inner


def _ignore_outside(walk: Walk) -> None:
    walk.ignored += [Ignored(name, "outside the class folders") for name in walk.files]
    walk.files.clear()
