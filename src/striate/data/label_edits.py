"""Corrections of labels that a file lists: `data.relabel` gives images another label, `data.exclude` leaves images out.

No file of the data is changed. The images are divided into parts by the labels that they came with, excluded images among them,
so that trainings with and without the corrections have the same parts.

Legend: N images.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striate.base import files
from striate.base.errors import DataError, SettingError, nearest
from striate.base.phrases import join_names, plural
from striate.base.settings import Data
from striate.data import csv_parquet, table_cells
from striate.data.examples import Examples, Ignored, LabelEdits

_PATH, _LABELS = "path", ("new_label", "label")


def apply(examples: Examples, data: Data) -> Examples:
    """The examples with the corrections of the settings.

    Raises:
        SettingError: a file is not there.
        DataError: an entry is no image of the data, or no class of it; a class would have no image left.

    """
    if data.relabel is not None:
        examples = _relabel(examples, _file("relabel", data.relabel), data.table_encoding)
    if data.exclude is not None:
        examples = _exclude(examples, _file("exclude", data.exclude), data.table_encoding)
    counts = examples.counts()
    if (data.relabel or data.exclude) and (empty := [name for name, count in counts.items() if not count]):
        raise DataError(
            f"expected an image of each class; {data.relabel or data.exclude} leaves none of class {empty[0]!r}. Remove the "
            "class from the data, or the entries from the file."
        )
    return examples


def notes(examples: Examples, test_N: NDArray[np.bool_]) -> list[str]:
    """A sentence for each file on what it changed, and on how many of these images are test images."""
    sentences = []
    for edit in examples.edits:
        changed_N = np.isin(examples.names, [name for name, *_ in edit.entries])
        tested = int((changed_N & test_N).sum())
        done = "relabeled" if edit.setting == "relabel" else "left out"
        sentence = f"{edit.file}: {plural(len(edit.entries), 'image')} {done}"
        if tested:
            sentence += (
                f", {tested:,} of them in the test part, so scores compare only with those of runs whose test part is "
                "corrected in the same way"
            )
        sentences.append(f"{sentence}.")
    return sentences


def _file(setting: str, name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise SettingError(f"expected a file for data.{setting} at {name}; there is none.")
    return path


def _relabel(examples: Examples, path: Path, encoding: str | None) -> Examples:
    table = table_cells.read(path, (_PATH, *_LABELS), encoding)
    column = next((name for name in _LABELS if name in table.columns), None)
    if _PATH not in table.columns or column is None:
        raise DataError(
            f"{path}: expected the columns path and new_label, or path and label; got {join_names(list(table.columns))}. Name "
            "them so in the first line."
        )
    wanted: dict[str, str] = {}
    for entry, label in zip(table.columns[_PATH], table.columns[column], strict=True):
        if label and wanted.setdefault(entry, label) != label:
            raise DataError(f"{path}: {entry} is listed as {wanted[entry]!r} and as {label!r}. Keep one of them.")
    places = _places(examples, path, list(wanted))
    labels_N, entries = examples.labels_N.copy(), []
    for (entry, label), place in zip(wanted.items(), places, strict=True):
        if label not in examples.classes:
            raise DataError(
                f"{path}: expected a class of the data for {entry}; got {label!r}; {nearest(label, examples.classes)}"
            )
        before = examples.classes[examples.labels_N[place]]
        if place >= 0 and before != label:
            labels_N[place] = examples.classes.index(label)
            entries.append((examples.names[place], before, label))
    edit = LabelEdits("relabel", str(path), files.sha256(path), tuple(entries))
    return replace(examples, labels_N=labels_N, given_labels_N=examples.labels_N, edits=(*examples.edits, edit))


def _exclude(examples: Examples, path: Path, encoding: str | None) -> Examples:
    entries = list(dict.fromkeys(_listed(path, encoding)))
    places = [place for place in _places(examples, path, entries) if place >= 0]
    excluded_N = np.zeros(len(examples), bool)
    excluded_N[places] = True
    names = [examples.names[place] for place in np.flatnonzero(excluded_N).tolist()]
    classes = (examples.label_of(place) for place in np.flatnonzero(excluded_N).tolist())
    edit = LabelEdits("exclude", str(path), files.sha256(path), tuple((*pair, "") for pair in zip(names, classes, strict=True)))
    ignored = (*examples.ignored, *(Ignored(name, f"data.exclude={path}") for name in names))
    return replace(examples, excluded_N=excluded_N, ignored=ignored, edits=(*examples.edits, edit))


def _listed(path: Path, encoding: str | None) -> Iterator[str]:
    """The paths that a file lists: the column path of a table, else its first; or one in each line."""
    if path.suffix.lower() in csv_parquet.ENDINGS:
        columns = table_cells.read(path, (_PATH,), encoding).columns
        yield from (entry for entry in columns.get(_PATH, next(iter(columns.values()))) if entry)
        return
    with files.explained(path, "read"):
        text = path.read_text("utf-8-sig", "surrogateescape")
    yield from (line.strip() for line in text.splitlines() if line.strip())


def _places(examples: Examples, path: Path, entries: Sequence[str]) -> list[int]:
    """The position of each image, -1 for one that is not used anyway. Raises DataError: there is no such image."""
    place_of = dict.fromkeys((path for path, _ in (*examples.quarantined, *examples.ignored)), -1)
    place_of |= {name: place for place, name in enumerate(examples.names)}
    places = [
        next((place_of[name] for name in _spellings(entry, examples.root) if name in place_of), None) for entry in entries
    ]
    missing = [entry for entry, place in zip(entries, places, strict=True) if place is None]
    if missing:
        more = "" if len(missing) <= 3 else f" and {len(missing) - 3:,} more"
        raise DataError(
            f"{path}: expected paths of images in {examples.root}; there is none for {', '.join(missing[:3])}{more}. "
            "Write them as `striate labels` does, or remove them."
        )
    return [place for place in places if place is not None]


def _spellings(entry: str, root: Path) -> Iterator[str]:
    """Names that a path may mean: relative to the root, with either slash, or to the current folder."""
    yield entry
    yield entry.replace("\\", "/")
    yield Path(os.path.relpath(Path(entry).absolute(), Path(root).absolute())).as_posix()
