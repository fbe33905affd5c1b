"""Images listed in a table, CSV or Parquet: columns of paths and labels; of groups and parts where they are named."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

from striate.base.errors import DataError
from striate.base.option_names import setting
from striate.base.phrases import plural
from striate.data import table_cells, table_columns, table_label_sets, table_labels
from striate.data.examples import Examples, Ignored, Part, Quarantined
from striate.data.examples_from_source import Label, Source, from_files
from striate.data.table_cells import Table
from striate.data.table_columns import Place, Roles
from striate.data.table_labels import NoLabel

if TYPE_CHECKING:
    from striate.base.config import Data

ENDINGS = (".csv", ".tsv", ".parquet")
_SHOWN = 10


def read(path: Path, data: "Data", root: Path | None = None, called: str | None = None) -> Examples:
    """The images that a table lists; paths are relative to `root`, else to its folder; messages call it `called`, or its path.

    Columns, separator and encoding that nobody named are chosen, which notes say. A row without a label or a file is
    quarantined. A column split, part, set or subset that holds nothing but words for parts divides the images.

    Raises:
        DataError: columns that cannot be chosen, several labels in a cell, or a file with two labels or in two parts.

    """
    wanted = {name for name in (data.image_column, data.label_column, data.group_column, data.split_column) if name}
    known = table_columns.KNOWN | {table_cells.plain(name) for name in wanted}
    table = table_cells.read(path, known, data.table_encoding, lists=bool(data.multi_label))
    table = table if root is None else table._replace(path=root / path.name, called=called)
    roles = table_columns.choose(table, data)
    if not table.rows and not table.bad:
        raise DataError(f"{table.shown}: expected rows below the header; there are none.")
    names = table.columns[roles.image]
    labels, notes = table_label_sets.of_rows(table, roles, data) if data.multi_label else _one_label(table, roles, data)
    place = table_columns.place_of(table.path, names) or Place()
    if place != Place():
        ending = f" with {place.after} after each name" if place.after else ""
        notes.append(f"The files of {path.name} are taken from {place.before or 'its folder'}{ending}.")
    parts = _parts(table, roles.split)
    rows = [
        Row(number, place.path(name), label, part)
        for number, name, label, part in zip(table.rows, names, labels, parts, strict=True)
    ]
    rows, repeated = _joined(rows) if data.multi_label and roles.label is not None else (rows, [])
    notes += repeated
    groups = None if data.group_column is None else table.columns[data.group_column]
    return _examples(table, rows, groups, [*table.notes, *roles.notes, *notes])


def _one_label(table: Table, roles: Roles, data: "Data") -> tuple[list[Label], list[str]]:
    labels, notes = table_labels.of_rows(table, roles, data.missing_labels)
    return [*labels], notes


class Row(NamedTuple):
    """A row of a table."""

    number: int  # from 1 below the header
    name: str  # the path of its file
    label: Label
    part: Part


def _joined(rows: list[Row]) -> tuple[list[Row], list[str]]:
    """Rows of one file with the labels of all of them, as where each label has a row of its own; a sentence on that."""
    sets: dict[str, set[str]] = {}
    counts = Counter(row.name for row in rows if isinstance(row.label, tuple))
    for row in rows:
        if isinstance(row.label, tuple):
            sets.setdefault(row.name, set()).update(row.label)
    joined = [row._replace(label=tuple(sorted(sets[row.name]))) if isinstance(row.label, tuple) else row for row in rows]
    repeated = [name for name, count in counts.items() if count > 1]
    sentence = (
        f"{plural(len(repeated), 'file')}, as {repeated[0]}, in several rows: it has the labels of all." if repeated else ""
    )
    return joined, [sentence] if sentence else []


def _examples(table: Table, rows: list[Row], groups: list[str] | None, notes: list[str]) -> Examples:
    firsts: dict[object, Row] = {}
    several = any(isinstance(row.label, tuple) for row in rows)
    conflicts, entries, used_groups, ignored, bad = list[str](), [], list[str](), [], list(table.bad)
    for position, row in enumerate(rows):
        file, fault = _identify(table.path.parent, row.name)
        fault = row.label if isinstance(row.label, NoLabel) else fault
        if fault is not None:
            bad.append(Quarantined(row.name or table.path.name, f"row {row.number}: {fault}"))
            continue
        first = firsts.setdefault(file, row)
        if first is row:
            entries.append((row.name, row.label, row.part))
            used_groups.append("" if groups is None else groups[position] or f"\x1falone {row.name}")
        elif difference := _difference(first, row):
            conflicts.append(difference)
        else:
            ignored.append(Ignored(row.name, f"listed twice, in rows {first.number} and {row.number}"))
    if conflicts:
        more = f" And {len(conflicts) - _SHOWN:,} more." if len(conflicts) > _SHOWN else ""
        advice = "Remove the other rows" if several else f"{table_labels.ONE_LABEL}: remove the other rows"
        raise DataError(f"{table.shown}: {'; '.join(conflicts[:_SHOWN])}.{more} {advice}.")
    folder = table.path.parent
    none = f"Paths are relative to {folder.absolute()}; {setting('data.image_column')} names another column."
    advice = f"Add images of another class, or name the column of the classes with {setting('data.label_column')}."
    return from_files(
        folder, entries, bad, ignored, notes, None if groups is None else used_groups, Source(table.shown, advice, none)
    )


def _difference(first: Row, other: Row) -> str | None:
    """What two rows of one file say differently."""
    words = ("|".join(row.label) if isinstance(row.label, tuple) else row.label for row in (first, other))
    for before, now in (words, (row.part.name.lower() for row in (first, other))):
        if before != now:
            same = "" if first.name == other.name else f", the same file as {first.name!r},"
            return f"{other.name!r}{same} is listed as {before!r} in row {first.number} and as {now!r} in row {other.number}"
    return None


def _identify(folder: Path, name: str) -> tuple[object, str | None]:
    """What is the same for all names of a file, and why the name is no image's, with the spelling by which there is one."""
    if not name:
        return None, "no path"
    try:
        if (full := folder / name).exists():
            status = full.stat()
            file = (status.st_dev, status.st_ino) if status.st_ino else os.path.realpath(full)
            return file, None if full.is_file() else "a folder, not a file"
        how = next((how for other, how in _other_spellings(name) if other != name and (folder / other).is_file()), None)
    except (OSError, ValueError) as error:  # a name that is too long or holds a zero byte, or a folder that is closed
        return name, f"cannot be read: {getattr(error, 'strerror', error)}"
    return os.path.normpath(name), f"no such file; {how} there is one" if how else "no such file"


def _other_spellings(name: str) -> Iterator[tuple[str, str]]:
    yield name.strip(" '\""), "without the spaces or quotes around it"
    yield name.replace("\\", "/"), "with / for each \\"
    yield from ((normalize(form, name), "with its accents encoded otherwise") for form in ("NFC", "NFD"))
    yield name.lstrip("/"), "without the / before it"
    stem, _, ending = name.rpartition(".")
    yield from ((f"{stem}.{other}", f"with .{other}") for other in (ending.lower(), ending.upper()))
    yield from ((f"{name}.{other}", f"with .{other}") for other in ("png", "jpg", "jpeg", "PNG", "JPG"))
    parts = name.replace("\\", "/").split("/")
    yield from ((last := "/".join(parts[k:]), f"as {last}") for k in range(1, len(parts)))


def _parts(table: Table, column: str | None) -> list[Part]:
    if column is None:
        return [Part.FREE] * len(table.rows)
    parts = [table_columns.part_in(column, word) for word in table.columns[column]]
    bad = [
        f"{word!r} in row {row}"
        for row, word, part in zip(table.rows, table.columns[column], parts, strict=True)
        if part is None
    ]
    if bad:
        more = f" and in {len(bad) - _SHOWN:,} more" if len(bad) > _SHOWN else ""
        raise DataError(
            f"{table.shown}: expected train, val or test in the column {column!r}; got {', '.join(bad[:_SHOWN])}{more}."
        )
    return [part for part in parts if part is not None]
