"""The shift that a rounded weight makes in a mean, by hand: the pixels are 1, 2 and 3, their mean is 2."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from striate.workflows.export import bias_correction


def _graph(nodes: list[Any], constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    first = [helper.make_node("Cast", ["images"], ["x"], "cast", to=TensorProto.FLOAT)]
    given = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 1, 1, 1])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2, 1, 1])
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(first + nodes, "g", [given], [output], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_the_bias_takes_off_what_rounding_adds_to_the_mean():
    weights = np.array([0.6, 1.2], np.float32).reshape(2, 1, 1, 1)
    in_float = _graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["before"], "conv"), helper.make_node("Clip", ["before"], ["y"], "clip")],
        {"w": weights, "b": np.zeros(2, np.float32)},
    )
    one, zero = np.float32(1), np.uint8(0)
    constants = {
        "one": np.array(one), "zero": np.array(zero), "w8": np.array([1, 1], np.int8).reshape(2, 1, 1, 1),
        "b32": np.array([0, 5], np.int32), "tenth": np.array([0.1, 0.2], np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "one", "zero"], ["x8"], "quantize"),
        helper.make_node("DequantizeLinear", ["x8", "one", "zero"], ["x again"], "dequantize"),
        helper.make_node("DequantizeLinear", ["w8", "one"], ["w again"], "weight"),
        helper.make_node("DequantizeLinear", ["b32", "tenth"], ["b again"], "bias", axis=0),
        helper.make_node("Conv", ["x again", "w again", "b again"], ["y"], "conv"),
    ]
    smaller = _graph(nodes, constants)
    before = in_float.SerializeToString()
    bias_correction.correct(in_float, smaller, np.array([1, 2, 3], np.uint8).reshape(3, 1, 1, 1))
    assert in_float.SerializeToString() == before
    (bias,) = (tensor for tensor in smaller.graph.initializer if tensor.name == "b32")
    # float gives 1.2 and 2.4 in the mean, int8 2 and 2 + 5 x 0.2: -0.8 is -8 tenths, -0.6 is -3 fifths
    assert numpy_helper.to_array(bias).tolist() == [-8, 2]


def test_biases_beyond_32_bits_end_at_them_and_layers_without_one_stay():
    bias = numpy_helper.from_array(np.array([2**31 - 10, 0], np.int32), "b32")
    scale = numpy_helper.from_array(np.array([1e-6, 1], np.float32), "scale")
    bias_correction._shift(bias, scale, np.array([1.0, -2.0]))
    assert numpy_helper.to_array(bias).tolist() == [2**31 - 1, -2]
    alone = _graph([helper.make_node("Conv", ["x", "w"], ["y"], "conv")], {"w": np.ones((2, 1, 1, 1), np.float32)})
    before = alone.SerializeToString()
    bias_correction.correct(alone, alone, np.zeros((1, 1, 1, 1), np.uint8))
    assert alone.SerializeToString() == before
