"""Weights out of a pickle, in a child process: run there by `base.child_process`, never in the process of the user."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from striate.base import files
from striate.base.errors import DecodeError

_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "weights")
_PREFIXES = ("module.", "_orig_mod.", "model.")


def convert(argument: object) -> tuple[object, bytes]:
    """Read `{"path": ..., "out": ...}` and write its tensors to `out` as safetensors, in float32 where they are floating.

    Only tensors and plain containers are read (`weights_only`); any other class in the file is refused, not run. A dictionary
    within, such as `state_dict`, is taken out, and prefixes that all names share, such as `module.`, are taken off.
    """
    assert isinstance(argument, dict)
    try:
        content: Any = torch.load(argument["path"], map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a page of advice, part of which is how to run the pickle all the same
        raise DecodeError(_reason(error)) from None
    within = ""
    while isinstance(content, Mapping):
        name = next((name for name in _WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if name is None:
            break
        content, within = content[name], f"{within}{name}."
    if not isinstance(content, Mapping):
        raise DecodeError(f"expected a dictionary of tensors; got {type(content).__name__}")
    tensors = {str(name): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
    others = [str(name) for name in content if str(name) not in tensors]
    if not tensors or (others and not within):
        raise DecodeError(f"expected a dictionary of tensors; got {', '.join(others[:5]) or 'an empty one'}")
    odd = [f"{name} ({kind})" for name, tensor in tensors.items() if (kind := _oddity(tensor))]
    if odd:
        raise DecodeError(f"expected tensors of plain real numbers; got {', '.join(odd[:5])}")
    prefix = ""
    while more := next((p for p in _PREFIXES if all(name.startswith(prefix + p) for name in tensors)), ""):
        prefix += more
    try:
        _save({name.removeprefix(prefix): tensor for name, tensor in tensors.items()}, Path(argument["out"]))
    except (MemoryError, RuntimeError) as error:
        raise DecodeError(_reason(error)) from None
    return {"tensors": len(tensors), "within": within.rstrip("."), "prefix": prefix, "others": others}, b""


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return "it needs more memory than the process that reads it may take"
    if code := re.search(r"GLOBAL ([\w.]+)", text):
        return f"it holds more than tensors ({code[1]}), which would be code to run; get one with the state_dict alone"
    if "TorchScript" in text:
        return "it is a program of TorchScript, not weights; get one with the state_dict alone"
    detail = text.rpartition("WeightsUnpickler error: ")[2].partition(" Check the documentation")[0].partition(". ")[0]
    return f"it is no file of torch's, or a damaged one ({type(error).__name__}{': ' if detail else ''}{detail[:120]})"


def _oddity(tensor: Tensor) -> str:
    if tensor.layout != torch.strided:
        return str(tensor.layout).removeprefix("torch.")
    if tensor.is_quantized or tensor.is_complex():
        return str(tensor.dtype).removeprefix("torch.")
    return "without values" if tensor.is_meta else ""


def _save(tensors: Mapping[str, Tensor], out: Path) -> None:
    from safetensors.torch import save

    plain = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).clone().contiguous()
        for name, tensor in tensors.items()
    }
    files.write_bytes(out, save(plain))
