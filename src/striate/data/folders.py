"""Images in folders by class: `cats/1.jpg`, `dogs/2.jpg`; or the same under train/, val/, test/.

Every entry that is found is accounted for: used, quarantined (path, reason), or ignored (path, pattern). A folder that a
pattern ignores is one entry; one beside train/ that is no part is counted by its files. Links are followed within the root
only, and a folder is entered once, so no loop and no image of another place gets in. Files without a known ending are given
to the decoder: it decides.

Legend: paths are relative to the root, with `/`.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from striate.base.errors import DataError
from striate.data.examples import Examples, Ignored, Part, Quarantined
from striate.data.examples_from_source import OWN_FOLDER, Source, from_files, part_named

IGNORED = (
    ".*", "__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "lost+found", "system volume information",
    "*.txt", "*.csv", "*.tsv", "*.json", "*.jsonl", "*.xml", "*.md", "*.html", "*.yaml", "*.yml", "*.toml", "*.log",
    "*.py", "*.npy", "*.npz", "*.db", "*.parquet",
)  # fmt: skip


@dataclass
class Walk:
    """What a walk through a folder found; names relative to `root`."""

    root: Path
    files: list[str] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    entered: set[tuple[int, int]] = field(default_factory=set)

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
            listed = sorted((entry.name for entry in os.scandir(self.root / folder)), key=os.fsencode)
        except OSError as error:
            self.quarantined.append(Quarantined(folder, f"the folder cannot be read: {error.strerror}"))
            return
        for name in listed:
            path = f"{folder}/{name}" if folder else name
            pattern = next((pattern for pattern in IGNORED if fnmatch(name.lower(), pattern)), None)
            if pattern is not None:
                self.ignored.append(Ignored(path, pattern))
                continue
            kind = self._classify(path)
            if kind == "folder" and (self.root / path / "run.toml").is_file():
                self.ignored.append(Ignored(path, "a run of striate"))
            elif kind == "folder":
                yield path
            elif kind == "file":
                self.files.append(path)

    def _classify(self, path: str) -> str:
        full = self.root / path
        try:
            own = full.lstat()
            if stat.S_ISLNK(own.st_mode):
                real = Path(os.path.realpath(full))
                if not real.exists():
                    return self._quarantine(path, "a link to nothing")
                if not real.is_relative_to(self.inside):
                    return self._quarantine(path, "a link out of the data folder")
            status = full.stat()
        except OSError as error:
            return self._quarantine(path, f"cannot be read: {error.strerror}")
        if stat.S_ISDIR(status.st_mode):
            if (status.st_dev, status.st_ino) in self.entered:
                return self._quarantine(path, "a link to a folder that is in already")
            self.entered.add((status.st_dev, status.st_ino))
            return "folder"
        return "file" if stat.S_ISREG(status.st_mode) else self._quarantine(path, "not a regular file")

    def _quarantine(self, path: str, reason: str) -> str:
        self.quarantined.append(Quarantined(path, reason))
        return "bad"


def read(root: Path) -> Examples:
    """The images below a folder, by class."""
    walk = Walk(root)
    top = list(walk.folders(""))
    _ignore_outside(walk)
    parts = _parts(root, top)
    entries: list[tuple[str, str, Part]] = []
    notes = _doubts(root, top, parts)
    for path, part in parts.items():
        if part is None:
            walk.collect(path)
            walk.ignored += [Ignored(name, "neither train, val nor test") for name in walk.files]
            walk.files.clear()
        elif part is not Part.FREE:
            inner = list(walk.folders(path))
            _ignore_outside(walk)
            entries += _classes(walk, inner, part)
        else:
            entries += _classes(walk, [path], part)
    return from_files(root, entries, walk.quarantined, walk.ignored, notes, source=Source(root, _advice(root, entries)))


def _advice(root: Path, entries: list[tuple[str, str, Part]]) -> str:
    """What to do where all images are of one class: its folder may be one that holds the classes, or train and val."""
    if not entries or len({label for _, label, _ in entries}) > 1:
        return OWN_FOLDER
    name, _, part = entries[0]
    place = name.split("/")[: 1 if part is Part.FREE else 2]
    inner = _folders_in(root.joinpath(*place))
    if len(inner) < 2:
        return OWN_FOLDER
    what = f"The folder {'/'.join(place)} holds the folders {', '.join(inner[:5])}"
    return f"{what}: give {root / place[0]}." if len(place) == 1 else f"{what}: if they are the classes, move them up."


def _parts(root: Path, top: list[str]) -> dict[str, Part | None]:
    """The part that each folder is, FREE for a class, None for what is neither.

    A folder is a part where it holds folders: one called train that holds images is a class, as is one called test where there
    is no train.
    """
    parts = {path: part_named(path) for path in top}
    if not any(part is Part.TRAIN and _folders_in(root / path) for path, part in parts.items()):
        return dict.fromkeys(top, Part.FREE)
    plain = [path for path, part in parts.items() if part is Part.VAL and not path.lower().startswith("eval")]
    for path in parts:
        if path.lower().startswith("eval") and plain:  # beside a validation part, it is to evaluate with at the end
            parts[path] = None if Part.TEST in parts.values() else Part.TEST
    return parts


def _folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder that no pattern ignores; none where it cannot be read."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return []
    return sorted(name for name in names if not any(fnmatch(name.lower(), pattern) for pattern in IGNORED))


def _doubts(root: Path, top: list[str], parts: Mapping[str, Part | None]) -> list[str]:
    """Sentences on folders that are taken for something that they may not be meant as."""
    divided = any(part is not Part.FREE for part in parts.values())
    words = {Part.VAL: "validation", Part.TEST: "test"}
    notes = [
        f"The folder {path} is taken for the {words[part]} part."
        for path, part in parts.items()
        if part in words and path.lower() in ("dev", "development", "eval", "evaluation")
    ]
    if left := [path for path, part in parts.items() if part is None]:
        notes.append(f"Not used, since they are neither train, val nor test: the folders {', '.join(left)}.")
    if not divided and len(top) > 1:
        inner = {path: _folders_in(root / path) for path in top}
        first = inner[top[0]]
        if len(first) > 1 and all(names == first for names in inner.values()):
            notes.append(
                f"Each of the folders {', '.join(top[:5])} holds the same folders ({', '.join(first[:5])}). The former are "
                "taken for the classes; if the latter are, put them at the top."
            )
    return notes


def _classes(walk: Walk, folders: list[str], part: Part) -> list[tuple[str, str, Part]]:
    class_names = []
    for folder in folders:
        walk.collect(folder)
        class_names += [(name, folder.rpartition("/")[2], part) for name in walk.files]
        walk.files.clear()
    return class_names


def _ignore_outside(walk: Walk) -> None:
    walk.ignored += [Ignored(name, "outside the class folders") for name in walk.files]
    walk.files.clear()


def files_within(folder: Path) -> list[Path]:
    """Every file below a folder that no pattern ignores, by name; for predictions, where there are no classes."""
    walk = Walk(folder)
    walk.descend("")
    if not walk.files and walk.quarantined and walk.quarantined[0].path == "":
        raise DataError(f"{folder}: {walk.quarantined[0].reason}.")
    return [folder / name for name in sorted(walk.files, key=os.fsencode)]
