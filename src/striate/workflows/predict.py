"""`striate predict`: predictions for files, folders and globs.

A file that cannot be decoded is a row with its error, never a gap.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from glob import glob
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from striate.base import config
from striate.base import files as disk
from striate.base.arguments import named_arguments
from striate.base.errors import DataError, MissingExtraError, SettingError
from striate.data import decode, folders
from striate.model import Model, Prediction
from striate.training.device import pick
from striate.workflows.load_model import load

_BATCH = 64


@named_arguments()
def predict(
    run: str | Path, paths: str | Path | Iterable[str | Path], device: str = "cpu", out: str | Path | None = None, *,
    crops: int = 1,
) -> Iterator["Row"]:  # fmt: skip
    """One row for each image, in order; an image that cannot be decoded has a row with its error.

    Args:
        run: a run by name or folder, a model's folder, or `NET@WEIGHTS`.
        paths: files, folders (searched through) and globs.
        device: to compute on; `auto` for the best there is.
        out: a file that the rows are written to as well, whole or not at all: .csv, .jsonl or .parquet.
        crops: of each image, whose probabilities are averaged: 5 crops, or 10 with their mirror images.

    """
    if out is not None:
        check_ending(Path(out))
    place = pick(config.Engine(device=device)).device
    predictions = rows(load(run, str(place)), paths, crops)
    if out is None:
        return predictions
    table = list(predictions)
    write(table, Path(out))
    return iter(table)


class Row(NamedTuple):
    """What is known of one file: a prediction, or the reason why there is none."""

    path: str
    prediction: Prediction | None
    error: str | None

    def as_json(self) -> dict[str, Any]:
        """One line of JSON lines."""
        path = self.path.encode("utf-8", "backslashreplace").decode()
        if self.prediction is None:
            return {"path": path, "error": self.error}
        prediction = self.prediction
        return {
            "path": path, "label": prediction.label, "probability": round(prediction.probability, 6),
            "abstained": prediction.abstained,
            "unknown": prediction.unknown, "top": [[name, round(share, 6)] for name, share in prediction.top],
        }  # fmt: skip


def files(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """The files that paths, folders and globs mean, each once, in the order given and by name within a folder or glob.

    Raises:
        DataError: a path that does not exist, or a glob or folder without files.

    """
    if isinstance(paths, str | Path):
        paths = [paths]
    unique_paths: dict[Path, None] = {}
    for given in paths:
        path = Path(given)
        if path.is_dir():
            inside = folders.files_within(path)
        elif path.exists() or path.is_symlink():
            inside = [path]
        else:
            inside = [Path(match) for match in sorted(glob(str(given), recursive=True)) if not Path(match).is_dir()]
            if not inside:
                raise DataError(f"expected a file, a folder or a glob that matches files; there is nothing at {given}.")
        if not inside:
            raise DataError(f"expected images in the folder {given}; it holds none.")
        unique_paths |= dict.fromkeys(inside)
    return list(unique_paths)


def rows(model: Model, paths: str | Path | Iterable[str | Path], crops: int = 1) -> Iterator[Row]:
    """One row for each file, in order; decoding runs in a child process with limits, the net by batches of 64.

    Of 5 or 10 crops the probabilities are averaged.
    """
    wanted = files(paths)
    decoded = zip(wanted, decode.stream(wanted, model.input_spec_for(crops)), strict=True)
    while batch := list(islice(decoded, _BATCH)):
        images = [answer.pixels_HWC for _, answer in batch if answer.pixels_HWC is not None]
        answers = iter(model.answers(model.logits(np.stack(images), crops)) if images else ())
        for path, answer in batch:
            if answer.pixels_HWC is None:
                yield Row(str(path), None, answer.reason)
            else:
                yield Row(str(path), next(answers), None)


def _lines(rows: Iterable[Row]) -> bytes:
    return "".join(json.dumps(row.as_json()) + "\n" for row in rows).encode()


def _flat(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    for row in rows:
        flat = row.as_json()
        top = flat.pop("top", None)
        names = ("label", "probability", "abstained", "unknown")
        yield {
            "path": flat["path"], **{name: flat.get(name) for name in names},
            "top": None if top is None else json.dumps(top), "error": flat.get("error"),
        }  # fmt: skip


def _no_formula(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, with an apostrophe before it, as spreadsheets write such text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _csv(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, ("path", "label", "probability", "abstained", "unknown", "top", "error"), lineterminator="\n")
    table.writeheader()
    table.writerows({name: _no_formula(value) for name, value in row.items()} for row in _flat(rows))
    return text.getvalue().encode()


def _parquet(rows: Iterable[Row]) -> bytes:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("Parquet", "pyarrow", "tables") from None
    text, number, truth = pyarrow.string(), pyarrow.float64(), pyarrow.bool_()
    schema = pyarrow.schema(
        [("path", text), ("label", text), ("probability", number), ("abstained", truth), ("unknown", truth), ("top", text),
         ("error", text)]
    )  # fmt: skip
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(_flat(rows)), schema=schema), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


_WRITERS: dict[str, Callable[[Iterable[Row]], bytes]] = {
    ".csv": _csv,
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".parquet": _parquet,
}


def check_ending(path: Path) -> None:
    """Refuse a file to write whose ending says no format, before any work is done.

    Raises:
        SettingError: the ending is none of those that are written.

    """
    if path.suffix.lower() not in _WRITERS:
        raise SettingError(f"expected a file that ends in {', '.join(_WRITERS)}; got {path}.")


def write(rows: Iterable[Row], path: Path) -> None:
    """Write rows as CSV, JSON lines or Parquet, by the ending of the path, whole or not at all."""
    check_ending(path)
    disk.write_bytes(path, _WRITERS[path.suffix.lower()](rows))
