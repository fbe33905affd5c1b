"""The classifier as a file for LiteRT, formerly TensorFlow Lite: what phones and small boards run.

It takes one image at a time, since the converter gives the input a fixed size, and computes in float32, since LiteRT has few
operators in float64. What the ONNX file says in its metadata is a JSON file in a ZIP archive behind the graph, as LiteRT packs
the files that belong to a model; its interpreter reads the graph alone.

Legend: N images, H x W pixels, C channels.
"""

import io
import json
import logging
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from striate.base.errors import NumbersError, UnsupportedError
from striate.model import Model
from striate.onnx_model import OnnxOutputs
from striate.workflows.export.graph import Graph, quiet_exporter, reason

FACTS = "striate.json"  # the file behind the graph


class _Named(nn.Module):
    """The outputs of a graph by name, as a signature of LiteRT has them."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.inner = graph

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.inner.names, self.inner(images), strict=True))


class Signature(NamedTuple):
    """A file that was loaded again, as LiteRT's interpreter runs it: a function of `images` that gives the outputs by name."""

    run: Any

    def predict_pixels(self, images_NHWC: NDArray[np.uint8]) -> OnnxOutputs:
        """What it says of images of the model's size, one after the other, as `OnnxModel.predict_pixels`."""
        parts = [self.run(images=images_NHWC[row : row + 1]) for row in range(len(images_NHWC))]
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if not np.isfinite(arrays["logits"]).all():
            raise NumbersError("the .tflite file put out NaN or infinity, which is no prediction. Export without it.")
        return OnnxOutputs(
            arrays["logits"], arrays["probabilities"], arrays["features"], arrays.get("unknown"), arrays.get("abstained")
        )


def written(model: Model, facts: dict[str, Any]) -> bytes:
    """The bytes of a file that says this of itself; UnsupportedError where the network cannot be converted."""
    spec, graph = model.input_spec, Graph(model, wide=torch.float32)
    example_NHWC = torch.zeros(1, spec.size_px, spec.size_px, spec.channels, dtype=torch.uint8)
    try:
        with torch.no_grad(), _quiet():
            import litert_torch

            content = litert_torch.convert(_Named(graph).eval(), sample_kwargs={"images": example_NHWC}).model_content()
        loaded(content).run(images=example_NHWC.numpy())  # the interpreter lacks operators that the converter writes
    except Exception as error:  # whatever the converter or the interpreter raises means that it cannot do this network
        raise UnsupportedError(f"{model.net_name} has no form in LiteRT: {reason(error)}. Export without it.") from error
    packed = io.BytesIO(content)
    packed.seek(0, io.SEEK_END)
    with zipfile.ZipFile(packed, "a") as archive:
        described = json.dumps({**facts, "outputs": graph.names}, allow_nan=False)
        archive.writestr(zipfile.ZipInfo(FACTS), described)  # without a date: the same model, the same bytes
    return packed.getvalue()


def loaded(content: bytes) -> Signature:
    """What `written` gave, as LiteRT reads it."""
    with _quiet():
        from ai_edge_litert.interpreter import Interpreter

        return Signature(Interpreter(model_content=content).get_signature_runner())


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the libraries print of their insides."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read as they are imported
    level = logging.getLogger("torch.utils._pytree").level
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    try:
        with quiet_exporter(), redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.getLogger("torch.utils._pytree").setLevel(level)
