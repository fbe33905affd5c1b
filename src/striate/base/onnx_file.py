"""An ONNX file of striate's as bytes: sealed with its own SHA-256, described by JSON, and checked before a library reads it.

A file from outside is data. What a network does not need, and what has let readers of ONNX open other files or take all memory,
is refused before the runtime sees the file: data outside of it, other operator domains, functions, subgraphs, sizes that its
bytes cannot fill. The format is protobuf: each field has a number and a kind, and unknown ones are stepped over.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from striate.base import files
from striate.base.errors import ArtifactError, DiskError

FORMAT = 1
KEY, _SEAL = "striate", "striate_sha256"  # of metadata
_MOST_BYTES = 2**31 - 1  # of one message of protobuf
_MOST_JSON = 2**24
_MOST_TENSORS = 100_000
# Numbers of the fields of onnx.proto, by message
_MODEL_GRAPH, _MODEL_OPSET, _MODEL_METADATA, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 8, 14, 20, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_ATTRIBUTE, _NODE_DOMAIN = 5, 7
_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS = 5, 10
_ATTRIBUTE_REFUSED = {6: "a subgraph", 11: "a subgraph", 22: "a sparse tensor", 23: "a sparse tensor"}
_TENSOR_DIMS, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 1, 13, 14


class _Field(NamedTuple):
    number: int
    value: int | memoryview  # a number, or bytes


def no_telemetry() -> None:
    """Before onnxruntime is imported: it may not report to its maker, as it does by default since 1.32, also on Linux.

    Who sets ORT_DISABLE_TELEMETRY=0 has it back.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def seal(content: bytes) -> bytes:
    """The file with the SHA-256 of all its bytes as the last entry of its metadata."""
    return content + _seal_of(content)


def read(path: Path) -> bytes:
    """The bytes of a file; ArtifactError where there is none, or it is too large."""
    if not path.is_file():
        raise ArtifactError(f"expected an ONNX file at {path}; there is none.")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ArtifactError(f"expected an ONNX file of at most {_MOST_BYTES:,} bytes; {path} has {size:,}.")
    with files.explained(path, "read"):
        return path.read_bytes()


def check(content: bytes, path: Path) -> dict[str, Any]:
    """What a file of `striate export` says of itself, whose every byte is as written.

    Raises:
        ArtifactError: it is another ONNX file, a changed one, of a later format, or holds what such a file never holds.

    """
    length = len(_seal_of(b""))
    body, end = content[:-length], content[-length:]
    if _SEAL.encode() not in end:
        raise ArtifactError(
            f"{path} is no ONNX file that `striate export` wrote, or its end is missing. Export the model again: other ONNX "
            "files do not say how an image becomes their input."
        )
    if end != _seal_of(body):
        raise ArtifactError(f"{path} has changed since it was written: its SHA-256 is another. Use another copy.")
    try:
        described = _described(memoryview(body))
    except (IndexError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ArtifactError(f"{path} is no model of striate ({error}). Export the model again.") from error
    if described.get("format") != FORMAT:
        raise ArtifactError(f"{path} has format {described.get('format')!r}; this striate reads {FORMAT}. Update striate.")
    return described


def was_run(content: bytes, runtime: str) -> bool:
    """Whether a child process of this machine has run these very bytes with this version of the runtime."""
    return _record(content, runtime).is_file()


def note_run(content: bytes, runtime: str, path: Path) -> None:
    """Keep in the cache folder that it has; a folder that cannot be written costs a child process each time."""
    record = _record(content, runtime)
    with suppress(OSError, DiskError):
        record.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(record, f"{path.resolve()}\n")


def _record(content: bytes, runtime: str) -> Path:
    """The file that says so; of content that `check` let pass, the last 64 bytes are the SHA-256 of the others."""
    return files.cache_folder() / "tried-onnx" / f"{content[-64:].decode('ascii')}-{runtime}"


def _seal_of(content: bytes) -> bytes:
    """An entry of metadata as protobuf has it: two strings, each after its field number and its length."""
    digest = hashlib.sha256(content).hexdigest().encode()
    entry = b"\x0a" + bytes([len(_SEAL)]) + _SEAL.encode() + b"\x12" + bytes([len(digest)]) + digest
    return bytes([_MODEL_METADATA << 3 | 2, len(entry)]) + entry


def _described(model: memoryview) -> dict[str, Any]:
    texts, graphs = list[memoryview](), 0
    for number, value in _fields(model):
        if number in (_MODEL_TRAINING, _MODEL_FUNCTIONS):
            raise ValueError("it holds functions or training steps, which are not read")
        if number == _MODEL_GRAPH:
            _check_graph(_bytes(value), len(model))
            graphs += 1
        elif number == _MODEL_OPSET:
            _check_domain(_text(_bytes(value), 1))
        elif number == _MODEL_METADATA and _text(_bytes(value), 1) == KEY.encode():
            texts.append(_bytes(value))
    if graphs != 1 or len(texts) != 1:
        raise ValueError(f"expected one graph and one description; got {graphs} and {len(texts)}")
    text = _text(texts[0], 2)
    if len(text) > _MOST_JSON:
        raise ValueError(f"its description has {len(text):,} bytes; at most {_MOST_JSON:,}")
    described = json.loads(text)
    if not isinstance(described, dict):
        raise TypeError("its description is no JSON object")
    return described


def _check_graph(graph: memoryview, most: int) -> None:
    tensors = 0
    for number, value in _fields(graph):
        if number == _GRAPH_SPARSE:
            raise ValueError("it holds a sparse tensor, which is not read")
        if number == _GRAPH_INITIALIZER:
            _check_tensor(_bytes(value), most)
            tensors += 1
        elif number == _GRAPH_NODE:
            tensors += _check_node(_bytes(value), most)
        if tensors > _MOST_TENSORS:
            raise ValueError(f"it holds more than {_MOST_TENSORS:,} tensors")


def _check_node(node: memoryview, most: int) -> int:
    """The number of tensors in an operator's attributes."""
    tensors = 0
    for number, value in _fields(node):
        if number == _NODE_DOMAIN:
            _check_domain(bytes(_bytes(value)))
        if number != _NODE_ATTRIBUTE:
            continue
        for inner, part in _fields(_bytes(value)):
            if inner in _ATTRIBUTE_REFUSED:
                raise ValueError(f"it holds {_ATTRIBUTE_REFUSED[inner]}, which is not read")
            if inner in (_ATTRIBUTE_TENSOR, _ATTRIBUTE_TENSORS):
                _check_tensor(_bytes(part), most)
                tensors += 1
    return tensors


def _check_domain(domain: bytes) -> None:
    if domain not in (b"", b"ai.onnx"):
        raise ValueError(f"it needs operators of {domain[:50].decode('utf-8', 'replace')!r}; only ONNX's own are run")


def _check_tensor(tensor: memoryview, most: int) -> None:
    dims = list[int]()
    for number, value in _fields(tensor):
        if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value != 0):
            raise ValueError("a tensor lies in another file, which is not opened")
        if number == _TENSOR_DIMS:
            dims += [value] if isinstance(value, int) else _packed(value)
    if any(not 0 <= dim <= 2 * most for dim in dims) or prod(dims) > 2 * most:  # of 4 bits, two in a byte
        raise ValueError(f"a tensor of {' x '.join(map(str, dims[:8]))} numbers does not fit into its {most:,} bytes")


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a field is a number where a message is expected")
    return value


def _text(message: memoryview, number: int) -> bytes:
    """The last value of a field that is text; empty where there is none."""
    values = [bytes(_bytes(value)) for own, value in _fields(message) if own == number]
    return values[-1] if values else b""


def _fields(message: memoryview) -> Iterator[_Field]:
    """The fields of a message of protobuf; a ValueError or an IndexError where its bytes are none."""
    at = 0
    while at < len(message):
        key, at = _number(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _number(message, at)
            yield _Field(key >> 3, value)
            continue
        if kind == 2:
            length, at = _number(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"no protobuf: a field of kind {kind}")
        if at + length > len(message):
            raise ValueError("no protobuf: a field is longer than what holds it")
        yield _Field(key >> 3, message[at : at + length])
        at += length


def _number(message: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where the next field begins."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return (value - 2**64 if value >= 2**63 else value), at
        if shift > 63:
            raise ValueError("no protobuf: a number of more than 64 bits")


def _packed(values: memoryview) -> list[int]:
    numbers, at = list[int](), 0
    while at < len(values):
        value, at = _number(values, at)
        numbers.append(value)
    return numbers
