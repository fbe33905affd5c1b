"""Which of torch and onnxruntime computes, and that an export is of the model that its run has."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import striate
from striate.base.errors import ArtifactError, SettingError
from striate.base.onnx_file import FORMAT
from striate.metrics.confidence import Confidence
from striate.workflows.engines import of_engine
from support import onnx_files
from support.command_line import run
from support.models import tiny_model

GIVEN = {"format": FORMAT, "confidence": asdict(Confidence())}


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file beside the model `m` in the current folder."""
    monkeypatch.chdir(tmp_path)
    weights_sha256 = tiny_model().save(Path("m"))
    Path("striate-export-m").mkdir()
    return onnx_files.write(Path("striate-export-m/model.onnx"), weights_sha256=weights_sha256, **GIVEN)


def test_a_run_is_computed_by_torch_and_a_file_by_onnxruntime_unless_it_is_said(exported: Path):
    assert of_engine("m", None) == of_engine("m", "torch") == "m"
    assert of_engine("m", "onnx") == exported
    assert of_engine(exported, None) == of_engine(exported, "onnx") == exported
    with pytest.raises(SettingError, match=r"engine=torch does not apply to the ONNX file .*onnx\. Give the run instead\."):
        of_engine(exported, "torch")
    with pytest.raises(SettingError, match=r"expected engine torch, onnx or ray; got 'tensorrt'\."):
        of_engine("m", "tensorrt")


def test_a_file_is_run_on_the_processor(exported: Path):
    white_HWC = np.full((12, 12, 3), 255, np.uint8)
    assert striate.predict(exported, white_HWC, device="auto").prediction.label == "light"
    with pytest.raises(SettingError, match=r"device=cuda does not apply to .*onnx: an ONNX file is run on the processor\."):
        striate.predict(exported, white_HWC, device="cuda")


def test_predictions_are_those_of_the_file(exported: Path):
    """The file by hand calls the gray pixel 255 light; the model of random weights has other classes."""
    assert exported.is_file()
    white_HWC = np.full((12, 12, 3), 255, np.uint8)
    assert striate.predict("m", white_HWC, engine="onnx").prediction.label == "light"
    assert striate.predict("m", white_HWC).prediction.label in "abc"


def test_without_an_export_it_says_how_to_make_one(exported: Path, capsys: pytest.CaptureFixture[str]):
    exported.unlink()
    printed = run(capsys, "predict", "m", ".", "--engine", "onnx")
    assert printed.code != 0
    assert printed.err.rstrip() == (
        "striate: expected the ONNX file of m at striate-export-m/model.onnx; there is none. Write it by `striate export m`, "
        "or give an ONNX file in place of the run."
    )


@pytest.mark.parametrize("change", ["weights", "temperature"])
def test_an_export_of_another_model_is_refused(exported: Path, change: str):
    if change == "weights":
        onnx_files.write(exported, weights_sha256="0" * 64, **GIVEN)
    else:
        described = json.loads(Path("m/model.json").read_text())
        described["confidence"]["temperature"] = 2.0
        Path("m/model.json").write_text(json.dumps(described))
    with pytest.raises(ArtifactError, match=r"m before that had its present model\. Run `striate export m` again\."):
        of_engine("m", "onnx")
