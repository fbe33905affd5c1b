"""A run exported once for all tests here: the file answers as the run, and what differs is refused."""

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import html5lib
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image

import striate
from striate.base.errors import DecodeError, NumbersError, RunError, SettingError, UnsupportedError
from striate.cli import export as command
from striate.cli.main import main
from striate.data.decode import InputSpec
from striate.data.image_inputs import ImageInput
from striate.model import Model
from striate.onnx_model import OnnxModel
from striate.workflows.export import graph, proof, resize_in_graph, run, web_folder
from support.models import tiny_model

NET = "conv 3x3x4, bn, relu, pool 2, fc"


class Exported(NamedTuple):
    folder: Path
    run: Path
    printed: dict[str, Any]
    model: Model
    onnx: OnnxModel


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    folder = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        striate.train("digits", net=NET, epochs=1, name="a")
        patch.setattr(run, "onnxruntime_web_files", lambda *_: {"onnxruntime-web.js": b""})
        printed = striate.export("a", int8=True, fp16=True, web=True, pt2=True)
        yield Exported(folder, folder / "runs/a", printed, striate.load("a"), striate.load(printed["onnx"]))


def test_the_file_is_proved_and_says_so(exported: Exported):
    printed = exported.printed
    assert printed["onnx"] == "striate-export-a/model.onnx"
    assert printed["bytes"] == (exported.folder / printed["onnx"]).stat().st_size
    assert printed["images_from"] == "validation images of digits"
    agreement = printed["agreement"]
    assert agreement["n"] == 179
    assert agreement["top1"] == 1
    assert agreement["max_abs_logit"] <= 1e-4 * max(1, agreement["largest_logit"])


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_files_of_less_precision_answer_like_any_other(
    precision: str, exported: Exported, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(exported.folder)
    printed = exported.printed[precision]
    path = Path(printed["onnx"])
    assert path == Path(f"striate-export-a/model-{precision}.onnx")
    assert printed["bytes"] == path.stat().st_size
    assert printed["agreement"]["n"] == printed["accuracy_change"]["n"] == 179
    assert printed["accuracy_change"]["low"] < printed["accuracy_change"]["value"] < printed["accuracy_change"]["high"]
    assert printed.get("calibration_images") == {"int8": 256, "fp16": None}[precision]
    model = striate.load(path)
    assert model.described == {**exported.onnx.described, "precision": precision}
    Image.fromarray(np.eye(20, dtype=np.uint8) * 200).save("two.png")
    assert main(["predict", str(path), "two.png", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    script: dict[str, Any] = runpy.run_path(exported.printed["runner"])
    answer = script["answer"](model.session, model.described, "two.png")
    assert answer.items() <= row.items()


def test_the_folder_for_a_static_host_is_whole_and_asks_for_nothing_elsewhere(exported: Exported):
    folder = exported.folder / exported.printed["web"]
    page = (folder / "index.html").read_text("utf-8")
    html5lib.HTMLParser(strict=True).parse(page)
    assert f'<meta http-equiv="Content-Security-Policy" content="{web_folder.POLICY}">' in page
    assert "default-src 'none'" in web_folder.POLICY
    assert "connect-src 'self'" in web_folder.POLICY
    assert not re.findall(r"\son\w+=|style=|<!-- ", page)
    scripts = {path.name: path.read_text("utf-8") for path in folder.glob("*.js")}
    needed = {name for text in scripts.values() for name in re.findall(r'from "\./(.+?)"', text)}
    assert needed | {"page.js", "page.css", "icon.svg", "model.onnx", "model.json"} <= {path.name for path in folder.iterdir()}
    assert not re.findall(r"https?://|innerHTML|eval\(", "".join([page, *scripts.values()]))
    assert (folder / "model.onnx").read_bytes() == (exported.folder / exported.printed["onnx"]).read_bytes()
    described = json.loads((folder / "model.json").read_text("utf-8"))
    assert described == {**exported.onnx.described, "vertical_first": resize_in_graph.vertical_first()}


def test_the_file_for_torch_answers_as_the_run_for_any_batch(exported: Exported):
    printed = exported.printed["pt2"]
    path = exported.folder / printed["path"]
    assert (printed["path"], printed["bytes"]) == ("striate-export-a/model.pt2", path.stat().st_size)
    assert (printed["agreement"]["n"], printed["agreement"]["top1"], printed["agreement"]["unknown"]) == (179, 1, 1)
    lines = list(command._lines(exported.printed))
    assert any(line.startswith("striate-export-a/model.pt2 (") for line in lines)
    assert any(line.startswith("  on the same images: 100.00 % of the predictions are the same") for line in lines), lines
    extra = {"striate.json": ""}
    module = torch.export.load(path, extra_files=extra).module()
    described = json.loads(extra["striate.json"])
    names = described.pop("outputs")
    assert described == exported.onnx.described
    side = exported.model.input_spec.size_px
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (40, side, side, 1), np.uint8)
    for count in (1, 2, 40):
        outputs = dict(zip(names, module(torch.from_numpy(pixels_NHWC[:count])), strict=True))
        ours = exported.model.classify(pixels_NHWC[:count])
        assert [described["classes"][k] for k in outputs["logits"].argmax(dim=1)] == [each.label for each in ours]
        assert outputs["unknown"].tolist() == [each.unknown for each in ours]
        np.testing.assert_allclose(
            outputs["probabilities"].amax(dim=1).detach(), [each.probability for each in ours], atol=1e-5
        )


def test_images_that_calibrate_prove_nothing():
    labels_N, ids_N = np.arange(12) % 2, np.arange(12).astype(np.uint64)
    parts = SimpleNamespace(train_M=np.arange(6), val_M=np.arange(6, 9))
    examples = SimpleNamespace(labels_N=labels_N, ids_N=ids_N, root="here", used_M=lambda: np.arange(12))
    dataset: Any = SimpleNamespace(parts=parts, examples=examples, by_id=lambda rows_M: rows_M)
    calibration_M, held_M = run.divided(dataset, "validation", True)
    assert (sorted(calibration_M), held_M.tolist()) == ([0, 1, 2, 3, 4, 5], [6, 7, 8])
    calibration_M, held_M = run.divided(dataset, "all", True)
    assert (sorted(calibration_M), held_M.tolist()) == ([0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11])
    calibration_M, held_M = run.divided(dataset, "all", False)
    assert (len(calibration_M), len(held_M)) == (0, 12)


def test_it_is_scored_as_the_run_is(
    exported: Exported, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(exported.folder)
    for k, pixels_HW in enumerate(np.random.default_rng(4).integers(0, 256, (24, 9, 9), np.uint8)):
        folder = tmp_path / "images" / str(k % 3)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels_HW).save(folder / f"{k}.png")
    path = exported.printed["onnx"]
    ours, theirs = (striate.evaluate(model, tmp_path / "images") for model in ("a", path))
    assert ours["n"] == theirs["n"] == 24
    for name in ("accuracy", "low", "high", "confusion", "majority", "unknown", "temperature"):
        assert ours[name] == theirs[name]
    assert ours["calibration_error"] == pytest.approx(theirs["calibration_error"], abs=1e-5)
    assert theirs["trained_on"] is None
    assert main(["evaluate", path]) == 2
    assert f"{path} has no test images of its own; write `striate evaluate {path} DATA`" in capsys.readouterr().err
    assert main(["evaluate", path, str(tmp_path / "images"), "--crops", "5"]) == 2
    assert "--crops 5 does not apply to an ONNX file" in capsys.readouterr().err
    with pytest.raises(SettingError, match="save=true does not apply to an ONNX file, which is sealed"):
        striate.evaluate(path, tmp_path / "images", max_error=0.1, save=True)


def test_it_has_all_that_its_use_needs(exported: Exported):
    described, saved = exported.onnx.described, json.loads((exported.run / "model/model.json").read_text("utf-8"))
    for name in ("classes", "input_spec", "decoder_version", "confidence", "license", "aliases", "training"):
        assert described[name] == saved[name]
    assert described["unknown"] == saved["unknown_inputs"]
    assert described["temperature"] == saved["confidence"]["temperature"]
    result = json.loads((exported.run / "result.json").read_text("utf-8"))
    environment = json.loads((exported.run / "environment.json").read_text("utf-8"))
    assert described["weights_sha256"] == result["weights_sha256"]
    assert described["data_sha256"] == environment["data_sha256"]
    assert described["precision"] == "fp32"


def test_its_answers_are_those_of_the_model_for_any_batch(exported: Exported):
    side = exported.model.input_spec.size_px
    pixels_NHWC = np.random.default_rng(0).integers(0, 256, (40, side, side, 1), np.uint8)
    for count in (1, 2, 17, 40):
        ours, theirs = exported.model.classify(pixels_NHWC[:count]), exported.onnx.classify(pixels_NHWC[:count])
        assert [(one.label, one.unknown, one.abstained) for one in ours] == [
            (one.label, one.unknown, one.abstained) for one in theirs
        ]
        np.testing.assert_allclose([one.probability for one in ours], [one.probability for one in theirs], atol=1e-5)
    outputs = exported.onnx.predict_pixels(pixels_NHWC)
    np.testing.assert_allclose(outputs.features, exported.model.logits_and_embeddings(pixels_NHWC).embeddings_ND, atol=1e-4)
    np.testing.assert_allclose(outputs.probabilities, exported.model.probabilities(outputs.logits), atol=1e-6)


def test_the_command_predicts_with_it(exported: Exported, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(exported.folder)
    Image.fromarray(np.eye(20, dtype=np.uint8) * 200).save("one.png")
    rows = []
    for model in ("a", exported.printed["onnx"]):
        assert main(["predict", model, "one.png", "--json"]) == 0
        rows.append(json.loads(capsys.readouterr().out))
    for name in ("label", "unknown", "abstained", "set", "path"):
        assert rows[0][name] == rows[1][name]
    assert rows[0]["probability"] == pytest.approx(rows[1]["probability"], abs=2e-6)
    assert main(["predict", exported.printed["onnx"], "one.png", "--crops", "5"]) == 2
    assert "--crops 5 does not apply to an ONNX file" in capsys.readouterr().err


def _odd_images(folder: Path) -> list[str]:
    """Images of every mode that the decoder knows, and one that is none."""
    draw = np.random.default_rng(3)
    color_HW4 = draw.integers(0, 256, (21, 34, 4), np.uint8)
    color, gray, deep = Image.fromarray(color_HW4), color_HW4[..., 0], draw.integers(0, 65536, (21, 34), np.uint16)
    turned = Image.Exif()
    turned[0x0112] = 6
    color.convert("RGB").save(folder / "color.png")
    color.convert("RGB").save(folder / "turned.jpg", exif=turned)
    color.convert("CMYK").save(folder / "ink.jpg")
    color.convert("P").save(folder / "palette.gif")
    color.save(folder / "clear.png")
    Image.fromarray(gray).convert("1").save(folder / "bits.png")
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(deep.astype(np.float32) / 65535).save(folder / "float.tif")
    Image.fromarray(deep // 4096).save(folder / "dark.png")
    (folder / "none.png").write_bytes(b"none")
    return sorted(str(path) for path in folder.iterdir())


@pytest.mark.parametrize("mode", ["squash", "crop", "pad"])
def test_the_script_beside_it_answers_as_predict_does(mode: str, exported: Exported, tmp_path: Path):
    template = Path(run.__file__).with_name("predict.py.template")
    beside = exported.folder / exported.printed["runner"]
    assert beside.read_bytes() == template.read_bytes()
    assert len(template.read_text("utf-8").splitlines()) <= 120
    script: dict[str, Any] = runpy.run_path(str(beside))
    spec = exported.model.input_spec._replace(resize_mode=mode, share=0.875 if mode == "crop" else 1.0)
    paths = _odd_images(tmp_path)
    verdicts = [_pixels(path, spec) for path in paths]
    assert sum(verdict is None for verdict in verdicts) == 2
    for path, pixels_HWC in zip(paths, verdicts, strict=True):
        for channels in (1, 3):
            described = {**exported.onnx.described["input_spec"], **spec._asdict(), "channels": channels}
            if pixels_HWC is None:
                with pytest.raises((ValueError, OSError)):
                    script["levels"](path, described)
            else:
                ours_HWC = _pixels(path, spec._replace(channels=channels))
                np.testing.assert_array_equal(script["square"](script["levels"](path, described), described), ours_HWC)
    rows = [script["answer"](exported.onnx.session, exported.onnx.described, path) for path in paths]
    for row, ours in zip(rows, striate.predict(exported.run, paths), strict=True):
        expected = ours.as_json()
        assert row.keys() | {"set"} == expected.keys() | {"set"}
        assert (row.get("label"), row.get("unknown")) == (expected.get("label"), expected.get("unknown"))
        assert row.get("probability") == pytest.approx(expected.get("probability"), abs=2e-6)


def _pixels(path: str, spec: InputSpec) -> np.ndarray | None:
    try:
        return ImageInput(path, Path(path)).decode(spec)
    except DecodeError:
        return None


def test_what_needs_the_network_refuses_the_file(exported: Exported, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(exported.folder)
    with pytest.raises(SettingError, match="is an ONNX file already"):
        striate.export(exported.printed["onnx"])
    with pytest.raises(RunError, match="is an ONNX file, which `predict`, `evaluate` and `serve` alone take"):
        striate.verdicts(exported.printed["onnx"])
    with pytest.raises(SettingError, match=r"onnxruntime_web=a.tgz is for the page; add web=true, or leave it out\."):
        striate.export(exported.run, onnxruntime_web="a.tgz")
    with pytest.raises(SettingError, match="nothing is known here"):
        striate.export(exported.run / "model")


def test_a_file_that_answers_otherwise_is_not_written(exported: Exported, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(exported.folder)
    proto = onnx.load(exported.printed["onnx"])
    (bias,) = (tensor for tensor in proto.graph.initializer if list(tensor.dims) == [10] and tensor.data_type == 1)
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(0.1), bias.name))
    monkeypatch.setattr(graph, "trace", lambda _: graph.Traced(proto, []))
    with pytest.raises(NumbersError, match=r"does not answer as the original: a logit differs by 0\.1, more than"):
        striate.export("a", "elsewhere")
    assert not (exported.folder / "elsewhere").exists()


def test_what_an_earlier_export_left_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for name in ("model.onnx", "model-int8.onnx", "model-fp16.onnx"):
        (tmp_path / name).touch()
    (tmp_path / "web").mkdir()
    run.warn_of_others(tmp_path, {"int8": {}, "web": "web"})
    assert "earlier export, which were not written again: model-fp16.onnx. Delete them" in caplog.messages[0]
    caplog.clear()
    run.warn_of_others(tmp_path, {"int8": {}, "fp16": {}, "web": "web"})
    assert not caplog.messages


@pytest.mark.parametrize("arguments", [[], ["none.onnx", "a.png"], ["model-any-size.onnx", "a.png"]])
def test_the_script_says_what_it_takes(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("model-any-size.onnx").touch()
    script = tmp_path / "predict.py"
    script.write_bytes(Path(run.__file__).with_name("predict.py.template").read_bytes())
    monkeypatch.setattr("sys.argv", ["predict.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    model = arguments[0] if arguments else str(tmp_path / "model.onnx")
    expected = f"expected images, and the model of one size at {model}: python {script} [MODEL.onnx] IMAGE..."
    assert ended.value.code == expected


class _Answers(NamedTuple):
    """A file that answers what it is told."""

    logits: np.ndarray

    def predict_pixels(self, images_NHWC: np.ndarray) -> Any:
        return _Outputs(self.logits[: len(images_NHWC)])


class _Outputs(NamedTuple):
    logits: np.ndarray
    unknown: None = None


def test_near_ties_are_counted_and_no_others():
    ours_NK = np.array([[1, 1 + 1e-6, 0], [5, 1, 0], [0, 1, 2]], np.float32)
    theirs_NK = np.array([[1, 1 - 1e-6, 0], [5, 1, 0], [0, 1, 2]], np.float32)
    images = proof.Reference(np.zeros((3, 1), np.uint8), np.zeros(3, np.int64), ours_NK, np.zeros((3, 1), np.float32))
    agreement = proof.compare(tiny_model(), _Answers(theirs_NK), images)  # type: ignore[arg-type]
    assert (agreement.n, agreement.near_ties, agreement.largest_logit) == (3, 1, 5)
    assert agreement.top1 == pytest.approx(2 / 3)
    theirs_NK[1] = [1, 5, 0]  # a prediction that differs by far is no near tie
    agreement = proof.compare(tiny_model(), _Answers(theirs_NK), images)  # type: ignore[arg-type]
    assert agreement.near_ties == 1
    assert agreement.max_abs_logit == 4


def test_a_network_without_a_form_is_refused(monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator\nand a long trace")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(UnsupportedError, match=r"has no form in ONNX: no such operator\. Its own artifact works"):
        graph.trace(tiny_model())
