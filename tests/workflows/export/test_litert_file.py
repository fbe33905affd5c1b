"""The file for LiteRT. Its converter is no package of `striate[test]`: where it is absent, what needs it is skipped."""

import io
import json
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import striate
from striate.base.errors import MissingExtraError, NumbersError, UnsupportedError
from striate.base.option_names import on_command_line
from striate.workflows import checks
from striate.workflows.export import litert_file, proof
from support.models import tiny_model

needs_litert = pytest.mark.skipif(
    find_spec("litert_torch") is None or find_spec("ai_edge_litert") is None, reason="needs litert-torch, of the extra [litert]"
)


def _images(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 12, 12, 3), np.uint8)


@pytest.mark.parametrize(
    ("added", "message"), [(0.1, r"a logit differs by 0\.1, more than"), (float("nan"), r"the \.tflite file put out NaN")]
)
def test_a_file_that_answers_otherwise_is_refused(added: float, message: str):
    model, sizes = tiny_model(), list[int]()
    images = proof.reference(model, _images(), np.zeros(5, np.int64))

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        sizes.append(len(images))
        outputs = model.logits_and_embeddings(images)
        return {
            "logits": outputs.logits_NK + np.float32(added), "probabilities": outputs.logits_NK,
            "features": outputs.embeddings_ND,
        }  # fmt: skip

    with pytest.raises(NumbersError, match=message):
        proof.prove(model, litert_file.Signature(run), images)
    assert set(sizes) == {1}
    added = 0.0
    assert proof.prove(model, litert_file.Signature(run), images).max_abs_logit < 1e-6


def test_without_its_packages_the_export_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(checks, "check_inspection", lambda *_, **__: None)
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "litert_torch" else name)
    checks.check_export("a", tmp_path, None)
    with on_command_line(), pytest.raises(MissingExtraError) as refused:
        checks.check_export("a", tmp_path, None, True)
    assert str(refused.value) == "--litert needs litert-torch, which is not installed: pip install 'striate[litert]'."
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(MissingExtraError) as refused:
        checks.check_export("a", tmp_path, None)
    assert str(refused.value) == "Export to ONNX needs onnxruntime, which is not installed: pip install 'striate[export]'."


@needs_litert
def test_a_network_that_is_not_converted_is_refused(monkeypatch: pytest.MonkeyPatch):
    import litert_torch

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator\nand a long trace")

    monkeypatch.setattr(litert_torch, "convert", fail)
    with pytest.raises(UnsupportedError, match=r"has no form in LiteRT: no such operator\. Export without it\."):
        litert_file.written(tiny_model(), {})


@needs_litert
def test_the_file_answers_as_the_run_image_by_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from ai_edge_litert.interpreter import Interpreter

    monkeypatch.chdir(tmp_path)
    striate.train("digits", net="conv 3x3x4, bn, relu, pool 2, fc", epochs=1, name="a")
    striate.evaluate("a", max_error=0.1, save=True)
    printed = striate.export("a", litert=True)
    path = Path(printed["litert"]["path"])
    assert (str(path), printed["litert"]["bytes"]) == ("striate-export-a/model.tflite", path.stat().st_size)
    assert (printed["litert"]["agreement"]["n"], printed["litert"]["agreement"]["top1"]) == (179, 1)
    assert printed["litert"]["agreement"]["unknown"] == 1
    described = json.loads(zipfile.ZipFile(path).read("striate.json"))
    names = described.pop("outputs")
    assert described == striate.load(printed["onnx"]).described
    model = striate.load("a")
    side = model.input_spec.size_px
    run: Any = Interpreter(model_path=str(path)).get_signature_runner()
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (20, side, side, 1), np.uint8)
    for pixels_1HWC, ours in zip(pixels_NHWC[:, None], model.classify(pixels_NHWC), strict=True):
        outputs = run(images=pixels_1HWC)
        assert sorted(outputs) == sorted(names)
        assert described["classes"][int(outputs["logits"].argmax())] == ours.label
        assert (bool(outputs["unknown"][0]), bool(outputs["abstained"][0])) == (ours.unknown, ours.abstained)
        assert float(outputs["probabilities"].max()) == pytest.approx(ours.probability, abs=1e-5)


@needs_litert
def test_the_same_model_gives_the_same_bytes():
    content = litert_file.written(tiny_model(), {"a": 1})
    assert content == litert_file.written(tiny_model(), {"a": 1})
    assert json.loads(zipfile.ZipFile(io.BytesIO(content)).read("striate.json")) == {
        "a": 1, "outputs": ["logits", "probabilities", "features"],
    }  # fmt: skip
