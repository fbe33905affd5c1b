"""A traced classifier with its network in 8-bit integers, by onnxruntime's static quantization.

Weights are quantized by channel, to 7 of their 8 bits: processors without VNNI add products of full 8 bits up with saturation,
and the file is to answer the same everywhere. What that shifts in the mean is taken off the biases (`bias_correction`).
Preprocessing, the last layer and all that follows stay in float.

Legend: N images, H x W pixels, C channels.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striate.base.errors import UnsupportedError
from striate.workflows.export import bias_correction

IMAGES = 256  # that the ranges of the activations are measured on
_BATCH = 16
_OPERATORS = ("Conv", "Gemm", "MatMul", "Add", "Concat", "AveragePool", "GlobalAveragePool", "MaxPool", "Relu", "Clip")
_WITH_WEIGHTS = ("Conv", "Gemm", "MatMul")


class _Reader:
    """The calibration images as onnxruntime asks for them."""

    def __init__(self, pixels_NHWC: NDArray[np.uint8]) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = (
            pixels_NHWC[start : start + _BATCH] for start in range(0, len(pixels_NHWC), _BATCH)
        )

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next batch; None after the last."""
        batch_NHWC = next(self._batches, None)
        return None if batch_NHWC is None else {"images": batch_NHWC}

    def __iter__(self) -> "_Reader":
        return self

    def __next__(self) -> dict[str, NDArray[np.uint8]]:
        if (batch := self.get_next()) is None:
            raise StopIteration
        return batch


def quantized(proto: Any, pixels_NHWC: NDArray[np.uint8], net_name: str) -> Any:
    """The graph with its network in int8; `proto` is left as it is.

    Raises:
        UnsupportedError: no layer of it can be quantized.

    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    nodes = _of_network(proto)
    if not nodes:
        raise UnsupportedError(
            f"{net_name} has no convolution and no linear layer before its last one, so int8 would change nothing. "
            "Export it without --int8."
        )
    prepared = onnx.ModelProto()
    prepared.CopyFrom(proto)
    _add_biases(prepared, nodes)
    entry = prepared.metadata_props.add()
    entry.key, entry.value = "onnx.quant.pre_process", "onnxruntime.quant"  # batch norm is folded: nothing is left to prepare
    with tempfile.TemporaryDirectory(prefix="striate-export-") as folder:
        path = Path(folder) / "int8.onnx"
        quantize_static(
            prepared, path, _Reader(pixels_NHWC), quant_format=QuantFormat.QDQ, op_types_to_quantize=list(_OPERATORS),
            per_channel=True, reduce_range=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            nodes_to_quantize=nodes, calibrate_method=CalibrationMethod.MinMax,
            extra_options={"OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
        )  # fmt: skip
        smaller = onnx.load(path)
    for domain in [entry for entry in smaller.opset_import if entry.domain not in ("", "ai.onnx")]:
        smaller.opset_import.remove(domain)  # that no operator is of
    bias_correction.correct(proto, smaller, pixels_NHWC)
    return smaller


def _add_biases(proto: Any, nodes: list[str]) -> None:
    """Give these convolutions a bias of 0 where they have none, so that there is one to correct."""
    from onnx import numpy_helper

    widths = {tensor.name: tensor.dims[0] for tensor in proto.graph.initializer if tensor.dims}
    for node in proto.graph.node:
        if node.op_type == "Conv" and node.name in nodes and len(node.input) == 2 and node.input[1] in widths:
            bias = numpy_helper.from_array(np.zeros(widths[node.input[1]], np.float32), f"{node.name} bias")
            proto.graph.initializer.append(bias)
            node.input.append(bias.name)


def _of_network(proto: Any) -> list[str]:
    """Names of the operators that are quantized: all before the logits, without the last layer."""
    makers = {output: node for node in proto.graph.node for output in node.output}
    before, waiting = dict[str, Any](), ["logits"]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in before:
            before[node.name] = node
            waiting += list(node.input)
    layers = [node.name for node in proto.graph.node if node.name in before and node.op_type in _OPERATORS]
    weighted = [name for name in layers if before[name].op_type in _WITH_WEIGHTS]
    last = set(layers[layers.index(weighted[-1]) :]) if weighted else set(layers)
    return [name for name in layers if name not in last] if len(weighted) > 1 else []
