"""What computes predictions: torch, or onnxruntime on the file that a run was exported to. Nothing here imports either."""

import json
from dataclasses import asdict
from pathlib import Path

from striate.base import files, onnx_file, run_folder
from striate.base.errors import ArtifactError, SettingError
from striate.base.option_names import option
from striate.metrics.confidence import of_artifact
from striate.onnx_model import is_onnx
from striate.workflows.checks import is_external

EXPORTED = "model.onnx"  # in the folder of an export
ENGINES = ("torch", "onnx", "ray")


def export_folder(run: str | Path) -> Path:
    """Where `striate export` writes, unless it is told."""
    return Path(f"striate-export-{Path(run).name}")


def of_engine(run: str | Path, engine: str | None) -> str | Path:
    """The run, or the file of its export, whichever `engine` computes; None is torch for a run, onnx for an ONNX file.

    Raises:
        SettingError: there is no such engine, or torch is to run an ONNX file.
        ArtifactError: the run was not exported here, or its model is another one since.

    """
    if engine is not None and engine not in ENGINES:
        raise SettingError(f"expected {option('engine')} {', '.join(ENGINES[:-1])} or {ENGINES[-1]}; got {engine!r}.")
    if is_onnx(run):
        if engine == "torch":
            raise SettingError(f"{option('engine', 'torch')} does not apply to the ONNX file {run}. Give the run instead.")
        return run
    if engine != "onnx":
        return run
    path = export_folder(run) / EXPORTED
    if not path.is_file():
        raise ArtifactError(
            f"expected the ONNX file of {run} at {path}; there is none. Write it by `striate export {run}`, or give an ONNX "
            "file in place of the run."
        )
    _check_same_model(run, path)
    return path


def _check_same_model(run: str | Path, path: Path) -> None:
    """Refuse the export of a model that has been trained or calibrated anew; of `NET@WEIGHTS` there is nothing to compare."""
    if is_external(run):
        return
    described = onnx_file.check(onnx_file.read(path), path)
    folder = run_folder.model_folder(run)
    confidence = asdict(of_artifact(json.loads((folder / "model.json").read_text("utf-8"))))
    same = described["weights_sha256"] == files.sha256(folder / "weights.safetensors")
    if not same or asdict(of_artifact(described)) != confidence:
        raise ArtifactError(
            f"{path} was exported from {run} before that had its present model. Run `striate export {run}` again."
        )
