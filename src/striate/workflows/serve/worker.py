"""What the inference process runs: it holds one model, and answers for a batch of pixels.

The process is a `base.child_process.Child`: frames over pipes, nothing unpickled. A call without pixels loads the model and
describes it. The module itself imports no torch, so that a model that needs none is served without it.

Legend: N images, H x W pixels, C channels, D features.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from striate.base import worker_pool
from striate.base.errors import StriateError
from striate.data.image_facts import Pixels
from striate.onnx_model import OnnxModel, is_onnx
from striate.workflows.model_identity import model_sha256
from striate.workflows.prediction_rows import Row


class Batch(NamedTuple):
    """What a model makes of N images."""

    rows: list[dict[str, Any]]  # as `striate predict --json` has them, without the path
    embeddings_ND: NDArray[np.float32]


class Served(Protocol):
    """A model in the inference process."""

    @property
    def description(self) -> Mapping[str, Any]:
        """What /v1/model tells, and the input spec."""

    def batch(self, pixels_NHWC: Pixels) -> Batch:
        """Rows and embeddings of images of the model's input spec."""


def infer(argument: Any, content: bytes = b"") -> tuple[object, bytes]:
    """Load and describe a model where there are no pixels; else answer for them, N x H x W x C.

    An error that the user can mend comes back as {"error": its sentence}.
    """
    try:
        served = _served(argument["run"], argument["device"], argument["precision"])
        if not content:
            return served.description, b""
        rows, embeddings_ND = served.batch(np.frombuffer(content, np.uint8).reshape(argument["shape"]))
    except StriateError as error:
        return {"error": str(error)}, b""
    return {"sha256": served.description["sha256"], "rows": rows}, np.ascontiguousarray(embeddings_ND, np.float32).tobytes()


@lru_cache(1)
def _served(run: str, device: str, precision: str) -> Served:
    return _OnnxFile(run) if is_onnx(run) else _TorchModel(run, device, precision)


class _TorchModel:
    """A model of striate's own, by torch."""

    def __init__(self, run: str, device: str, precision: str) -> None:
        import torch

        from striate.base import config
        from striate.training.device import pick
        from striate.workflows.load_model import load_network, notes_on_precision

        torch.set_num_threads(worker_pool.cores())
        self.model = load_network(run, str(pick(config.Engine(device=device)).device), precision=precision)
        described = _describe(self, model_sha256(run, self.model), self.model.net_name, self.model.unknown_inputs is not None)
        self.description = described | {"notes": notes_on_precision(self.model)}

    def batch(self, pixels_NHWC: Pixels) -> Batch:
        """By one pass of the network."""
        logits_NK, embeddings_ND = self.model.logits_and_embeddings(pixels_NHWC)
        return Batch(_rows(self.model.answers(logits_NK, embeddings_ND)), embeddings_ND)


class _OnnxFile:
    """A file of `striate export`, by onnxruntime, without torch."""

    def __init__(self, path: str) -> None:
        self.model = OnnxModel.load(path, threads=worker_pool.cores())
        described = self.model.described
        flags = any(output.name == "unknown" for output in self.model.session.get_outputs())
        self.description = _describe(self, model_sha256(path, self.model), str(described.get("net", "")), flags)

    def batch(self, pixels_NHWC: Pixels) -> Batch:
        """By one pass of the graph."""
        outputs = self.model.predict_pixels(pixels_NHWC)
        return Batch(_rows(self.model.answers(outputs)), outputs.features)


def _describe(served: "_TorchModel | _OnnxFile", sha256: str, net: str, flags_unknown: bool) -> dict[str, Any]:
    model = served.model
    spec, confidence = model.input_spec, model.confidence
    blank_1HWC = np.zeros((1, spec.size_px, spec.size_px, spec.channels), np.uint8)
    return {
        "sha256": sha256, "net": net, "classes": list(model.classes), "input_spec": list(spec), "license": model.license,
        "precision": model.precision,
        "threshold": confidence.threshold, "coverage": confidence.coverage,
        "abstains": confidence.threshold is not None or confidence.max_error is not None, "flags_unknown": flags_unknown,
        "several_labels": model.label_thresholds is not None,
        "embedding_size": served.batch(blank_1HWC).embeddings_ND.shape[1],
    }  # fmt: skip


def _rows(answers: Sequence[Any]) -> list[dict[str, Any]]:
    rows = [Row("", answer, None).as_json() for answer in answers]
    return [{name: value for name, value in row.items() if name != "path"} for row in rows]
