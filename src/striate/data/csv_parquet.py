"""Images listed in a table, CSV or Parquet: columns of paths and classes; of groups and parts where they are named."""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from unicodedata import normalize

from striate.base import files
from striate.base.config import Data
from striate.base.errors import DataError, MissingExtraError
from striate.base.phrases import join_names
from striate.data.examples import Examples, Ignored, Part, Quarantined
from striate.data.examples_from_source import Source, from_files, part_named

ENDINGS = (".csv", ".parquet")

Columns = dict[str, list[str]]


def read(path: Path, data: Data, root: Path | None = None) -> Examples:
    """The images that a table lists; paths are relative to `root`, else to the table's folder.

    A column split, part, set or subset that holds nothing but words for parts divides the images, which a note says.
    """
    wanted = [data.image_column, data.label_column]
    wanted += [name for name in (data.group_column, data.split_column) if name]
    columns = _read_parquet(path, wanted) if path.suffix.lower() == ".parquet" else _read_csv(path, wanted)
    names, labels = columns[data.image_column], columns[data.label_column]
    if not names:
        raise DataError(f"{path}: expected rows below the header; there are none.")
    split, notes = (data.split_column, []) if data.split_column is not None else _evident_split(columns)
    parts = [_parse_part(path, row, word) for row, word in enumerate(columns[split], start=1)] if split else []
    groups = None if data.group_column is None else columns[data.group_column]
    others = [name for name in columns if name.strip() and name not in (*wanted, split)]
    if others and not notes and data.split_column != "":
        notes.append(
            f"Columns that are not used: {_shortened(others)}. --set data.split_column=... or data.group_column=... uses one "
            "as parts, or as groups that stay together."
        )
    return _examples(
        path if root is None else root / path.name, names, labels, parts or [Part.FREE] * len(names), groups, notes
    )


def _check_columns(path: Path, columns: Iterable[str], wanted: list[str]) -> None:
    for name in wanted:
        if name not in columns:
            raise DataError(
                f"{path}: expected a column {name!r}; its columns are {_shortened(columns)}. "
                "Name them with --set data.image_column=... and data.label_column=..."
            )


def _shortened(columns: Iterable[str]) -> str:
    """Names of columns for a message; a file that is no table may have them by the hundred."""
    names = [name if len(name) <= 40 else f"{name[:37]}..." for name in columns]
    names = [name if name == name.strip() else repr(name) for name in names]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _evident_split(columns: Columns) -> tuple[str | None, list[str]]:
    """The column that divides the images although nobody named it, with a sentence on it."""
    for name in [name for name in columns if name.strip().lower() in ("split", "part", "set", "subset", "partition")]:
        counts = Counter(part_named(word) for word in columns[name])
        known = {part: count for part, count in counts.items() if part is not None}
        if known and len(known) == len(counts):
            numbers = join_names([f"{count:,} {part.name.lower()}" for part, count in sorted(known.items())])
            return name, [f"The column {name!r} divides the images: {numbers}. --set data.split_column='' ignores it."]
        if known:
            other = next(word for word in columns[name] if part_named(word) is None)
            return None, [
                f"The column {name!r} is not used, since it holds {other!r} beside words for parts. Correct it, or rename it."
            ]
    return None, []


def _examples(
    table: Path, names: list[str], labels: list[str], parts: list[Part], groups: list[str] | None, notes: list[str]
) -> Examples:
    rows: dict[str, int] = {}
    entries, used_groups, bad, ignored = [], [], [], []
    for row, (name, label) in enumerate(zip(names, labels, strict=True)):
        first = rows.setdefault(os.path.normpath(name), row)  # ./a.png and b/../a.png are a.png
        if first != row:
            for before, now in ((labels[first], label), (parts[first].name.lower(), parts[row].name.lower())):
                if before != now:
                    raise DataError(f"{table}: {name!r} is listed as {before!r} and as {now!r}. Remove one of the rows.")
            ignored.append(Ignored(name, "listed twice"))
            continue
        if not label.strip():
            bad.append(Quarantined(name, "no class in its row"))
        elif reason := _fault(table.parent, name):
            bad.append(Quarantined(name, reason))
        else:
            entries.append((name, label, parts[row]))
            used_groups.append("" if groups is None else groups[row] or f"\x1falone {name}")
    advice = "Add images of another class, or name the column of the classes with --set data.label_column=..."
    return from_files(
        table.parent, entries, bad, ignored, notes, None if groups is None else used_groups, Source(table, advice)
    )


def _fault(folder: Path, name: str) -> str | None:
    """Why a name in a table is no image's, with the spelling by which there is one."""
    if not name:
        return "no path in its row"
    try:
        if (folder / name).is_file():
            return None
        if (folder / name).is_dir():
            return "a folder, not a file"
        how = next((how for other, how in _other_spellings(name) if other != name and (folder / other).is_file()), None)
    except OSError as error:  # a name that is too long, or a folder that is closed
        return f"cannot be read: {error.strerror}"
    return f"no such file; {how} there is one" if how else "no such file"


def _other_spellings(name: str) -> Iterator[tuple[str, str]]:
    yield name.strip(" '\""), "without the spaces or quotes around it"
    yield name.replace("\\", "/"), "with / for each \\"
    yield from ((normalize(form, name), "with its accents encoded otherwise") for form in ("NFC", "NFD"))
    yield name.lstrip("/"), "without the / before it"
    stem, _, ending = name.rpartition(".")
    yield from ((f"{stem}.{other}", f"with .{other}") for other in (ending.lower(), ending.upper()))
    yield from ((f"{name}.{other}", f"with .{other}") for other in ("png", "jpg", "jpeg", "PNG", "JPG"))


def _parse_part(table: Path, row: int, word: str) -> Part:
    part = part_named(word)
    if part is None:
        raise DataError(f"{table}, row {row}: expected train, val or test in the split column; got {word!r}.")
    return part


def _read_csv(path: Path, wanted: list[str]) -> Columns:
    try:
        with files.explained(path, "read"), path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            if not first.strip():
                raise DataError(f"{path}: expected a header, the names of the columns; the first line is empty.")
            file.seek(0)
            rows = csv.reader(file, strict=True, delimiter=_delimiter(first, wanted))
            header = next(rows, [])
            _check_columns(path, header, wanted)
            for name in wanted:
                if header.count(name) > 1:
                    raise DataError(f"{path}: expected one column {name!r}; got {header.count(name)}. Rename the others.")
            columns: Columns = {name: [] for name in header}
            for number, row in enumerate(rows, start=1):
                if not row:
                    continue
                if len(row) != len(header):
                    raise DataError(f"{path}, row {number}: expected {len(header)} fields; got {len(row)}.")
                for name, value in zip(header, row, strict=True):
                    columns[name].append(value)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV table in UTF-8: {error}. Save it as CSV in UTF-8.") from error
    return columns


def _delimiter(header: str, wanted: list[str]) -> str:
    """Of comma, semicolon, tab and bar the one by which the header has most of the columns that are wanted."""
    line = header.removeprefix("\ufeff").rstrip("\r\n")
    return max(",;\t|", key=lambda delimiter: len({*wanted} & {*next(csv.reader([line], delimiter=delimiter), [])}))


def _read_parquet(path: Path, wanted: list[str]) -> Columns:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("a Parquet table", "pyarrow", "tables") from None
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a Parquet table: {error}.") from error
    _check_columns(path, table.column_names, wanted)
    columns: Columns = table.to_pydict()
    return {
        name: [
            _text(path, name, row, value) if name in wanted else str(value)[:200] for row, value in enumerate(values, start=1)
        ]
        for name, values in columns.items()
    }


def _text(table: Path, column: str, row: int, value: object) -> str:
    """A typed cell as text: nothing for null and NaN, whole numbers without a point.

    Raises:
        DataError: a cell that is neither text, nor a whole number, nor true or false.

    """
    if value is None or value != value:
        return ""
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    shown = repr(value)
    advice = "Write images to files, and their paths here" if isinstance(value, bytes | dict) else "Give each image one class"
    raise DataError(
        f"{table}, row {row}: expected text or a whole number in column {column!r}; got a {type(value).__name__}, "
        f"{shown if len(shown) <= 40 else shown[:37] + '...'}. {advice}."
    )
