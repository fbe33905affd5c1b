"""The reader without torch, on a graph made by hand: logits are 100 and the gray level, the temperature 10."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

import striate
from striate.base import onnx_file
from striate.base.child_process import Answer, Child
from striate.base.errors import ArtifactError, SettingError, ShapeError
from striate.onnx_model import OnnxModel
from support import onnx_files


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_files.write(tmp_path_factory.mktemp("onnx") / "m.onnx")


@pytest.fixture(scope="module")
def model(path: Path) -> OnnxModel:
    loaded = striate.load(path)
    assert isinstance(loaded, OnnxModel)
    return loaded


def test_arrays_are_those_of_the_graph(model: OnnxModel):
    outputs = model.predict_pixels(np.array([90, 110], np.uint8).reshape(2, 1, 1, 1))
    assert outputs.logits.tolist() == [[100, 90], [100, 110]]
    assert outputs.features.tolist() == [[90], [110]]
    even = 1 / (1 + np.exp(-1))  # a difference of 10, divided by the temperature
    np.testing.assert_allclose(outputs.probabilities, [[even, 1 - even], [1 - even, even]], rtol=1e-6)
    assert outputs.unknown is None
    assert outputs.abstained is None
    assert len(model.predict_pixels(np.zeros((0, 1, 1, 1), np.uint8)).logits) == 0
    assert len(model.predict_pixels(np.zeros((130, 1, 1, 1), np.uint8)).logits) == 130


def test_threads_that_have_nothing_to_do_sleep(model: OnnxModel):
    options = model.session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_predictions_are_those_of_models(model: OnnxModel):
    light = np.full((4, 4), 255, np.uint8)  # brought to one pixel
    answer = model.predict(light)
    assert answer.label == "light"
    assert answer.top[0] == ("light", pytest.approx(1 - 1.8e-7, abs=1e-7))  # 1 / (1 + e^-15.5)
    assert [one.label for one in model.predict([light, light * 0])] == ["light", "dark"]
    assert model.embed(light).tolist() == [255]


def test_what_does_not_fit_is_refused(model: OnnxModel):
    with pytest.raises(ShapeError, match="expected images N x 1 x 1 x 1 of uint8; got 1 x 2 x 2 x 1 of uint8"):
        model.predict_pixels(np.zeros((1, 2, 2, 1), np.uint8))
    with pytest.raises(ShapeError, match="of float32"):
        model.predict_pixels(np.zeros((1, 1, 1, 1), np.float32))
    with pytest.raises(SettingError, match="expected one crop"):
        model.input_spec_for(5)


def test_a_file_that_takes_all_memory_is_refused_by_the_child_that_tries_it(tmp_path: Path):
    graph = onnx_files.graph()
    size = helper.make_tensor("size", TensorProto.INT64, [3], [2**13, 2**13, 2**10])  # 256 GiB
    graph.graph.initializer.append(size)
    graph.graph.node.append(helper.make_node("ConstantOfShape", ["size"], ["much"]))
    graph.graph.node.append(helper.make_node("ReduceSum", ["much"], ["sum"], keepdims=0))
    graph.graph.output.append(helper.make_tensor_value_info("sum", TensorProto.FLOAT, []))
    with pytest.raises(ArtifactError, match="cannot be run"):
        OnnxModel.load(onnx_files.write(tmp_path / "m.onnx", graph))


def test_a_child_tries_the_same_bytes_once_on_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    first = onnx_files.write(tmp_path / "m.onnx")
    OnnxModel.load(first)
    (record,) = (tmp_path / "cache" / "tried-onnx").iterdir()
    assert record.read_text() == f"{first}\n"
    assert record.name.startswith(first.read_bytes()[-64:].decode())
    tried = list[str]()

    def answer(_child: Child, argument: object) -> Answer:
        tried.append(str(argument))
        return Answer(None, b"", "no")

    monkeypatch.setattr(Child, "call", answer)
    assert OnnxModel.load(first.rename(tmp_path / "moved.onnx")).predict(np.zeros((4, 4), np.uint8)).label == "dark"
    assert tried == []
    other = onnx_files.write(tmp_path / "other.onnx", license="MIT")
    for _ in range(2):  # what was refused is not remembered
        with pytest.raises(ArtifactError, match=r"other\.onnx cannot be run: no\. Export the model again\."):
            OnnxModel.load(other)
    assert tried == [str(other)] * 2


def test_a_cache_that_cannot_be_written_costs_the_child_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "cache").touch()
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    content = onnx_files.write(tmp_path / "m.onnx").read_bytes()
    onnx_file.note_run(content, "1.0", tmp_path)
    assert not onnx_file.was_run(content, "1.0")


def test_it_needs_no_torch(path: Path):
    code = (
        "import sys, numpy as np; from striate.onnx_model import OnnxModel; "
        f"print(OnnxModel.load({str(path)!r}).predict(np.zeros((4, 4), np.uint8)).label, 'torch' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["dark", "False"]
