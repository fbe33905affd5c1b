"""`striate predict`: predictions for files, folders, globs and tables.

A file that cannot be decoded is a row with its error, never a gap. Torch is imported for a model of torch alone.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast, overload

import numpy as np

from striate.base.arguments import named_arguments
from striate.base.errors import DecodeError, SettingError
from striate.base.events import Watch, progress, quiet
from striate.base.option_names import option
from striate.data import decoded_pixels, image_inputs
from striate.data.decode import Decoded, InputSpec
from striate.data.decoder_pool import DecoderPool
from striate.data.image_facts import Pixels
from striate.data.image_inputs import ImageInput
from striate.onnx_model import OnnxModel, is_onnx
from striate.workflows import cluster
from striate.workflows.engines import of_engine
from striate.workflows.prediction_checks import check_prediction
from striate.workflows.prediction_options import PredictionOptions
from striate.workflows.prediction_rows import Row
from striate.workflows.prediction_tables import Columns, columns_of, write, write_embeddings
from striate.workflows.ray_predictions import PIECE, Piece, answered, check_can_cross

if TYPE_CHECKING:
    from striate.model import Model

log = logging.getLogger("striate")

_BATCH = 64


@overload
def predict(
    run: str | Path, images: list[Any] | tuple[Any, ...], device: str = "cpu", out: str | Path | None = None, *,
    embed: str | Path | None = None, crops: int = 1, threshold: float | None = None, probabilities: bool = False,
    engine: str | None = None, ray_address: str | None = None, precision: str = "fp32", watch: Watch = quiet,
) -> list[Row]: ...  # fmt: skip
@overload
def predict(
    run: str | Path, images: Any, device: str = "cpu", out: str | Path | None = None, *, embed: str | Path | None = None,
    crops: int = 1, threshold: float | None = None, probabilities: bool = False, engine: str | None = None,
    ray_address: str | None = None, precision: str = "fp32", watch: Watch = quiet,
) -> Any: ...  # fmt: skip
@named_arguments()
def predict(
    run: str | Path, images: Any, device: str = "cpu", out: str | Path | None = None, *, embed: str | Path | None = None,
    crops: int = 1, threshold: float | None = None, probabilities: bool = False, engine: str | None = None,
    ray_address: str | None = None, precision: str = "fp32", watch: Watch = quiet,
) -> Row | list[Row]:  # fmt: skip
    """One row for an image; for several a list of rows, in order. One that cannot be decoded has a row with its error.

    Args:
        run: a run by name or folder, a model's folder, `NET@WEIGHTS`, or an ONNX file of `striate export`.
        images: files, folders (searched through) and globs; CSV and Parquet tables, each row an image; shards; `hf:NAME`; in
            Python also images in memory, as `Model.predict` takes them.
        device: to compute on; `auto` for the best there is.
        out: a file that the rows are written to as well, whole or not at all: .csv, .jsonl or .parquet.
        embed: a file for what the head of the network is given for each image, .npy or .parquet; in the order of the rows.
        crops: of each image, whose probabilities are averaged: 5 crops, or 10 with their mirror images.
        threshold: least probability of an answer, below which the model abstains, in place of the model's own.
        probabilities: give the probability of every class, in a table as columns `probability_CLASS`.
        engine: `torch`, or `onnx` for the file that `striate export RUN` wrote in the current folder; else what `run` is. `ray`
            for the workers of a Ray cluster, by default one on this machine.
        ray_address: of the Ray cluster whose workers predict: HOST:PORT, `auto` for the one that this machine belongs to, or
            `local` to start one here; else $RAY_ADDRESS, else `local`.
        precision: of convolutions and matrix products: fp32, or bf16, which is faster on a CPU with instructions for it and
            changes a prediction now and then; `evaluate` with and without it says what that costs.
        watch: called with progress.

    """
    options = PredictionOptions(out, embed, crops, threshold, probabilities, engine, ray_address, precision)
    predictions = stream(run, images, device, options, watch)
    table = list(predictions.rows)
    if out is not None:
        write(table, predictions.columns, Path(out))
    if embed is not None:
        write_embeddings(table, predictions.columns, Path(embed))
    return table[0] if predictions.single else table


class Predictions(NamedTuple):
    """What `predict` gives, while it is computed."""

    single: bool  # one image was given, and no list
    columns: Columns  # of a table of the rows
    rows: Iterator[Row]  # each when its batch has been computed


def stream(run: str | Path, images: Any, device: str, options: PredictionOptions, watch: Watch = quiet) -> Predictions:
    """The rows of `predict`, one by one."""
    check_prediction(run, options)
    given = image_inputs.read(images)
    model = model_for(run, "cpu" if options.over_ray else device, options, watch)
    if options.over_ray:
        check_can_cross(images)
        predicted = _by_workers(run, images, model, device, options)
    else:
        predicted = rows(model, given.images, options)
    reported = _reported(predicted, given.total, progress(watch, "predict"))
    return Predictions(given.single, columns_for(model, options), reported)


def _by_workers(
    run: str | Path, images: Any, model: "Model | OnnxModel", device: str, options: PredictionOptions
) -> Iterator[Row]:  # fmt: skip
    with cluster.connected(options.ray_address) as connection:
        pieces = partial(_pieces, images)
        for answer in answered(connection, run, model, device, options, pieces):
            yield from answer.rows


def _pieces(images: Any) -> Iterator[Piece]:
    given = image_inputs.read(images)
    while batch := list(islice(given.images, PIECE)):
        yield Piece(batch)


def columns_for(model: "Model | OnnxModel", options: PredictionOptions) -> Columns:
    """The columns of a table of this model's rows."""
    several = model.label_thresholds is not None
    return columns_of(model.classes, several_labels=several, probabilities=options.probabilities)


def model_for(run: str | Path, device: str, options: PredictionOptions, watch: Watch = quiet, threads: int = 0) -> Any:
    """The model that answers, with the threshold of the options; `threads` are those of onnxruntime, 0 for one a core."""
    computed = of_engine(run, options.computed_by)
    if is_onnx(computed):
        model: Any = _onnx_model(Path(computed), device, threads)
    else:
        model = _torch_model(run, device, options, watch)
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
    return model


def _onnx_model(path: Path, device: str, threads: int) -> OnnxModel:
    if device not in ("auto", "cpu"):
        from striate.base.config import Engine

        Engine(device=device)  # refuses what is no device at all
        raise SettingError(f"{option('device', device)} does not apply to {path}: an ONNX file is run on the processor.")
    return OnnxModel.load(path, threads)


def _torch_model(run: str | Path, device: str, options: PredictionOptions, watch: Watch) -> "Model":
    from striate.base.config import Engine
    from striate.training.device import pick
    from striate.workflows.load_model import load_network, notes_on_precision

    model = load_network(run, str(pick(Engine(device=device)).device), watch=watch, precision=options.precision)
    for note in notes_on_precision(model, here=not options.over_ray):
        log.warning("%s", note)
    return model


def rows(
    model: "Model | OnnxModel", images: Iterable[ImageInput], options: PredictionOptions, decoders: DecoderPool | None = None
) -> Iterator[Row]:
    """One row for each image, in order, by batches of 64; of 5 or 10 crops the probabilities are averaged.

    Files are decoded by `decoders`, else by child processes that end with the rows.
    """
    stream = decoded_pixels.stream if decoders is None else decoders.stream
    decoded = _decoded(images, model.input_spec_for(options.crops), stream)
    while batch := list(islice(decoded, _BATCH)):
        pixels = [answer for _, answer in batch if isinstance(answer, np.ndarray)]
        results = iter(_results(model, np.stack(pixels), options) if pixels else ())
        for name, answer in batch:
            yield answer._replace(path=name) if isinstance(answer, Row) else next(results)._replace(path=name)


def _reported(predictions: Iterator[Row], count: int | None, report: Callable[[int, int | None], None]) -> Iterator[Row]:
    for done, row in enumerate(predictions, start=1):
        report(done, count)
        yield row


def _results(model: "Model | OnnxModel", pixels_NHWC: Pixels, options: PredictionOptions) -> Iterator[Row]:
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


def _decoded(
    images: Iterable[ImageInput], input_spec: InputSpec, stream: Callable[[Iterable[Path], InputSpec], Iterator[Decoded]]
) -> Iterator[tuple[str, Pixels | Row]]:
    """The name of each image with its pixels, or the row of one that has none; files are decoded in child processes."""
    for are_files, group in groupby(images, lambda image: isinstance(image.source, Path)):
        if not are_files:
            yield from ((image.name, _pixels_or_row(image, input_spec)) for image in group)
            continue
        names = deque[str]()
        for answer in stream(_paths(group, names), input_spec):
            refused = Row("", None, answer.reason or "", outage=answer.outage)
            yield names.popleft(), refused if answer.pixels_HWC is None else answer.pixels_HWC


def _paths(images: Iterable[ImageInput], names: deque[str]) -> Iterator[Path]:
    """The files of images, whose names are kept until their pixels come; `tee` would not do, since other threads draw."""
    for image in images:
        names.append(image.name)
        yield cast(Path, image.source)


def _pixels_or_row(image: ImageInput, input_spec: InputSpec) -> Pixels | Row:
    try:
        return image.decode(input_spec)
    except DecodeError as error:
        return Row("", None, str(error))
