"""`striate predict`: predictions for files, folders and globs.

A file that cannot be decoded is a row with its error, never a gap.
"""

import csv
import io
import json
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any, cast, overload

import numpy as np

from striate.base import config
from striate.base import files as disk
from striate.base.arguments import named_arguments
from striate.base.errors import DataError, DecodeError, MissingExtraError, SettingError
from striate.base.events import Watch, progress, quiet
from striate.data import decode, image_inputs
from striate.data.decode import InputSpec
from striate.data.image_facts import Pixels
from striate.data.image_inputs import ImageInput
from striate.metrics.multi_label import LabelSet
from striate.model import Model
from striate.onnx_model import OnnxModel
from striate.training.device import pick
from striate.workflows.checks import check_prediction, check_table
from striate.workflows.load_model import load
from striate.workflows.prediction_options import PredictionOptions
from striate.workflows.prediction_rows import Row

log = logging.getLogger("striate")

_BATCH = 64
_COLUMNS = ("path", "label", "probability", "set", "abstained", "unknown", "top", "error")
_SHARE = "probability_"  # before the name of a class, as the column of its probability


@overload
def predict(
    run: str | Path, images: list[Any] | tuple[Any, ...], device: str = "cpu", out: str | Path | None = None, *,
    embed: str | Path | None = None, crops: int = 1, threshold: float | None = None, probabilities: bool = False,
    watch: Watch = quiet,
) -> list[Row]: ...  # fmt: skip
@overload
def predict(
    run: str | Path, images: Any, device: str = "cpu", out: str | Path | None = None, *, embed: str | Path | None = None,
    crops: int = 1, threshold: float | None = None, probabilities: bool = False, watch: Watch = quiet,
) -> Any: ...  # fmt: skip
@named_arguments()
def predict(
    run: str | Path, images: Any, device: str = "cpu", out: str | Path | None = None, *, embed: str | Path | None = None,
    crops: int = 1, threshold: float | None = None, probabilities: bool = False, watch: Watch = quiet,
) -> Row | list[Row]:  # fmt: skip
    """One row for an image; for several a list of rows, in order. One that cannot be decoded has a row with its error.

    Args:
        run: a run by name or folder, a model's folder, `NET@WEIGHTS`, or an ONNX file of `striate export`.
        images: files, folders (searched through) and globs; in Python also images in memory, as `Model.predict` takes them.
        device: to compute on; `auto` for the best there is.
        out: a file that the rows are written to as well, whole or not at all: .csv, .jsonl or .parquet.
        embed: a file for what the head of the network is given for each image, .npy or .parquet; in the order of the rows.
        crops: of each image, whose probabilities are averaged: 5 crops, or 10 with their mirror images.
        threshold: least probability of an answer, below which the model abstains, in place of the model's own.
        probabilities: give the probability of every class, in a table as columns `probability_CLASS`.
        watch: called with progress.

    """
    options = PredictionOptions(out, embed, crops, threshold, probabilities)
    single, predictions = stream(run, images, device, options, watch)
    table = list(predictions)
    if out is not None:
        write(table, Path(out))
    if embed is not None:
        write_embeddings(table, Path(embed))
    return table[0] if single else table


def stream(
    run: str | Path, images: Any, device: str, options: PredictionOptions, watch: Watch = quiet
) -> tuple[bool, Iterator[Row]]:
    """Whether it is one image, and the rows of `predict`, each when its batch has been computed."""
    check_prediction(run, options)
    given = image_inputs.read(images)
    model = load(run, str(pick(config.Engine(device=device)).device))
    if options.threshold is not None and model.label_thresholds is not None:
        raise SettingError(
            f"threshold={options.threshold} does not apply to {run}, which has one for each label. Leave it out."
        )
    confidence = model.confidence
    if options.threshold is not None:
        model = replace(model, confidence=replace(confidence, threshold=options.threshold, max_error=None, level=None))
    elif options.crops != 1 and confidence.images is not None:
        log.warning(
            "The threshold and the sets of %s were chosen for one crop; with %d nothing is promised.", run, options.crops
        )
    return given.single, _reported(rows(model, given.images, options), given.total, progress(watch, "predict"))


def rows(model: Model | OnnxModel, images: Iterable[ImageInput], options: PredictionOptions) -> Iterator[Row]:
    """One row for each image, in order, by batches of 64; of 5 or 10 crops the probabilities are averaged."""
    decoded = _decoded(images, model.input_spec_for(options.crops))
    while batch := list(islice(decoded, _BATCH)):
        pixels = [answer for _, answer in batch if not isinstance(answer, str)]
        results = iter(_results(model, np.stack(pixels), options) if pixels else ())
        for name, answer in batch:
            yield Row(name, None, answer) if isinstance(answer, str) else next(results)._replace(path=name)


def _reported(predictions: Iterator[Row], count: int | None, report: Callable[[int, int | None], None]) -> Iterator[Row]:
    for done, row in enumerate(predictions, start=1):
        report(done, count)
        yield row


def _results(model: Model | OnnxModel, pixels_NHWC: Pixels, options: PredictionOptions) -> Iterator[Row]:
    """The rows of decoded images, without their names."""
    embeddings_ND = None
    if isinstance(model, OnnxModel):
        outputs = model.predict_pixels(pixels_NHWC)
        logits_NK, embeddings_ND, answers = outputs.logits, outputs.features, model.answers(outputs)
    elif options.crops == 1 and (options.embed is not None or model.unknown_inputs is not None):
        logits_NK, embeddings_ND = model.logits_and_embeddings(pixels_NHWC)
        answers = model.answers(logits_NK, embeddings_ND)
    else:
        logits_NK = model.logits(pixels_NHWC, options.crops)
        answers = model.answers(logits_NK)
    shares_NK = model.probabilities(logits_NK) if options.probabilities else None
    for n, prediction in enumerate(answers):
        yield Row(
            "", prediction, None, None if options.embed is None or embeddings_ND is None else embeddings_ND[n],
            None if shares_NK is None else dict(zip(model.classes, shares_NK[n].tolist(), strict=True)),
        )  # fmt: skip


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


def _columns(rows: Iterable[Row]) -> tuple[str, ...]:
    """The columns of a table of these rows: those of every class last, where a row has probabilities."""
    label_set = next((row.prediction for row in rows if isinstance(row.prediction, LabelSet)), None)
    if label_set is not None:
        return ("path", "labels", "error", *(f"{_SHARE}{name}" for name in label_set.probabilities))
    shares = next((row.probabilities for row in rows if row.probabilities is not None), {})
    return (*_COLUMNS, *(f"{_SHARE}{name}" for name in shares))


def _flat(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Rows as tables have them: lists as JSON."""
    empty = dict.fromkeys(_columns(rows))
    for row in rows:
        values = row.as_json()
        shares = {f"{_SHARE}{name}": share for name, share in values.pop("probabilities", {}).items()}
        lists = {name: json.dumps(values[name]) for name in ("set", "top") if values.get(name) is not None}
        whole = empty | values | {"set": None, "top": None} | lists | shares
        if isinstance(row.prediction, LabelSet):
            whole["labels"] = "|".join(row.prediction.labels)
        yield {name: whole[name] for name in empty}


def _no_formula(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, with an apostrophe before it, as spreadsheets write such text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, _columns(rows), lineterminator="\n")
    table.writeheader()
    table.writerows({name: _no_formula(value) for name, value in row.items()} for row in _flat(rows))
    return text.getvalue().encode()


def _parquet(rows: Sequence[Row]) -> bytes:
    pyarrow = _pyarrow()
    text, number, truth = pyarrow.string(), pyarrow.float64(), pyarrow.bool_()
    types = {"probability": number, "abstained": truth, "unknown": truth}
    schema = pyarrow.schema([(name, number if name.startswith(_SHARE) else types.get(name, text)) for name in _columns(rows)])
    return _parquet_bytes(pyarrow.Table.from_pylist(list(_flat(rows)), schema=schema))


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


_WRITERS: dict[str, Callable[[Sequence[Row]], bytes]] = {
    ".csv": _csv,
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".parquet": _parquet,
}


def write(rows: Sequence[Row], path: Path) -> None:
    """Write rows as CSV, JSON lines or Parquet, by the ending of the path, whole or not at all."""
    check_table(path)
    disk.write_bytes(path, _WRITERS[path.suffix.lower()](rows))


def write_embeddings(rows: Sequence[Row], path: Path) -> None:
    """Write embeddings in the order of the rows, whole or not at all, by the ending of the path.

    As .npy an array N x D of float32, whose row is NaN for an image that could not be decoded; as .parquet path, label,
    probability, embedding and error, of which all but the last are empty for such an image.
    """
    width = next((len(row.embedding) for row in rows if row.embedding is not None), None)
    if width is None:
        raise DataError(f"none of the {len(rows):,} images can be decoded, so there is nothing to write to {path}.")
    missing_D = np.full(width, np.nan, np.float32)
    embeddings_ND = np.stack([missing_D if row.embedding is None else row.embedding for row in rows])
    if path.suffix.lower() == ".npy":
        content = io.BytesIO()
        np.save(content, embeddings_ND)
        disk.write_bytes(path, content.getvalue())
        return
    pyarrow, flat = _pyarrow(), list(_flat(rows))
    names = [name for name in ("path", "label", "labels", "probability", "error") if name in flat[0]]
    columns: dict[str, Any] = {name: [row[name] for row in flat] for name in names}
    absent_N = pyarrow.array([row.embedding is None for row in rows])
    embeddings = pyarrow.FixedSizeListArray.from_arrays(embeddings_ND.ravel(), width, mask=absent_N)
    error = columns.pop("error")
    table = pyarrow.table({**columns, "embedding": embeddings, "error": pyarrow.array(error, pyarrow.string())})
    disk.write_bytes(path, _parquet_bytes(table))
