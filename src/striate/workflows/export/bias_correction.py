"""Biases of a network in int8, set so that each layer's mean output is that of the layer in float.

Rounded weights shift the mean of what each filter gives, by much where its weights are large and its output is clipped, as in
depthwise layers after batch norm has been folded into them. The shift is measured and taken off the bias (Nagel et al. 2019,
section 4.2). Every layer is given the inputs of the float network: all are measured in one pass, and none depends on how those
before it are corrected.

Legend: N images, H x W pixels, C channels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

IMAGES = 64  # that the means are measured on; each has many positions
_BATCH = 16
_PREFIX = "int8:"
_AXES = {"Conv": [0, 2, 3], "Gemm": [0]}  # that are not the channels
_OWN = ("QuantizeLinear", "DequantizeLinear")


def correct(proto: Any, smaller: Any, pixels_NHWC: NDArray[np.uint8]) -> None:
    """Shift the biases of `smaller`, made of the float graph `proto`, by the errors of the means on these images."""
    makers = {node.output[0]: node for node in smaller.graph.node}
    layers = [node for node in smaller.graph.node if node.op_type in _AXES and _has_integer_bias(node, makers)]
    if not layers:
        return
    in_float = {node.name: node.output[0] for node in proto.graph.node}
    both = _side_by_side(proto, smaller, layers)
    measured = [(_PREFIX + layer.output[0], layer.op_type) for layer in layers]
    measured += [(in_float[layer.name], layer.op_type) for layer in layers]
    means = _means(both, measured, pixels_NHWC[:IMAGES])
    tensors = {tensor.name: tensor for tensor in smaller.graph.initializer}
    for layer, int8_C, float_C in zip(layers, means[: len(layers)], means[len(layers) :], strict=True):
        bias, scale = (tensors[name] for name in makers[layer.input[2]].input[:2])
        _shift(bias, scale, float_C - int8_C)


def _has_integer_bias(layer: Any, makers: dict[str, Any]) -> bool:
    return len(layer.input) > 2 and layer.input[2] in makers and makers[layer.input[2]].op_type == "DequantizeLinear"


def _side_by_side(proto: Any, smaller: Any, layers: list[Any]) -> Any:
    """The float graph, and on its tensors each of these layers in int8 too: its output has the prefix before its name.

    A tensor that both graphs have may be clipped in float alone: to be quantized clips it as well.
    """
    import onnx

    both = onnx.ModelProto()
    both.CopyFrom(proto)
    makers = {node.output[0]: node for node in smaller.graph.node if node.op_type in _OWN}
    tensors = {tensor.name: tensor for tensor in smaller.graph.initializer}
    copied = set[str]()

    def copy(name: str) -> str:
        """What a tensor of `smaller` is called in `both`, after what makes it is there."""
        if name not in tensors and name not in makers:
            return name  # of the float graph
        if name not in copied:
            copied.add(name)
            if name in tensors:
                both.graph.initializer.add().CopyFrom(tensors[name])
                both.graph.initializer[-1].name = _PREFIX + name
            else:
                copy_node(makers[name])
        return _PREFIX + name

    def copy_node(node: Any) -> None:
        inputs = [copy(name) for name in node.input]
        new = both.graph.node.add()
        new.CopyFrom(node)
        new.name, new.input[:], new.output[:] = _PREFIX + node.name, inputs, [_PREFIX + node.output[0]]

    for layer in layers:
        copy_node(layer)
    return both


def _means(proto: Any, measured: list[tuple[str, str]], pixels_NHWC: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """The mean of each channel of these outputs, each a name and the operator that makes it."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    del proto.graph.output[:]
    for operator, axes in _AXES.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.array(axes, np.int64), f"{_PREFIX}axes of {operator}"))
    for name, operator in measured:
        inputs, output = [name, f"{_PREFIX}axes of {operator}"], f"mean of {name}"
        proto.graph.node.append(helper.make_node("ReduceMean", inputs, [output], output, keepdims=0))
        proto.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, ["C"]))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    sums: list[Any] = [0.0] * len(measured)
    for start in range(0, len(pixels_NHWC), _BATCH):
        batch_NHWC = pixels_NHWC[start : start + _BATCH]
        means = session.run(None, {"images": batch_NHWC})
        sums = [total + len(batch_NHWC) * mean_C.astype(np.float64) for total, mean_C in zip(sums, means, strict=True)]
    return [total_C / len(pixels_NHWC) for total_C in sums]


def _shift(bias: Any, scale: Any, shift_C: NDArray[np.float64]) -> None:
    """Add to a bias of 32-bit integers, in units of its scale."""
    from onnx import numpy_helper

    steps_C = np.rint(shift_C / numpy_helper.to_array(scale).astype(np.float64))
    limit = np.iinfo(np.int32).max
    corrected_C = np.clip(numpy_helper.to_array(bias).astype(np.float64) + steps_C, -limit, limit)
    bias.CopyFrom(numpy_helper.from_array(corrected_C.astype(np.int32), bias.name))
