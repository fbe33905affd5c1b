"""`striate predict --parts`: predictions for any number of images, as a folder of tables that are each written whole.

Beside the tables a folder `_striate` says what each was made of; libraries that read a folder of tables leave out names that
begin with an underscore. A table whose images, by name, size and time of change, and whose own bytes are as they were is not
computed again, so a command that was stopped is given again, and one that is given twice changes nothing.

Legend: D features.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from striate.base import files
from striate.base.arguments import named_arguments
from striate.base.errors import DataError, SettingError
from striate.base.events import Json, Watch, progress, quiet
from striate.base.option_names import option
from striate.base.phrases import plural
from striate.data import decode, image_inputs, shard_paths
from striate.data.image_inputs import ImageInput
from striate.onnx_model import OnnxModel
from striate.workflows import cluster
from striate.workflows.model_identity import model_sha256
from striate.workflows.predict import columns_for, model_for, rows
from striate.workflows.prediction_checks import check_parts
from striate.workflows.prediction_options import Parts, PredictionOptions
from striate.workflows.prediction_rows import Row
from striate.workflows.prediction_tables import as_bytes, embeddings_as_bytes
from striate.workflows.ray_predictions import PIECE, Piece, answered, check_can_cross

if TYPE_CHECKING:
    from striate.model import Model

log = logging.getLogger("striate")

FORMAT = 1
_NOTES, _PLAN = "_striate", "plan.json"


class _Part(NamedTuple):
    """What is known of a table that was written."""

    images_sha256: str
    rows: int
    errors: int
    tables_sha256: list[str]  # of the file of rows, and of that of embeddings where there is one


class _Folders(NamedTuple):
    """Where the tables lie."""

    folders: list[Path]  # of the rows, and of the embeddings where they are written

    def tables(self, number: int) -> list[Path]:
        """The files of a part."""
        return [folder / f"part-{number:05d}{folder.suffix.lower()}" for folder in self.folders]

    def note(self, number: int) -> Path:
        """The file with the facts of a part, which is written last."""
        return self.folders[0] / _NOTES / f"part-{number:05d}.json"


class _Job(NamedTuple):
    """What every table of a folder is made with."""

    model: "Model | OnnxModel"
    options: PredictionOptions
    places: _Folders
    width: int | None  # D, where embeddings are written


class _Listed(NamedTuple):
    """What is known of a part, or of a piece of it, once its images are listed."""

    number: int
    images: int  # of the whole part
    before: _Part | None = None  # its facts, where its images and tables are as they were
    images_sha256: str | None = None  # where it is to be computed
    last: bool = True  # whether its rows end with this piece


@dataclass
class _Counts:
    """What the result of the command counts."""

    images: int = 0  # that were listed
    rows: int = 0  # in the tables of this shard
    errors: int = 0
    computed: int = 0
    tables: int = 0


@named_arguments()
def predict_parts(
    run: str | Path, images: Any, out: str | Path, parts: int = 10_000, *, shard: str | None = None, device: str = "cpu",
    embed: str | Path | None = None, crops: int = 1, threshold: float | None = None, probabilities: bool = False,
    engine: str | None = None, ray_address: str | None = None, precision: str = "fp32", watch: Watch = quiet,
) -> Json:  # fmt: skip
    """Predictions for any number of images, each a row of one of the tables `part-00000.csv`, ... in a folder.

    Called again after it was stopped, with the same arguments, it computes what is missing; images that were changed are
    predicted again with those of their table.

    Args:
        run: as of `predict`.
        images: as of `predict`.
        out: the folder of tables, whose ending says their format: .csv, .jsonl or .parquet.
        parts: rows of a table.
        shard: `I/N`: the tables I, I + N, I + 2N, ... alone, so that N machines can share the work; I is from 1 to N.
        device: as of `predict`.
        embed: a folder for the embeddings, whose ending is .npy or .parquet.
        crops: as of `predict`.
        threshold: as of `predict`.
        probabilities: as of `predict`.
        engine: as of `predict`; a folder that one engine began another may complete, but `onnx`.
        ray_address: as of `predict`.
        precision: as of `predict`.
        watch: called with progress.

    Returns:
        out, images (all that were listed), rows and errors (in the tables of this shard), computed (rows that were predicted
        now), tables, complete (whether the tables of all shards are there).

    Raises:
        SettingError: the folder holds tables of another model or of other options.

    """
    options = PredictionOptions(out, embed, crops, threshold, probabilities, engine, ray_address, precision)
    split = Parts(parts, shard)
    check_parts(run, options, split)
    given = image_inputs.read(images)
    if options.over_ray:
        check_can_cross(images)
    model = model_for(run, "cpu" if options.over_ray else device, options, watch)
    places = _Folders([Path(out)] if embed is None else [Path(out), Path(embed)])
    job = _Job(model, options, places, None if embed is None else _width(model))
    _plan(job, run, parts)
    predicted = _predicted(job, run, images if options.over_ray else given.images, device, split)
    counts = _written(job, predicted, given.total, progress(watch, "predict"))
    if not counts.tables:
        raise DataError("expected at least one image; got none.")
    _delete_from(places, counts.tables)
    return {
        "out": str(out), "images": counts.images, "rows": counts.rows, "errors": counts.errors, "computed": counts.computed,
        "tables": counts.tables, "complete": all(places.note(each).is_file() for each in range(counts.tables)),
    }  # fmt: skip


def _written(job: _Job, predicted: Iterable[tuple[_Listed, Iterable[Row]]], total: int | None, report: Any) -> _Counts:
    """Write each part when its last row is there."""
    counts, table = _Counts(), list[Row]()
    for listed, predictions in predicted:
        for row in predictions:
            table.append(row)
            report(counts.images + len(table), total)
        if not listed.last:
            continue
        facts = listed.before
        if listed.images_sha256 is not None:
            facts, table = _write(job, listed.number, listed.images_sha256, table), []
            counts.computed += facts.rows
        if facts is not None:
            counts.rows += facts.rows
            counts.errors += facts.errors
        counts.images += listed.images
        counts.tables += 1
        report(counts.images, total)
    return counts


def _predicted(
    job: _Job, run: str | Path, images: Any, device: str, split: Parts
) -> Iterator[tuple[_Listed, Iterable[Row]]]:  # fmt: skip
    """All parts in order, of those that are to be computed the rows, whole or in pieces."""
    if not job.options.over_ray:
        for batch, listed in _pieces(images, split, job.places, split.rows):
            yield listed, rows(job.model, batch, job.options) if batch else ()
        return
    with cluster.connected(job.options.ray_address) as connection:
        pieces = partial(_pieces_of_images, images, split, job.places)
        for answer in answered(connection, run, job.model, device, job.options, pieces):
            yield answer.note, answer.rows


def _pieces_of_images(images: Any, split: Parts, places: _Folders) -> Iterator[Piece]:
    """In another process: what a worker of Ray takes at once."""
    return _pieces(image_inputs.read(images).images, split, places, PIECE)


def _pieces(images: Iterator[ImageInput], split: Parts, places: _Folders, most: int) -> Iterator[Piece]:
    """All images, part by part, in pieces of at most so many; of parts that are not to be computed none."""
    first, step = split.turns()
    for number in count():
        if not (batch := list(islice(images, split.rows))):
            return
        due = number % step == first
        before = _as_before(places, number, batch) if due else None
        if not due or before is not None:
            yield Piece([], _Listed(number, len(batch), before))
            continue
        images_sha256 = _images_sha256(batch)  # before they are read: what changes meanwhile is another image the next time
        for start in range(0, len(batch), most):
            last = start + most >= len(batch)
            yield Piece(batch[start : start + most], _Listed(number, len(batch), None, images_sha256, last))


def _write(job: _Job, number: int, images_sha256: str, table: Sequence[Row]) -> _Part:
    places, columns = job.places, columns_for(job.model, job.options)
    contents = [as_bytes(table, columns, places.folders[0].suffix)]
    if job.width is not None:
        contents.append(embeddings_as_bytes(table, columns, job.width, places.folders[1].suffix))
    places.note(number).unlink(missing_ok=True)
    for path, content in zip(places.tables(number), contents, strict=True):
        for left in path.parent.glob(f".{path.name}.*.tmp"):  # by a process that was killed
            left.unlink(missing_ok=True)
        files.write_bytes(path, content)
    errors = sum(row.error is not None for row in table)
    if outages := sum(row.outage for row in table):
        log.warning(
            "%s of part %d could not be decoded, for which the files may not be the reason; given again, the command computes "
            "that part anew.", plural(outages, "image"), number,
        )  # fmt: skip
        images_sha256 = ""
    part = _Part(images_sha256, len(table), errors, [hashlib.sha256(content).hexdigest() for content in contents])
    files.write_text(places.note(number), json.dumps(part._asdict()))
    return part


def _as_before(places: _Folders, number: int, batch: Sequence[ImageInput]) -> _Part | None:
    """The facts of a part whose images and tables are as they were; None where it is to be computed."""
    try:
        part = _Part(**json.loads(places.note(number).read_text("utf-8")))
        if part.tables_sha256 != [files.sha256(path) for path in places.tables(number)]:
            return None
    except (OSError, ValueError, TypeError):
        return None
    return part if part.images_sha256 == _images_sha256(batch) else None


def _images_sha256(batch: Sequence[ImageInput]) -> str:
    """Of the names of images and of what says that they are the same ones: of a file size and time, of others the content."""
    digest = hashlib.sha256()
    for name, source, reason in batch:
        digest.update(os.fsencode(name) + b"\0")
        if isinstance(source, Path):
            digest.update(_state(source))
        elif isinstance(source, np.ndarray):
            digest.update(repr((source.shape, source.dtype.str)).encode() + source.tobytes())
        else:
            digest.update(b"-" + reason.encode() if source is None else b"+" + hashlib.sha256(source).digest())
    return digest.hexdigest()


def _state(path: Path) -> bytes:
    if (content := shard_paths.content_of(path)) is not None:
        return f"content {content}\0".encode()
    try:
        status = (shard_paths.file_of(path) or path).stat()
    except OSError:
        return b"none\0"
    return f"{status.st_size} {status.st_mtime_ns}\0".encode()


def _width(model: "Model | OnnxModel") -> int:
    spec = model.input_spec
    return int(model.embed(np.zeros((spec.size_px, spec.size_px, spec.channels), np.uint8)).size)


def _plan(job: _Job, run: str | Path, parts: int) -> None:
    """Write what the folder's tables are made with, or compare it with what is there."""
    options, folder = job.options, job.places.folders[0]
    plan = {
        "format": FORMAT, "engine": "onnx" if isinstance(job.model, OnnxModel) else "torch",
        "model": model_sha256(run, job.model), "parts": parts, "embed": job.width is not None,
        "crops": options.crops, "threshold": options.threshold, "probabilities": options.probabilities,
        "decoder_version": decode.DECODER_VERSION, "precision": job.model.precision,
    }  # fmt: skip
    path = folder / _NOTES / _PLAN
    if not path.is_file():
        if any(folder.glob("part-*")):
            raise SettingError(
                f"expected a new folder, or one that `striate predict --parts` wrote; {folder} holds other tables. "
                "Give another one."
            )
        files.write_text(path, json.dumps(plan, indent=1))
        return
    with files.explained(path, "read"):
        before = json.loads(path.read_text("utf-8"))
    before.setdefault("precision", plan["precision"] if isinstance(job.model, OnnxModel) else "fp32")  # it was not noted once
    if (
        before.setdefault("engine", plan["engine"]) != plan["engine"]
    ):  # its file is another by that alone, which two hashes do not say
        before["model"] = plan["model"]
    shown = {key: option(key) if key in ("parts", "embed", *options._fields) else key for key in plan}
    if others := [
        f"{shown[key]} {before.get(key)!r}, now {value!r}" for key, value in plan.items() if before.get(key) != value
    ]:
        raise SettingError(
            f"the tables in {folder} were made with other options: {'; '.join(others)}. Give another folder, or "
            "delete this one."
        )


def _delete_from(places: _Folders, number: int) -> None:
    """Delete the tables beyond the last one: there were more images before."""
    while places.note(number).is_file():
        for path in (places.note(number), *places.tables(number)):
            path.unlink(missing_ok=True)
        number += 1
