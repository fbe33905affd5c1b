"""The classifier as a file of torch.export: the module that the ONNX file is traced from, for programs that have torch.

`torch.export.load` can unpickle what an archive holds, so nothing but what was just written is loaded here.

Legend: N images, H x W pixels, C channels.
"""

import io
import json
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from striate.base.errors import NumbersError, UnsupportedError
from striate.model import Model
from striate.onnx_model import OnnxOutputs
from striate.workflows.export.graph import Graph, quiet_exporter, reason

EXTRA = "striate.json"  # the extra file that says what the ONNX file says in its metadata, and the names of the outputs
_AT_ONCE = 64


class Program(NamedTuple):
    """A file that was loaded again, and the names of its outputs."""

    module: Any
    names: list[str]

    def predict_pixels(self, images_NHWC: NDArray[np.uint8]) -> OnnxOutputs:
        """What it says of images of the model's size, as `OnnxModel.predict_pixels`."""
        with torch.no_grad():
            parts = [
                self.module(torch.from_numpy(images_NHWC[start : start + _AT_ONCE]))
                for start in range(0, len(images_NHWC), _AT_ONCE)
            ]
        arrays = {name: torch.cat(column).numpy() for name, column in zip(self.names, zip(*parts, strict=True), strict=True)}
        if not np.isfinite(arrays["logits"]).all():
            raise NumbersError("the .pt2 file put out NaN or infinity, which is no prediction. Export without it.")
        return OnnxOutputs(
            arrays["logits"], arrays["probabilities"], arrays["features"], arrays.get("unknown"), arrays.get("abstained")
        )


def written(model: Model, facts: dict[str, Any]) -> bytes:
    """The bytes of a file that says this of itself; UnsupportedError where the network cannot be traced."""
    spec, graph, content = model.input_spec, Graph(model), io.BytesIO()
    example_NHWC = torch.zeros(2, spec.size_px, spec.size_px, spec.channels, dtype=torch.uint8)  # of 1, N would become fixed
    described = json.dumps({**facts, "outputs": graph.names}, allow_nan=False)
    try:
        with torch.no_grad(), quiet_exporter():
            program = torch.export.export(graph, (example_NHWC,), dynamic_shapes=({0: torch.export.Dim("N")},))
            torch.export.save(program, content, extra_files={EXTRA: described})
    except Exception as error:  # whatever the exporter raises means that it cannot do this network
        raise UnsupportedError(f"{model.net_name} has no form in torch.export: {reason(error)}. Export without it.") from error
    return content.getvalue()


def loaded(content: bytes) -> Program:
    """What `written` gave, as torch.export reads it."""
    extra = {EXTRA: ""}
    with quiet_exporter():
        program = torch.export.load(io.BytesIO(content), extra_files=extra)
    return Program(program.module(), json.loads(extra[EXTRA])["outputs"])
