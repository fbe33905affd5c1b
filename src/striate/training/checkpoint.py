"""Checkpoints: everything that the rest of a run depends on, as safetensors and JSON, never pickle.

`checkpoints/step-000000123/` holds `state.safetensors` - the network's weights and buffers, their average, the best so far, the
optimizer's moments -, `state.json` and the manifest. It is written under another name, fsynced, renamed; then its folder is
fsynced and the journal says so. A checkpoint that fails its manifest is set aside, logged, and the one before it is used.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from safetensors.torch import save as as_bytes
from torch import Tensor

from striate.base import files
from striate.base.errors import ArtifactError, NumbersError

_KEPT = 2


class Checkpoint(NamedTuple):
    """What was read: tensors by name, the rest as JSON, and the sentences about checkpoints that were refused."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]
    refused: tuple[str, ...]


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
    """Write the checkpoint of a step and remove all but the last two."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise NumbersError(f"{name} is not finite at step {step}; no checkpoint was written. Lower train.lr.")
    path = folder / f"step-{step:09d}"
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    facts = json.dumps(state, indent=1, allow_nan=False)
    # As bytes, since the error of safetensors' own writer on a full disk is no OSError
    files.write_folder(path, {"state.safetensors": as_bytes(on_cpu), "state.json": facts.encode()})
    for old in _all(folder)[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return path


def latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint whose every byte is as written; None where there are none."""
    refused: list[str] = []
    for path in reversed(_all(folder)):
        try:
            files.verify(path)
        except ArtifactError as error:
            refused.append(str(error))
            continue
        state = json.loads((path / "state.json").read_text("utf-8"))
        return Checkpoint(load_file(path / "state.safetensors"), state, tuple(refused))
    if refused:
        raise ArtifactError("No checkpoint is whole, so the run cannot go on: " + " ".join(refused))
    return None


def _all(folder: Path) -> list[Path]:
    with files.explained(folder, "read"):  # `glob` takes a folder that it may not read for an empty one
        return sorted(path for path in folder.iterdir() if path.name.startswith("step-")) if folder.exists() else []


def add_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under `prefix.`."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def strip_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose name begins with `prefix.`, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
