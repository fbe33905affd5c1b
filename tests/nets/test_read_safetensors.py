"""Safetensors files from strangers: refused by what their header would cost, before it is parsed."""

import json
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch

from striate.base.errors import WeightsError
from striate.nets import read_safetensors as reading
from striate.nets.read_safetensors import read_safetensors


def file(path: Path, header: object, data: bytes = b"") -> Path:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)
    return path


def entry(shape: list[int], start: int, end: int) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


def test_a_file_of_a_network_is_read(tmp_path: Path):
    path = file(tmp_path / "a.safetensors", {"a": entry([2, 1], 0, 8)}, struct.pack("<ff", 1, 2))
    assert read_safetensors(path)["a"].tolist() == [[1], [2]]


def test_a_header_of_600_000_names_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(safetensors.torch, "load_file", pytest.fail)
    path = tmp_path / "names.safetensors"
    path.write_bytes(struct.pack("<Q", 46_688_890) + b"{")
    with pytest.raises(WeightsError) as refused:
        read_safetensors(path)
    assert str(refused.value) == (
        f"{path} is no safetensors file, or a damaged one: its header would have 46,688,890 bytes; expected at most 2,097,152, "
        "as every network here has."
    )


def test_20_000_tensors_have_room_in_a_header():
    tensors = {f"blocks.{number:05d}.attention.projection.weight": torch.zeros(1) for number in range(20_000)}
    assert struct.unpack("<Q", safetensors.torch.save(tensors)[:8])[0] < reading._MOST_HEADER


@pytest.mark.parametrize(
    "header",
    [
        {"a": entry([2**40], 0, 8)},
        {"a": entry([-2], 0, 8)},
        {"a": entry([2], 8, 0)},
        {"a": entry([2], 0, 8), "b": entry([2], 0, 8)},
        {"a": entry([2], 0, 16)},
        b"[" * 100_000,
        b"\xff" * 100,
    ],
    ids=["2^40 numbers", "a negative side", "offsets back", "overlap", "beyond the end", "deep", "no JSON"],
)
def test_what_is_no_description_of_tensors_is_refused(tmp_path: Path, header: object):
    path = file(tmp_path / "a.safetensors", header, b"x" * 8)
    with pytest.raises(WeightsError, match="is no safetensors file, or a damaged one"):
        read_safetensors(path)


def test_tensors_of_many_dimensions_are_refused(tmp_path: Path):
    path = file(tmp_path / "a.safetensors", {"a": entry([1] * 200_000, 0, 4)}, b"abcd")
    with pytest.raises(WeightsError, match=r"expected tensors of at most 8 dimensions in .*; a has 200,000\."):
        read_safetensors(path)


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 8])
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="is no safetensors file"):
        read_safetensors(tmp_path / "a.safetensors")
