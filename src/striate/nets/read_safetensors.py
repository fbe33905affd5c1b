"""Safetensors files from anywhere: one with a header that no network needs is refused before it is parsed."""

import json
from pathlib import Path

import torch
from torch import Tensor

from striate.base.errors import WeightsError

_MOST_HEADER = 2**21  # bytes; a network of 20,000 tensors has less
_MOST_DIMENSIONS = 8


def read_safetensors(path: Path, device: str = "cpu") -> dict[str, Tensor]:
    """The tensors of a file by name; WeightsError where it is damaged, or would take long or much memory to refuse."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
        if header > _MOST_HEADER:
            raise WeightsError(
                f"{path} is no safetensors file, or a damaged one: its header would have {header:,} bytes; expected at most "
                f"{_MOST_HEADER:,}, as every network here has."
            )
        tensors = load_file(path)
    except (SafetensorError, OSError, OverflowError) as error:
        raise WeightsError(f"{path} is no safetensors file, or a damaged one: {error}.") from error
    for name, tensor in tensors.items():
        if tensor.dim() > _MOST_DIMENSIONS:
            raise WeightsError(
                f"expected tensors of at most {_MOST_DIMENSIONS} dimensions in {path}; {name} has {tensor.dim():,}. It is no "
                "file of a network: use another."
            )
    return {name: tensor.to(device) for name, tensor in _read(path, 8 + header, tensors).items()}


def _read(path: Path, begin: int, mapped: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in memory of their own: of those that the library maps, the file's pages would stay in memory beside them."""
    tensors = {}
    with path.open("rb") as file:
        entries = json.loads(file.read(begin)[8:])
        for name, like in mapped.items():
            tensor = torch.empty(like.shape, dtype=like.dtype)
            file.seek(begin + entries[name]["data_offsets"][0])
            file.readinto(tensor.reshape(-1).view(torch.uint8).numpy().data)
            tensors[name] = tensor
    return tensors
