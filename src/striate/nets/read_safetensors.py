"""Safetensors files from anywhere: one with a header that no network needs is refused before it is parsed."""

from pathlib import Path

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
        tensors = load_file(path, device=device)
    except (SafetensorError, OSError, OverflowError) as error:
        raise WeightsError(f"{path} is no safetensors file, or a damaged one: {error}.") from error
    for name, tensor in tensors.items():
        if tensor.dim() > _MOST_DIMENSIONS:
            raise WeightsError(
                f"expected tensors of at most {_MOST_DIMENSIONS} dimensions in {path}; {name} has {tensor.dim():,}. It is no "
                "file of a network: use another."
            )
    return tensors
