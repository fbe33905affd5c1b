"""ONNX files made by hand: one image is a gray pixel, logits are its level and 100."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from striate.base import onnx_file

DESCRIBED: dict[str, Any] = {
    "format": 1, "classes": ["dark", "light"], "license": "", "label_thresholds": None, "confidence": {"temperature": 10.0},
    "input_spec": {
        "size_px": 1, "channels": 1, "resize_mode": "squash", "background": [255, 255, 255], "share": 1.0, "white_level": None,
        "interpolation": "bilinear",
    },
}  # fmt: skip


def graph() -> onnx.ModelProto:
    """Logits are 100 and the level of the pixel; the feature is the level."""
    nodes = [
        helper.make_node("Cast", ["images"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["levels", "shape"], ["features"]),
        helper.make_node("Mul", ["features", "one_of_two"], ["own"]),
        helper.make_node("Add", ["own", "rest"], ["logits"]),
        helper.make_node("Div", ["logits", "temperature"], ["scaled"]),
        helper.make_node("Softmax", ["scaled"], ["probabilities"], axis=1),
    ]
    constants = {"one_of_two": [[0, 1]], "rest": [[100, 0]], "temperature": 10}
    initializers = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in constants.items()]
    initializers.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "shape"))
    given = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 1, 1, 1])
    names = {"logits": 2, "probabilities": 2, "features": 1}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]) for name, width in names.items()]
    return helper.make_model(
        helper.make_graph(nodes, "g", [given], outputs, initializers),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )


def write(path: Path, model: onnx.ModelProto | None = None, **described: Any) -> Path:
    """A sealed file of this graph, else of `graph`."""
    model = model or graph()
    entry = model.metadata_props.add()
    entry.key, entry.value = "striate", json.dumps(DESCRIBED | described)
    path.write_bytes(onnx_file.seal(model.SerializeToString()))
    return path
