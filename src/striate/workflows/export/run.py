"""`striate export RUN`: the classifier of a run as one ONNX file, proved on held-out images before it is written."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate._version import __version__
from striate.base import files, run_folder
from striate.base.arguments import named_arguments
from striate.base.errors import SettingError
from striate.base.events import Json, Watch, quiet
from striate.base.hash_rng import permute
from striate.base.onnx_file import FORMAT, KEY, seal
from striate.base.signals import catch_signals
from striate.data import decode, saved_input_spec, sources
from striate.data.on_the_fly import in_chunks
from striate.model import Model
from striate.onnx_model import OnnxModel
from striate.workflows import trained_on
from striate.workflows.checks import check_export, is_external
from striate.workflows.dataset import Dataset
from striate.workflows.engines import EXPORTED, export_folder
from striate.workflows.export import graph, proof
from striate.workflows.export.proof import Reference
from striate.workflows.load_model import load_network
from striate.workflows.open_run import images_of, open_run, rows_of

RUNNER = "predict.py"
_MOST_IMAGES = 2000  # that a file is proved on
_CHUNK = 256


@named_arguments()
@sources.listed_once()
def export(run: str | Path, out: str | Path | None = None, data: str | Path | None = None, watch: Watch = quiet) -> Json:
    """Write the classifier as ONNX: uint8 pixels in, calibrated probabilities out, with all that its use needs in the file.

    Before anything is written the file is run by onnxruntime on held-out images and compared with the original.

    Args:
        run: a run by name or folder, a model's folder, or `NET@WEIGHTS`.
        out: the folder to write to; else `striate-export-RUN`.
        data: images to prove it on, which the model was not trained with; None for the validation images of the run.
        watch: called with progress.

    Returns:
        run, net, onnx (the path), bytes, runner (the path of a script that predicts with it), agreement {n, top1,
        max_abs_logit, largest_logit, near_ties, unknown}, images_from.

    Raises:
        UnsupportedError: the network has no form in ONNX.
        NumbersError: the file answers otherwise than the original; nothing is written.

    """
    folder = export_folder(run) if out is None else Path(out)
    check_export(run, folder, data)
    model = load_network(run)
    settings, part = images_of(run, data)
    if settings is None:
        raise SettingError(
            f"an export is proved on held-out images, and of the training of {run} nothing is known here. "
            "Give labeled images that it was not trained with by --data."
        )
    with catch_signals() as stop, open_run(settings, model, stop, watch) as opened:
        images = held_out(model, opened.dataset, part)
    watch({"event": "export", "net": model.net_name})
    proto = graph.trace(model).proto
    content = described(proto, about(run, model, "fp32"))
    with as_model(content) as exported:
        agreement = proof.prove(model, exported, images)
    files.write_bytes(folder / EXPORTED, content)
    files.write_bytes(folder / RUNNER, Path(__file__).with_name(f"{RUNNER}.template").read_bytes())
    return {
        "run": str(run), "net": model.net_name, "onnx": str(folder / EXPORTED), "bytes": len(content),
        "runner": str(folder / RUNNER),
        "agreement": agreement.as_json(), "images_from": f"{part} images of {settings.data.path}",
    }  # fmt: skip


def held_out(model: Model, dataset: Dataset, part: str) -> Reference:
    """Up to 2,000 images of a part, drawn by their order of ids, with the answers of the original."""
    rows_M = dataset.by_id(rows_of(dataset, part))
    if len(rows_M) > _MOST_IMAGES:
        rows_M = np.sort(rows_M[permute(np.arange(len(rows_M)), len(rows_M), "export")[:_MOST_IMAGES]])
    return proof.reference(model, pixels_of(dataset, rows_M), dataset.examples.labels_N[rows_M])


def pixels_of(dataset: Dataset, rows_M: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The pixels of these rows, as the network's preprocessing gets them."""
    return np.concatenate([*in_chunks(dataset.stored.pixels_NHWC, rows_M, _CHUNK)])


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
