"""Damaged and hostile copies of an ONNX file, each sealed as if it had been exported, and what a child says of them."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from striate.base import onnx_file
from striate.onnx_model import OnnxModel, trial

SEAL_BYTES = len(onnx_file.seal(b""))
NUMBERS = (0, 1, -1, 2, 7, 255, 2**31 - 1, -(2**31), 2**40, 2**63 - 1, -(2**63))
OPERATORS = (
    "Add",
    "Concat",
    "Conv",
    "Flatten",
    "Gather",
    "Gemm",
    "Pad",
    "Range",
    "Reshape",
    "Resize",
    "Softmax",
    "Tile",
    "Transpose",
)


def mutated(content: bytes, other: bytes, draw: random.Random) -> bytes:
    """A changed copy of a sealed file, sealed again; `other` gives bytes to splice in."""
    return onnx_file.seal(draw.choice(KINDS)(content[:-SEAL_BYTES], other[:-SEAL_BYTES], draw))


def _flip(body: bytes, _: bytes, draw: random.Random) -> bytes:
    changed = bytearray(body)
    for _each in range(draw.randrange(1, 9)):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _overwrite(body: bytes, _: bytes, draw: random.Random) -> bytes:
    at, length = draw.randrange(len(body)), draw.choice((1, 4, 16, 64))
    filled = bytes([draw.choice((0, 127, 128, 255))]) * length if draw.random() < 0.5 else draw.randbytes(length)
    return body[:at] + filled + body[at + length :]


def _cut(body: bytes, _: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(body))
    return body[:at] + body[at + draw.choice((1, 2, 8, 100, len(body))) :]


def _splice(body: bytes, other: bytes, draw: random.Random) -> bytes:
    at, start, length = draw.randrange(len(body)), draw.randrange(len(other)), draw.randrange(1, 200)
    return body[:at] + other[start : start + length] + body[at + draw.choice((0, length)) :]


def _lengthen(body: bytes, _: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(body))
    return body[:at] + draw.choice((b"\xff" * 9 + b"\x01", b"\xff\xff\xff\xff\x0f", b"\x80" * 20)) + body[at + 1 :]


def _graph(body: bytes, _: bytes, draw: random.Random) -> bytes:
    """A change that leaves it protobuf, so that it is the runtime that has to refuse it."""
    model = onnx.load_from_string(body)
    node, tensor = draw.choice(model.graph.node), draw.choice(model.graph.initializer)
    names = [name for each in model.graph.node for name in (*each.input, *each.output) if name]
    match draw.randrange(8):
        case 0:
            node.op_type = draw.choice(OPERATORS)
        case 1 if node.input:
            node.input[draw.randrange(len(node.input))] = draw.choice(names)  # a cycle, or a tensor of another shape
        case 2 if tensor.dims:
            tensor.dims[draw.randrange(len(tensor.dims))] = draw.choice(NUMBERS)
        case 3:
            tensor.data_type = draw.randrange(24)
        case 4:
            tensor.raw_data = np.array(draw.choice(NUMBERS), np.int64).tobytes() * (len(tensor.raw_data) // 8)  # a shape, axes
        case 5 if node.attribute:
            attribute = draw.choice(node.attribute)
            attribute.i = draw.choice(NUMBERS)
            attribute.ints[:] = [draw.choice(NUMBERS) for _each in attribute.ints]
        case 6:
            model.graph.node.remove(node)
        case _:
            value = draw.choice((*model.graph.input, *model.graph.output))
            for dim in value.type.tensor_type.shape.dim:
                dim.dim_value = draw.choice(NUMBERS)
    return model.SerializeToString()


def _description(body: bytes, _: bytes, draw: random.Random) -> bytes:
    model = onnx.load_from_string(body)
    (entry,) = (entry for entry in model.metadata_props if entry.key == onnx_file.KEY)
    described: dict[str, Any] = json.loads(entry.value)
    part = draw.choice((described, described["input_spec"], described["confidence"]))
    part[draw.choice(sorted(part))] = draw.choice((*NUMBERS, None, [], {}, "", "../x", [None] * 3, 1e308, True))
    entry.value = json.dumps(described)
    return model.SerializeToString()


KINDS: tuple[Callable[[bytes, bytes, random.Random], bytes], ...] = (
    _flip, _overwrite, _cut, _splice, _lengthen, _graph, _graph, _graph, _description,
)  # fmt: skip


def verdict(argument: Any) -> tuple[object, bytes]:
    """In a child: what striate's own child does with a file, then what its process does after that, on other images."""
    trial(argument)
    path = Path(argument)
    content = path.read_bytes()
    model = OnnxModel._opened(path, content, onnx_file.check(content, path), threads=1)
    spec = model.input_spec
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (3, spec.size_px, spec.size_px, spec.channels), np.uint8)
    model.classify(pixels_NHWC)
    return "answered", b""
