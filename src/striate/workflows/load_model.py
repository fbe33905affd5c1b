"""`striate.load`: a model by the name of its run, its folder, or its external weights."""

from pathlib import Path

from striate.base import run_folder
from striate.model import Model
from striate.workflows import external_weights


def load(run: str | Path, device: str = "cpu") -> Model:
    """The model of a run, given by name or folder; of a model's folder; or `NET@imagenet`, `NET@FILE.safetensors`."""
    if is_external(str(run)):
        return external_weights.load_external(str(run), device)
    return Model.load(run_folder.model_folder(str(run)), device)


def is_external(run: str) -> bool:
    """Whether this names external weights, and no run here has that name."""
    return external_weights.is_external(run) and not (run_folder.OUT / run).exists()
