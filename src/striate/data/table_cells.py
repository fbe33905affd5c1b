"""The cells of a table as text: a CSV file with its encoding and separator, or a Parquet file with its types."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from striate.base import files
from striate.base.errors import DataError, MissingExtraError
from striate.base.option_names import setting
from striate.data import table_encoding
from striate.data.examples import Quarantined

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n")  # which Excel writes and reads above the header


class Table(NamedTuple):
    """The cells of a table, by column; every column has a cell for each of `rows`."""

    path: Path
    columns: dict[str, list[str]]
    rows: list[int]  # the number of each row, from 1 below the header
    repeated: frozenset[str] = frozenset()  # names of several columns, of which `columns` has the first
    odd: Mapping[str, str] = MappingProxyType({})  # columns that are no text, with a sentence on what they hold
    bad: tuple[Quarantined, ...] = ()  # rows that do not fit under the header
    notes: tuple[str, ...] = ()
    called: str | None = None  # how messages name it, if not by its path

    @property
    def shown(self) -> str:
        """The name of the table in messages."""
        return self.called or str(self.path)


def read(path: Path, known: Collection[str], encoding: str | None = None, lists: bool = False, advise: bool = True) -> Table:
    """The cells of a table; `known` are names that its columns may have, by which the separator is chosen.

    With `lists`, columns of a Parquet file that hold lists of texts or whole numbers have them as JSON. With `advise`, messages
    tell of settings.
    """
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path, lists)
    with files.explained(path, "read"):
        content = path.read_bytes()
    return read_csv(path, content, known, encoding, advise)


def read_csv(path: Path, content: bytes, known: Collection[str], encoding: str | None = None, advise: bool = True) -> Table:
    """The cells in the bytes of a CSV table. A row that lacks cells at its end has empty ones there."""
    text, name = table_encoding.decode(path, content, encoding, advise)
    sentence = _SEPARATOR_LINE.match(text)
    text = text[sentence.end() :] if sentence else text
    first = text[: 1 << 16].splitlines()[0] if text else ""
    if not first.strip():
        raise DataError(f"{path}: expected a header, the names of the columns; the first line is empty.")
    separator = sentence[1] if sentence else _separator(first, known)
    spaced = bool(re.fullmatch(rf"[^{re.escape(separator)}]+({re.escape(separator)} +\S[^{re.escape(separator)}]*)+", first))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator, skipinitialspace=spaced)
    try:
        header, *lines = reader
    except csv.Error as error:
        raise DataError(f"{path} is not a CSV table: {error}. Save it as CSV in UTF-8.") from error
    number, width = 0, len(header)
    cells, rows, bad = list[list[str]](), list[int](), list[Quarantined]()
    for line in lines:
        number += bool(line)
        if not any(line):  # a blank line, or one of separators alone, as spreadsheets leave them
            continue
        if any(line[width:]):
            bad.append(Quarantined(path.name, f"row {number}: expected {width} fields; got {len(line)}"))
            continue
        cells.append([*line, *[""] * (width - len(line))][:width])
        rows.append(number)
    columns: dict[str, list[str]] = {}
    for place, column in enumerate(header):
        columns.setdefault(column, [row[place] for row in cells])
    repeated = frozenset(column for column, count in Counter(header).items() if count > 1)
    return Table(path, columns, rows, repeated, {}, tuple(bad), _notes(path, name, "," if sentence else separator))


def _notes(path: Path, encoding: str, separator: str) -> tuple[str, ...]:
    parts = []
    if encoding == "cp1252":
        parts.append(f"in {encoding}, since it is not UTF-8 ({setting('data.table_encoding')} names another)")
    elif encoding == "utf-16":
        parts.append("in UTF-16")
    if separator != ",":
        parts.append(f"with {_SEPARATORS[separator]} between its columns")
    return (f"{path.name} is read {', '.join(parts)}.",) if parts else ()


def _separator(header: str, known: Collection[str]) -> str:
    """Of comma, semicolon, tab and bar the one by which the header has most of the known columns, else most columns."""
    fields = {separator: next(csv.reader([header], delimiter=separator), []) for separator in _SEPARATORS}
    return max(fields, key=lambda separator: (sum(plain(name) in known for name in fields[separator]), len(fields[separator])))


def plain(name: str) -> str:
    """A column's name without what people vary: case, spaces around it, and spaces and hyphens for underscores."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _read_parquet(path: Path, lists: bool) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("a Parquet table", "pyarrow", "tables") from None
    types = pyarrow.types
    is_odd, is_list = (types.is_nested, types.is_binary, types.is_large_binary), (types.is_list, types.is_large_list)
    is_plain = (types.is_string, types.is_large_string, types.is_integer)

    def taken(kind: Any) -> bool:
        return lists and any(test(kind) for test in is_list) and any(test(kind.value_type) for test in is_plain)

    try:
        schema = pyarrow.parquet.read_schema(path)
        odd = {
            field.name: f"it holds {field.type}"
            for field in schema
            if any(test(field.type) for test in is_odd) and not taken(field.type)
        }
        table = pyarrow.parquet.read_table(path, columns=[name for name in schema.names if name not in odd])
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise DataError(f"{path} is not a Parquet table: {error}.") from error
    values: dict[str, list[Any]] = table.to_pydict()
    for name, column in values.items():
        if sentence := _odd_values(column):
            odd[name] = sentence
    columns = {name: [_text(value) for value in column] for name, column in values.items() if name not in odd}
    return Table(path, columns, list(range(1, table.num_rows + 1)), odd=odd)


def _odd_values(column: Iterable[object]) -> str:
    """A sentence on the cells of a column that are neither text, nor whole numbers, nor true or false; empty without any."""
    odd = [(row, value) for row, value in enumerate(column, start=1) if _text(value) is None]
    if not odd:
        return ""
    row, value = odd[0]
    more = f", and {len(odd) - 1:,} more such" if len(odd) > 1 else ""
    return f"row {row} holds a {type(value).__name__}, {f'{value!r}'[:40]}{more}"


def _text(value: object) -> Any:
    """A cell as text: nothing for null and NaN, whole numbers without a point, a list as JSON; None for one that is no text."""
    if isinstance(value, list):
        return json.dumps([item for item in value if item is not None])
    if value is None or value != value:
        return ""
    if isinstance(value, str | int):
        return str(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else None
