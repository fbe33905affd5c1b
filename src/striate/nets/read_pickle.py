"""Weights out of a pickle, in a child process: run there by `base.child_process`, never in the process of the user."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from striate.base import files
from striate.base.errors import DecodeError

_PLAIN = ("state_dict", "model_state_dict", "model_state", "model", "net", "weights", "params", "module")
# Averages of the weights over the training, as timm, torchvision's references, Ultralytics and others call them
_AVERAGED = (
    "state_dict_ema", "model_ema", "ema_state_dict", "model_ema_state_dict", "ema_model", "ema", "ema_weights", "params_ema",
)  # fmt: skip
_LIGHTNING = "current_model_state"  # where this is, Lightning's `state_dict` is the average
_PREFIXES = ("module.", "_orig_mod.", "model.")
_MOST_DEPTH = 8
_MOST_TENSORS = 20_000
_MOST_GROWTH = 4  # float32 of a file of bytes; and tensors that share their numbers


class Weights(NamedTuple):
    """The weights within a file, by its own names."""

    state: Mapping[object, object]
    within: str  # the path of the dictionary that they are taken from, with dots; empty for the file itself
    left: str  # likewise, of the plain weights where these are an average, or of the average where these are plain


def convert(argument: object) -> tuple[object, bytes]:
    """Read `{"path": ..., "out": ..., "plain": ...}` and write its tensors to `out` as safetensors, floating ones in float32.

    Only tensors and plain containers are read (`weights_only`); any other class in the file is refused, not run. A dictionary
    within, such as `state_dict`, is taken out, and prefixes that all names share, such as `module.`, are taken off. Of plain
    weights and their average the average is taken, or the `plain` ones.
    """
    assert isinstance(argument, dict)
    try:
        content: Any = torch.load(argument["path"], map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a page of advice, part of which is how to run the pickle all the same
        raise DecodeError(_reason(error)) from None
    if not isinstance(content, Mapping):
        raise DecodeError(f"expected a dictionary of tensors; got {type(content).__name__}")
    state, within, left = find_weights(content, bool(argument.get("plain")))
    tensors = {str(name): tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
    if len(tensors) > 1 and "n_averaged" in tensors and all(name.startswith(("module.", "n_averaged")) for name in tensors):
        del tensors["n_averaged"]  # of torch.optim.swa_utils.AveragedModel: how many were averaged
    others = [str(name) for name in state if str(name) not in tensors]
    if not tensors or (others and not within):
        raise DecodeError(f"expected a dictionary of tensors; got {', '.join(others[:5]) or 'an empty one'}")
    if len(tensors) > _MOST_TENSORS:
        raise DecodeError(f"expected at most {_MOST_TENSORS:,} tensors, as no network here has more; got {len(tensors):,}")
    odd = [f"{name} ({kind})" for name, tensor in tensors.items() if (kind := _oddity(tensor))]
    if odd:
        raise DecodeError(f"expected tensors of plain real numbers; got {', '.join(odd[:5])}")
    if sum(4 * tensor.numel() for tensor in tensors.values()) > _MOST_GROWTH * Path(argument["path"]).stat().st_size + 2**28:
        raise DecodeError(_reason(MemoryError()))  # of a few numbers that a tensor repeats
    prefix = ""
    while more := next((p for p in _PREFIXES if all(name.startswith(prefix + p) for name in tensors)), ""):
        prefix += more
    try:
        _save({name.removeprefix(prefix): tensor for name, tensor in tensors.items()}, Path(argument["out"]))
    except (MemoryError, RuntimeError) as error:
        raise DecodeError(_reason(error)) from None
    return {"tensors": len(tensors), "within": within, "left": left, "prefix": prefix, "others": others}, b""


def find_weights(content: Mapping[Any, Any], plain: bool = False) -> Weights:
    """The innermost dictionary of weights: of averaged and plain ones the averaged, or else the `plain` ones."""
    path: list[str] = []
    left, is_average = "", False
    while True:
        average, other = (_first(content, names) for names in (_AVERAGED, _PLAIN))
        if other == "state_dict" and isinstance(content.get(_LIGHTNING), Mapping):
            average, other = other, _LIGHTNING
        name = other if average is None or (plain and other) else average
        if name is None:
            break
        if len(path) == _MOST_DEPTH:
            raise DecodeError(f"expected a dictionary of tensors; got more than {_MOST_DEPTH} dictionaries in one another")
        if average and other:
            left = ".".join([*path, average if name == other else other])
        is_average |= name == average
        path.append(name)
        content = content[name]
    groups = {str(name).partition(".")[0] for name in content if "." in str(name)}
    if (group := next((name for name in _AVERAGED if name in groups), None)) and len(groups) > 1:
        start = f"{group}."  # modules beside each other, as those of Lightning are
        left = ".".join([*path, group if plain else ", ".join(sorted(groups - {group}))])
        inside = {name: value for name, value in content.items() if str(name).startswith(start) != plain}
        content = {str(name).removeprefix(start): value for name, value in inside.items()}
        is_average, path = not plain, path if plain else [*path, group]
    if plain and is_average:
        raise DecodeError("expected plain weights; it has averaged ones (EMA) alone")
    return Weights(content, ".".join(path), left)


def _first(content: Mapping[Any, Any], names: Sequence[str]) -> str | None:
    return next((name for name in names if isinstance(content.get(name), Mapping)), None)


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
