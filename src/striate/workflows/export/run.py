"""`striate export RUN`: the classifier of a run as one ONNX file, proved on held-out images before it is written."""

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from striate._version import __version__
from striate.base import files, run_folder
from striate.base.arguments import named_arguments
from striate.base.errors import SettingError
from striate.base.events import Json, Watch, quiet
from striate.base.hash_rng import permute
from striate.base.onnx_file import FORMAT, KEY, check, seal
from striate.base.option_names import option
from striate.base.signals import catch_signals
from striate.data import decode, saved_input_spec, sources
from striate.data.on_the_fly import in_chunks
from striate.model import Model
from striate.onnx_model import OnnxModel
from striate.workflows import trained_on
from striate.workflows.checks import check_export, is_external
from striate.workflows.dataset import Dataset
from striate.workflows.engines import EXPORTED, export_folder
from striate.workflows.export import graph, litert_file, lower_precision, proof, resize_in_graph, torch_file, web_folder
from striate.workflows.export.lower_precision import calibration_rows
from striate.workflows.export.onnxruntime_web import read as onnxruntime_web_files
from striate.workflows.export.quantize import IMAGES
from striate.workflows.load_model import load_network
from striate.workflows.open_run import images_of, open_run, rows_of

log = logging.getLogger("striate")
RUNNER = "predict.py"
_BESIDE = {
    "int8": "model-int8.onnx", "fp16": "model-fp16.onnx", "any_size": "model-any-size.onnx", "pt2": "model.pt2",
    "litert": "model.tflite", "web": "web",
}  # fmt: skip
_MOST_IMAGES = 2000  # that a file is proved on
_CHUNK = 256


class _Wanted(NamedTuple):
    """Which files are written beside the first."""

    int8: bool
    fp16: bool
    any_size: bool
    pt2: bool
    litert: bool


@named_arguments()
@sources.listed_once
def export(
    run: str | Path, out: str | Path | None = None, data: str | Path | None = None, watch: Watch = quiet, *,
    int8: bool = False, fp16: bool = False, any_size: bool = False, web: bool = False,
    onnxruntime_web: str | Path | None = None, pt2: bool = False, litert: bool = False,
) -> Json:  # fmt: skip
    """Write the classifier as ONNX: uint8 pixels in, calibrated probabilities out, with all that its use needs in the file.

    Before anything is written the file is run by onnxruntime on held-out images and compared with the original.

    Args:
        run: a run by name or folder, a model's folder, or `NET@WEIGHTS`.
        out: the folder to write to; else `striate-export-RUN`.
        data: images to prove it on, which the model was not trained with; None for the validation images of the run.
        watch: called with progress.
        int8: write model-int8.onnx too, of a quarter of the size: the network in 8-bit integers, their ranges measured on up
            to 256 training images, or on half of `data`.
        fp16: write model-fp16.onnx too, of half the size: the network in half precision.
        any_size: write model-any-size.onnx too, for other programs: one RGB image of any size in, resized and cut inside to the
            pixels that striate makes of it, which up to 64 of the held-out images prove.
        web: write a folder `web` too, for any static host: a page that answers in the browser and asks for nothing elsewhere.
        onnxruntime_web: the archive of the npm package that the page runs on; else that of the cache, or it is downloaded.
        pt2: write model.pt2 too, of torch.export, for programs that have torch: the same inputs and outputs.
        litert: write model.tflite too, for phones and boards with LiteRT: the same outputs, of one image at a time.

    Returns:
        run, net, onnx (the path), bytes, runner (the path of a script that predicts with it), agreement {n, top1,
        max_abs_logit, largest_logit, near_ties, unknown}, images_from; int8 and fp16 where they were asked for: {onnx, bytes,
        agreement, accuracy_change {value, low, high, n}}, int8 also calibration_images; any_size, where it was
        asked for: {onnx, bytes, n, max_abs_logit}; pt2 and litert: {path, bytes, agreement}; web: the folder.

    Raises:
        UnsupportedError: the network has no form in ONNX, or none in what else was asked for.
        MissingExtraError: the packages of what was asked for are not installed.
        NumbersError: the file answers otherwise than the original, or less precision costs more than 2 percent of accuracy;
            nothing is written.
        WeightsError: onnxruntime-web cannot be had, or is another.

    """
    if onnxruntime_web is not None and not web:
        raise SettingError(
            f"{option('onnxruntime_web', onnxruntime_web)} is for the page; add {option('web', True)}, or leave it out."
        )
    wanted = _Wanted(int8, fp16, any_size, pt2, litert)
    folder = export_folder(run) if out is None else Path(out)
    check_export(run, folder, data, litert)
    archive = None if onnxruntime_web is None else Path(onnxruntime_web)
    runtime = onnxruntime_web_files(archive, watch) if web else {}
    result = _written(run, folder, data, watch, wanted)
    if web:
        content = (folder / EXPORTED).read_bytes()
        for name, each in web_folder.contents(content, check(content, folder / EXPORTED), runtime).items():
            files.write_bytes(folder / "web" / name, each)
        result["web"] = str(folder / "web")
    warn_of_others(folder, result)
    return result


def warn_of_others(folder: Path, result: Json) -> None:
    """Name what an earlier export left in the folder and this one did not write again: it may be of another model."""
    if others := [name for form, name in _BESIDE.items() if form not in result and (folder / name).exists()]:
        log.warning(
            "%s has files of an earlier export, which were not written again: %s. Delete them, or ask for them again.",
            folder, ", ".join(others),
        )  # fmt: skip


def _written(run: str | Path, folder: Path, data: str | Path | None, watch: Watch, wanted: _Wanted) -> Json:
    """What `export` returns, after the files are written."""
    model = load_network(run, watch=watch)
    settings, part = images_of(run, data)
    if settings is None:
        raise SettingError(
            f"an export is proved on held-out images, and of the training of {run} nothing is known here. "
            "Give labeled images that it was not trained with by --data."
        )
    with catch_signals() as stop, open_run(settings, model, stop, watch) as opened:
        calibration_M, held_M = divided(opened.dataset, part, wanted.int8)
        images = proof.reference(model, pixels_of(opened.dataset, held_M), opened.dataset.examples.labels_N[held_M])
        calibration_NHWC = pixels_of(opened.dataset, calibration_M)
        originals = resize_in_graph.originals(opened.dataset.examples, held_M, model.input_spec) if wanted.any_size else []
    watch({"event": "export", "net": model.net_name})
    proto = graph.trace(model).proto
    content = described(proto, about(run, model, "fp32"))
    with as_model(content) as exported:
        agreement = proof.prove(model, exported, images)
    contents = {EXPORTED: content, RUNNER: Path(__file__).with_name(f"{RUNNER}.template").read_bytes()}
    lower = dict[str, Json]()
    for precision in ("int8",) * wanted.int8 + ("fp16",) * wanted.fp16:
        watch({"event": "export", "net": model.net_name, "precision": precision})
        other = lower_precision.int8(proto, calibration_NHWC, model) if precision == "int8" else lower_precision.fp16(model)
        content = described(other, about(run, model, precision))
        with as_model(content) as exported:
            change = lower_precision.change(model, exported, images, precision)
        path = folder / f"model-{precision}.onnx"
        contents[path.name] = content
        lower[precision] = {"onnx": str(path), "bytes": len(content), **change.as_json()}
    if wanted.int8:
        lower["int8"]["calibration_images"] = len(calibration_NHWC)
    if wanted.any_size:
        watch({"event": "export", "net": model.net_name, "precision": "any size"})
        content = described(resize_in_graph.trace(model), {**about(run, model, "fp32"), "image_size": "any"})
        path = folder / "model-any-size.onnx"
        contents[path.name] = content
        proved = resize_in_graph.prove(model, content, originals, images)
        lower["any_size"] = {"onnx": str(path), "bytes": len(content), **proved}
    for form, ending in (("pt2", "pt2"),) * wanted.pt2 + (("litert", "tflite"),) * wanted.litert:
        watch({"event": "export", "net": model.net_name, "precision": form})
        file = torch_file if form == "pt2" else litert_file
        path, content = folder / f"model.{ending}", file.written(model, about(run, model, "fp32"))
        contents[path.name] = content
        proved = proof.prove(model, file.loaded(content), images).as_json()
        lower[form] = {"path": str(path), "bytes": len(content), "agreement": proved}
    for name, each in contents.items():
        files.write_bytes(folder / name, each)
    return {
        "run": str(run), "net": model.net_name, "onnx": str(folder / EXPORTED), "bytes": len(contents[EXPORTED]),
        "runner": str(folder / RUNNER),
        "agreement": agreement.as_json(), "images_from": f"{part} images of {settings.data.path}", **lower,
    }  # fmt: skip


def divided(dataset: Dataset, part: str, calibrate: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows that calibrate an int8 file, and up to 2,000 others that prove a file, drawn by their order of ids.

    A run is calibrated on images of its training; of other images at most half calibrate, since none may do both.
    """
    rows_M = dataset.by_id(rows_of(dataset, part))
    source_M, most = dataset.by_id(dataset.parts.train_M), IMAGES
    if part != "validation":
        source_M, most = rows_M, min(IMAGES, len(rows_M) // 2)
    calibration_M = calibration_rows(dataset.examples.labels_N, source_M, most if calibrate else 0)
    rows_M = rows_M[~np.isin(rows_M, calibration_M)]
    if len(rows_M) > _MOST_IMAGES:
        rows_M = np.sort(rows_M[permute(np.arange(len(rows_M)), len(rows_M), "export")[:_MOST_IMAGES]])
    return calibration_M, rows_M


def pixels_of(dataset: Dataset, rows_M: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The pixels of these rows, as the network's preprocessing gets them."""
    pixels_NHWC = dataset.stored.pixels_NHWC
    return np.concatenate([np.empty((0, *pixels_NHWC.shape[1:]), np.uint8), *in_chunks(pixels_NHWC, rows_M, _CHUNK)])


def about(run: str | Path, model: Model, precision: str) -> dict[str, Any]:
    """What a file says of itself."""
    unknown = None if model.unknown_inputs is None or model.label_thresholds is not None else model.unknown_inputs.as_json()
    home = trained_on.home(run, model)
    environment = None if home is None else run_folder.read_json(home / "environment.json")
    weights = None if is_external(run) else files.sha256(run_folder.model_folder(run) / "weights.safetensors")
    return {
        "format": FORMAT, "striate": __version__, "net": model.net_name, "precision": precision,
        "classes": list(model.classes), "aliases": dict(model.aliases),
        "input_spec": saved_input_spec.as_json(model.input_spec), "decoder_version": decode.DECODER_VERSION,
        "confidence": asdict(model.confidence), "temperature": model.confidence.temperature,
        "threshold": model.confidence.threshold, "unknown": unknown,
        "label_thresholds": None if model.label_thresholds is None else list(model.label_thresholds),
        "license": model.license, "data_sha256": None if environment is None else environment["data_sha256"],
        "weights_sha256": weights, "training": dict(model.training),
    }  # fmt: skip


def described(proto: Any, facts: dict[str, Any]) -> bytes:
    """A graph of the library's type with what it says of itself, as the bytes of a file."""
    proto.producer_name, proto.producer_version = "striate", __version__
    del proto.metadata_props[:]
    entry = proto.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(facts, allow_nan=False)
    return seal(proto.SerializeToString())


@contextmanager
def as_model(content: bytes) -> Iterator[OnnxModel]:
    """A file as its reader sees it, before it is where the user wants it."""
    with tempfile.TemporaryDirectory(prefix="striate-export-") as folder:
        path = Path(folder) / EXPORTED
        path.write_bytes(content)
        yield OnnxModel.load(path)
