"""Images listed in a table, CSV or Parquet: columns of paths and classes; of groups and parts where they are named."""

import csv
from pathlib import Path

from striate.base import files
from striate.base.config import Data
from striate.base.errors import DataError, MissingExtraError
from striate.data.build_examples import from_files, part_named
from striate.data.examples import Examples, Ignored, Part, Quarantined

ENDINGS = (".csv", ".parquet")

Columns = dict[str, list[str]]


def read(path: Path, data: Data) -> Examples:
    """The images that a table lists; paths are relative to the table's folder."""
    wanted = [data.image_column, data.label_column]
    wanted += [name for name in (data.group_column, data.split_column) if name is not None]
    columns = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path, wanted)
    for name in wanted:
        if name not in columns:
            raise DataError(
                f"{path}: expected a column {name!r}; its columns are {', '.join(columns)}. "
                "Name them with --set data.image_column=... and data.label_column=..."
            )
    names, labels = columns[data.image_column], columns[data.label_column]
    parts = [Part.FREE] * len(names)
    if data.split_column is not None:
        parts = [_parse_part(path, row, word) for row, word in enumerate(columns[data.split_column], start=1)]
    groups = None if data.group_column is None else columns[data.group_column]
    return _examples(path, names, labels, parts, groups)


def _examples(table: Path, names: list[str], labels: list[str], parts: list[Part], groups: list[str] | None) -> Examples:
    label_of: dict[str, str] = {}
    entries, used_groups, bad, ignored = [], [], [], []
    for row, (name, label) in enumerate(zip(names, labels, strict=True)):
        if name in label_of:
            if label_of[name] != label:
                raise DataError(f"{table}: {name!r} is listed as {label_of[name]!r} and as {label!r}. Remove one of the rows.")
            ignored.append(Ignored(name, "listed twice"))
            continue
        label_of[name] = label
        if not label.strip():
            bad.append(Quarantined(name, "no class in its row"))
        elif reason := _fault(table.parent / name):
            bad.append(Quarantined(name, reason))
        else:
            entries.append((name, label, parts[row]))
            used_groups.append("" if groups is None else groups[row] or f"\x1falone {name}")
    return from_files(table.parent, entries, bad, ignored, groups=None if groups is None else used_groups)


def _fault(path: Path) -> str | None:
    try:
        return None if path.is_file() else "no such file"
    except OSError as error:  # a name that is too long, or a folder that is closed
        return f"cannot be read: {error.strerror}"


def _parse_part(table: Path, row: int, word: str) -> Part:
    part = part_named(word)
    if part is None:
        raise DataError(f"{table}, row {row}: expected train, val or test in the split column; got {word!r}.")
    return part


def _read_csv(path: Path, wanted: list[str]) -> Columns:
    try:
        with files.explained(path, "read"), path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
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
        raise DataError(f"{path} is not a CSV table in UTF-8: {error}.") from error
    return columns


def _read_parquet(path: Path) -> Columns:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("a Parquet table", "pyarrow", "tables") from None
    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a Parquet table: {error}.") from error
    columns = table.to_pydict()
    return {name: ["" if value is None else str(value) for value in values] for name, values in columns.items()}
