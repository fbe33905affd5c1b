"""What tells a model from any other: the SHA-256 of its files, or of its weights. Nothing here imports torch."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from striate.base import files, run_folder
from striate.onnx_model import OnnxModel
from striate.workflows.checks import is_external

if TYPE_CHECKING:
    from striate.model import Model


def model_sha256(run: str | Path, model: "Model | OnnxModel") -> str:
    """Of the model of a run its manifest's, which has each file by its own; of an ONNX file its own; of `NET@WEIGHTS` that of
    the name and of all weights, whatever the file that they came from.
    """
    if isinstance(model, OnnxModel):
        return files.sha256(model.path)
    if not is_external(run):
        return files.sha256(run_folder.model_folder(run) / files.MANIFEST)
    digest = hashlib.sha256(str(run).encode())
    for name, tensor in sorted(model.net.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()
