"""What a file from outside may hold: refused before the runtime sees it."""

import random
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from striate.base import onnx_file
from striate.base.errors import ArtifactError
from support import onnx_files


def test_what_was_written_is_read(tmp_path: Path):
    path = onnx_files.write(tmp_path / "m.onnx")
    assert onnx_file.check(onnx_file.read(path), path) == onnx_files.DESCRIBED
    onnx.checker.check_model(onnx.load(path))  # the seal leaves it an ONNX file


def test_each_changed_bit_is_refused(tmp_path: Path):
    path = onnx_files.write(tmp_path / "m.onnx")
    content, draw = path.read_bytes(), random.Random(0)
    for at in [*range(4), *range(len(content) - 90, len(content)), *(draw.randrange(len(content)) for _ in range(60))]:
        changed = bytearray(content)
        changed[at] ^= 1 << draw.randrange(8)
        with pytest.raises(ArtifactError, match=r"has changed since it was written|is no ONNX file that"):
            onnx_file.check(bytes(changed), path)


def test_any_bytes_with_a_right_seal_are_read_or_refused(tmp_path: Path):
    path = onnx_files.write(tmp_path / "m.onnx")
    content, draw, refused = path.read_bytes()[:-84], random.Random(1), 0
    assert onnx_file.seal(content) == path.read_bytes()
    for _ in range(500):
        changed = bytearray(content)
        for _ in range(draw.randrange(1, 4)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        try:
            onnx_file.check(onnx_file.seal(bytes(changed[: draw.randrange(1, len(changed) + 1)])), path)
        except ArtifactError:
            refused += 1
    assert refused > 300


def _external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def _located(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def _in_attribute(model: onnx.ModelProto) -> None:
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [1], [0.0])
    tensor.external_data.add().key = "location"
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


def _huge(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [2**40]


def _negative(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[:] = [-1]


def _domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.evil"


def _opset(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.evil", 1))


def _subgraph(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["features"], ["c"], then_branch=inner, else_branch=inner))


def _function(model: onnx.ModelProto) -> None:
    model.functions.add().name = "f"


def _sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_external, "a tensor lies in another file, which is not opened"),
        (_located, "a tensor lies in another file, which is not opened"),
        (_in_attribute, "a tensor lies in another file, which is not opened"),
        (_huge, "a tensor of 1099511627776 numbers does not fit into its"),
        (_negative, "a tensor of -1 numbers does not fit"),
        (_domain, "it needs operators of 'com.evil'; only ONNX's own are run"),
        (_opset, "it needs operators of 'com.evil'"),
        (_subgraph, "it holds a subgraph, which is not read"),
        (_function, "it holds functions or training steps, which are not read"),
        (_sparse, "it holds a sparse tensor, which is not read"),
    ],
)
def test_what_no_export_holds_is_refused(change: Callable[[onnx.ModelProto], None], said: str, tmp_path: Path):
    model = onnx_files.graph()
    change(model)
    path = onnx_files.write(tmp_path / "m.onnx", model)
    with pytest.raises(ArtifactError, match=said) as caught:
        onnx_file.check(path.read_bytes(), path)
    assert str(caught.value).startswith(f"{path} is no model of striate (")


def test_other_files_are_refused(tmp_path: Path):
    path = tmp_path / "m.onnx"
    with pytest.raises(ArtifactError, match=f"expected an ONNX file at {path}; there is none"):
        onnx_file.read(path)
    for content in (b"", onnx_files.graph().SerializeToString()):
        with pytest.raises(ArtifactError, match="is no ONNX file that `striate export` wrote"):
            onnx_file.check(content, path)
    onnx_files.write(path, format=2)
    with pytest.raises(ArtifactError, match=r"has format 2; this striate reads 1\. Update striate"):
        onnx_file.check(path.read_bytes(), path)
