"""Files in int8 and half precision: what is quantized, on which images, and when no file is written."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from striate.base.errors import DataError, NumbersError, UnsupportedError
from striate.workflows.export import graph, lower_precision, proof, quantize
from striate.workflows.export.run import about, as_model, described
from support.models import tiny_model

SIDE = 6


def _pixels(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


@pytest.fixture(scope="module")
def traced() -> Any:
    return graph.trace(tiny_model(SIDE)).proto


def test_calibration_images_are_as_many_of_each_class_as_there_are():
    labels_N = np.array([0, 0, 0, 0, 1, 1, 2, 0])
    rows_M = np.array([7, 6, 5, 4, 3, 2])  # classes 0 2 1 1 0 0
    assert lower_precision.calibration_rows(labels_N, rows_M, 3).tolist() == [7, 5, 6]
    assert lower_precision.calibration_rows(labels_N, rows_M, 5).tolist() == [7, 5, 6, 3, 4]
    assert lower_precision.calibration_rows(labels_N, rows_M).tolist() == [7, 5, 6, 3, 4, 2]
    assert not len(lower_precision.calibration_rows(labels_N, rows_M, 0))
    several_NK = np.array([[0, 1, 1], [1, 0, 0], [0, 1, 0]])
    assert lower_precision.calibration_rows(several_NK, np.array([0, 2, 1]), 2).tolist() == [1, 0]


def test_the_network_is_in_int8_and_its_surroundings_and_last_layer_are_not(traced: Any):
    before = traced.SerializeToString()
    model, calibration_NHWC = tiny_model(SIDE), _pixels(20)
    proto = lower_precision.int8(traced, calibration_NHWC, model)
    assert traced.SerializeToString() == before
    assert proto.SerializeToString() == lower_precision.int8(traced, calibration_NHWC, model).SerializeToString()
    tensors = {each.name: each for each in proto.graph.initializer}
    weights = [each for each in tensors.values() if list(each.dims) == [4, 3, 3, 3]]
    assert [each.data_type for each in weights] == [TensorProto.INT8]
    assert np.abs(numpy_helper.to_array(weights[0]).astype(int)).max() <= 64  # 7 of the 8 bits
    scales = [each for each in tensors.values() if list(each.dims) == [4] and each.data_type == TensorProto.FLOAT]
    assert len(scales) >= 1  # one for each of the 4 filters
    assert [each.data_type for each in tensors.values() if list(each.dims) == [3, 36]] == [TensorProto.FLOAT]
    images = proof.reference(model, _pixels(16, seed=1), np.arange(16) % 3)
    with as_model(described(proto, about("tiny@none", model, "int8"))) as exported:
        changed = lower_precision.change(model, exported, images, "int8")
        assert exported.described["precision"] == "int8"
    assert 0 < changed.agreement.max_abs_logit < 0.1 * changed.agreement.largest_logit
    assert changed.as_json().keys() == {"agreement", "accuracy_change"}


def test_half_precision_halves_the_network_and_leaves_the_model_as_it_is():
    model = tiny_model(SIDE)
    proto = lower_precision.fp16(model)
    assert {str(value.dtype) for value in model.net.state_dict().values()} == {"torch.float32", "torch.int64"}
    types = {tuple(each.dims): each.data_type for each in proto.graph.initializer}
    assert types[4, 3, 3, 3] == types[3, 36] == TensorProto.FLOAT16
    kinds = {each.name: each.type.tensor_type.elem_type for each in (*proto.graph.input, *proto.graph.output)}
    assert kinds.pop("images") == TensorProto.UINT8
    assert set(kinds.values()) == {TensorProto.FLOAT}
    images = proof.reference(model, _pixels(16), np.arange(16) % 3)
    with as_model(described(proto, about("tiny@none", model, "fp16"))) as exported:
        changed = lower_precision.change(model, exported, images, "fp16")
    assert 0 < changed.agreement.max_abs_logit < 2e-3 * max(1, changed.agreement.largest_logit)  # a half has 11 bits


def test_what_cannot_be_quantized_is_refused(traced: Any):
    with pytest.raises(DataError, match="int8 measures ranges on images, and there are none but those that prove the file"):
        lower_precision.int8(traced, _pixels(0), tiny_model(SIDE))
    layer = helper.make_node("Gemm", ["images", "weight"], ["logits"], "fc")
    alone = helper.make_model(helper.make_graph([layer], "one layer", [], []))
    with pytest.raises(UnsupportedError, match="no convolution and no linear layer before its last one, so int8 would change"):
        quantize.quantized(alone, _pixels(1), "linear")


class _Outputs(NamedTuple):
    logits: np.ndarray
    unknown: None = None


class _Answers(NamedTuple):
    """A file that answers what it is told."""

    logits: np.ndarray

    def predict_pixels(self, images_NHWC: np.ndarray) -> _Outputs:
        return _Outputs(self.logits)


def _changed(lost: int, of: int) -> lower_precision.Change:
    """What is said of a file that is wrong for so many images, of which the original has all right."""
    labels_N = np.arange(of) % 3
    ours_NK = np.eye(3, dtype=np.float32)[labels_N]
    images = proof.Reference(np.zeros((of, 1), np.uint8), labels_N, ours_NK, np.zeros((of, 1), np.float32))
    theirs_NK = ours_NK.copy()
    theirs_NK[:lost] = ours_NK[1 : lost + 1]
    return lower_precision.change(tiny_model(), _Answers(theirs_NK), images, "int8")  # type: ignore[arg-type]


def test_more_than_two_percent_of_lost_accuracy_are_refused():
    changed = _changed(4, of=200)  # just 2 percent
    assert changed.accuracy.value == -0.02
    assert changed.accuracy.low < -0.02 < changed.accuracy.high < 0
    assert changed.agreement.top1 == pytest.approx(0.98)
    with pytest.raises(NumbersError, match=r"int8 costs .* 2\.50 % of accuracy \(.*\) on 200 held-out images; at most 2\.00 %"):
        _changed(5, of=200)


def test_one_image_alone_refuses_no_file_and_two_do():
    assert _changed(1, of=42).accuracy.value == pytest.approx(-1 / 42)  # 2.4 percent, the least loss there is
    with pytest.raises(NumbersError, match=r"is expected, or one image\. No file was written; export .*more images by data"):
        _changed(2, of=42)
    with pytest.raises(NumbersError, match=r"costs .* 7\.14 % of accuracy \(.*\) on 42 held-out images"):
        _changed(3, of=42)  # although its interval has 0 in it
    with pytest.raises(NumbersError, match=r"3\.03 %"):
        _changed(3, of=99)  # from 50 images on, 2 percent alone count


def test_a_convolution_without_a_bias_gets_one_to_correct():
    weights = numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), "w")
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "conv"), helper.make_node("Conv", ["x", "w"], ["z"], "last")]
    proto = helper.make_model(helper.make_graph(nodes, "g", [], [], [weights]))
    quantize._add_biases(proto, ["conv"])
    assert [list(node.input) for node in proto.graph.node] == [["x", "w", "conv bias"], ["x", "w"]]
    assert numpy_helper.to_array(proto.graph.initializer[1]).tolist() == [0, 0, 0, 0]
