"""The tables that `striate predict` writes: rows as CSV, JSON lines or Parquet, embeddings as .npy or Parquet.

Legend: N images, D features.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.base import files as disk
from striate.base.errors import DataError, MissingExtraError
from striate.metrics.multi_label import LabelSet
from striate.workflows.prediction_rows import Row

Columns = tuple[str, ...]  # names of a table, in their order

_COLUMNS = ("path", "label", "probability", "set", "abstained", "unknown", "top", "error")
_SHARE = "probability_"  # before the name of a class, as the column of its probability


def columns_of(classes: Sequence[str], *, several_labels: bool, probabilities: bool) -> Columns:
    """The columns of a table of a model's rows: those of every class last, where rows have their probabilities."""
    shares = tuple(f"{_SHARE}{name}" for name in classes)
    return ("path", "labels", "error", *shares) if several_labels else (*_COLUMNS, *(shares if probabilities else ()))


def write(rows: Sequence[Row], columns: Columns, path: Path) -> None:
    """Write rows as CSV, JSON lines or Parquet, by the ending of the path, whole or not at all."""
    disk.write_bytes(path, as_bytes(rows, columns, path.suffix))


def as_bytes(rows: Sequence[Row], columns: Columns, ending: str) -> bytes:
    """The file that `write` writes, for an ending such as `.csv`."""
    return _WRITERS[ending.lower()](rows, columns)


def embeddings_as_bytes(rows: Sequence[Row], columns: Columns, width: int, ending: str) -> bytes:
    """Embeddings of D = `width` numbers as a file, in the order of the rows.

    As .npy an array N x D of float32, whose row is NaN for an image that could not be decoded; as .parquet path, label,
    probability, embedding and error, of which all but the last are empty for such an image.
    """
    missing_D = np.full(width, np.nan, np.float32)
    embeddings_ND = np.stack([missing_D if row.embedding is None else row.embedding for row in rows])
    if ending.lower() == ".npy":
        content = io.BytesIO()
        np.save(content, embeddings_ND)
        return content.getvalue()
    pyarrow, flat = _pyarrow(), list(_flat(rows, columns))
    names = [name for name in ("path", "label", "labels", "probability", "error") if name in columns]
    values: dict[str, Any] = {name: [row[name] for row in flat] for name in names}
    absent_N = pyarrow.array([row.embedding is None for row in rows])
    embeddings = pyarrow.FixedSizeListArray.from_arrays(embeddings_ND.ravel(), width, mask=absent_N)
    error = values.pop("error")
    table = pyarrow.table({**values, "embedding": embeddings, "error": pyarrow.array(error, pyarrow.string())})
    return _parquet_bytes(table)


def write_embeddings(rows: Sequence[Row], columns: Columns, path: Path) -> None:
    """Write embeddings in the order of the rows, whole or not at all, by the ending of the path."""
    width = next((len(row.embedding) for row in rows if row.embedding is not None), None)
    if width is None:
        raise DataError(f"none of the {len(rows):,} images can be decoded, so there is nothing to write to {path}.")
    disk.write_bytes(path, embeddings_as_bytes(rows, columns, width, path.suffix))


def _lines(rows: Iterable[Row], _columns: Columns) -> bytes:
    return "".join(json.dumps(row.as_json()) + "\n" for row in rows).encode()


def _flat(rows: Iterable[Row], columns: Columns) -> Iterator[dict[str, Any]]:
    """Rows as tables have them: lists as JSON."""
    empty = dict.fromkeys(columns)
    for row in rows:
        values = row.as_json()
        shares = {f"{_SHARE}{name}": share for name, share in values.pop("probabilities", {}).items()}
        lists = {name: json.dumps(values[name]) for name in ("set", "top") if values.get(name) is not None}
        whole = empty | values | {"set": None, "top": None} | lists | shares
        if isinstance(row.prediction, LabelSet):
            whole["labels"] = "|".join(row.prediction.labels)
        yield {name: whole[name] for name in columns}


def _no_formula(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, with an apostrophe before it, as spreadsheets write such text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _csv(rows: Iterable[Row], columns: Columns) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows({name: _no_formula(value) for name, value in row.items()} for row in _flat(rows, columns))
    return text.getvalue().encode()


def _parquet(rows: Iterable[Row], columns: Columns) -> bytes:
    pyarrow = _pyarrow()
    text, number, truth = pyarrow.string(), pyarrow.float64(), pyarrow.bool_()
    types = {"probability": number, "abstained": truth, "unknown": truth}
    schema = pyarrow.schema([(name, number if name.startswith(_SHARE) else types.get(name, text)) for name in columns])
    return _parquet_bytes(pyarrow.Table.from_pylist(list(_flat(rows, columns)), schema=schema))


def _parquet_bytes(table: Any) -> bytes:
    sink = _pyarrow().BufferOutputStream()
    _pyarrow().parquet.write_table(table, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("Parquet", "pyarrow", "tables") from None
    return pyarrow


_WRITERS: dict[str, Callable[[Sequence[Row], Columns], bytes]] = {
    ".csv": _csv,
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".parquet": _parquet,
}
