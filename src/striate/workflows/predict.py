"""`striate predict`: predictions for files, folders and globs.

A file that cannot be decoded is a row with its error, never a gap.
"""

import csv
import io
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple, cast, overload

import numpy as np

from striate.base import config
from striate.base import files as disk
from striate.base.arguments import named_arguments
from striate.base.errors import DecodeError, MissingExtraError, SettingError
from striate.data import decode, image_inputs
from striate.data.decode import InputSpec, Pixels
from striate.data.image_inputs import ImageInput
from striate.model import Model, Prediction
from striate.training.device import pick
from striate.workflows.load_model import load

_BATCH = 64


@overload
def predict(
    run: str | Path, images: list[Any] | tuple[Any, ...], device: str = "cpu", out: str | Path | None = None, *, crops: int = 1
) -> "list[Row]": ...
@overload
def predict(run: str | Path, images: Any, device: str = "cpu", out: str | Path | None = None, *, crops: int = 1) -> Any: ...
@named_arguments()
def predict(
    run: str | Path, images: Any, device: str = "cpu", out: str | Path | None = None, *, crops: int = 1
) -> "Row | list[Row]":
    """One row for an image; for several a list of rows, in order. One that cannot be decoded has a row with its error.

    Args:
        run: a run by name or folder, a model's folder, or `NET@WEIGHTS`.
        images: files, folders (searched through) and globs; in Python also images in memory, as `Model.predict` takes them.
        device: to compute on; `auto` for the best there is.
        out: a file that the rows are written to as well, whole or not at all: .csv, .jsonl or .parquet.
        crops: of each image, whose probabilities are averaged: 5 crops, or 10 with their mirror images.

    """
    single, predictions = stream(run, images, device, out, crops)
    table = list(predictions)
    if out is not None:
        write(table, Path(out))
    return table[0] if single else table


def stream(run: str | Path, images: Any, device: str, out: str | Path | None, crops: int = 1) -> tuple[bool, Iterator["Row"]]:
    """Whether it is one image, and the rows of `predict`, each when its batch has been computed."""
    if out is not None:
        check_ending(Path(out))
    inputs = image_inputs.read(images)
    place = pick(config.Engine(device=device)).device
    return inputs.single, rows(load(run, str(place)), inputs.images, crops)


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


def rows(model: Model, images: Iterable[ImageInput], crops: int = 1) -> Iterator[Row]:
    """One row for each image, in order, by batches of 64; of 5 or 10 crops the probabilities are averaged."""
    decoded = _decoded(images, model.input_spec_for(crops))
    while batch := list(islice(decoded, _BATCH)):
        pixels = [answer for _, answer in batch if not isinstance(answer, str)]
        answers = iter(model.answers(model.logits(np.stack(pixels), crops)) if pixels else ())
        for name, answer in batch:
            yield Row(name, None, answer) if isinstance(answer, str) else Row(name, next(answers), None)


def _decoded(images: Iterable[ImageInput], input_spec: InputSpec) -> Iterator[tuple[str, Pixels | str]]:
    """The name of each image with its pixels, or the reason why there are none; files are decoded in child processes."""
    for are_files, group in groupby(images, lambda image: isinstance(image.source, Path)):
        if not are_files:
            yield from ((image.name, _pixels_or_reason(image, input_spec)) for image in group)
            continue
        names = deque[str]()
        for answer in decode.stream(_paths(group, names), input_spec):
            yield names.popleft(), answer.reason or "" if answer.pixels_HWC is None else answer.pixels_HWC


def _paths(images: Iterable[ImageInput], names: deque[str]) -> Iterator[Path]:
    """The files of images, whose names are kept until their pixels come; `tee` would not do, since other threads draw."""
    for image in images:
        names.append(image.name)
        yield cast(Path, image.source)


def _pixels_or_reason(image: ImageInput, input_spec: InputSpec) -> Pixels | str:
    try:
        return image.decode(input_spec)
    except DecodeError as error:
        return str(error)


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
