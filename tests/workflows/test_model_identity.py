"""A model is told by its files, or by its weights where it is external: a changed one is another."""

from dataclasses import replace
from pathlib import Path

import torch

from striate.base import files
from striate.onnx_model import OnnxModel
from striate.workflows.model_identity import model_sha256
from support import onnx_files
from support.models import tiny_model


def test_a_run_and_a_file_are_told_by_their_bytes(tmp_path: Path):
    model = tiny_model()
    model.save(tmp_path / "m")
    assert model_sha256(tmp_path / "m", model) == files.sha256(tmp_path / "m" / "MANIFEST.sha256")
    file = onnx_files.write(tmp_path / "m.onnx")
    assert model_sha256(file, OnnxModel.load(file)) == files.sha256(file)


def test_external_weights_are_told_by_their_numbers():
    """A file that was written anew under the same name is another model."""
    model = tiny_model()
    before = model_sha256("tiny@weights.safetensors", model)
    assert model_sha256("tiny@weights.safetensors", replace(model)) == before
    with torch.no_grad():
        next(model.net.parameters()).view(-1)[0] += 1
    assert model_sha256("tiny@weights.safetensors", model) != before
