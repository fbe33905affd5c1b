"""The same 200 images of odd modes by every path to an answer: the network sees the same pixels, and the answer is the same.

The classifier is one layer, so that its ONNX file can be made by hand, with the pixels themselves as features. So what each
path has decoded can be read from its embeddings.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import striate
from striate.base import onnx_file
from striate.base.errors import WeightsError
from striate.batches.preprocess import Preprocess
from striate.data import saved_input_spec
from striate.data.decode import InputSpec
from striate.data.image_facts import Pixels
from striate.metrics.confidence import Confidence
from striate.model import Model
from striate.nets.factory import build
from striate.onnx_model import OnnxModel
from striate.workflows import export
from striate.workflows.export import onnxruntime_web, web_folder
from striate.workflows.serve.loaded_model import LoadedModel
from support import browser, onnx_files, png_files
from support.command_line import run
from support.odd_images import odd_images
from support.serving import running

SIDE, COUNT = 12, 200
NET = "relu, fc"  # pixels are not negative, and stay as they are
CLASSES = ("a", "b", "c")
LEVELS = {"alpha.webp": 2}  # by which a browser decodes otherwise, which has multiplied by transparency; no other pixel differs
SPECS = {
    "color": InputSpec(SIDE, 3, "crop", (9, 8, 7), share=0.875, interpolation="bicubic"),
    "gray": InputSpec(SIDE, 1, "pad", (9, 8, 7)),
}


class Answer(NamedTuple):
    """Of one image by one path; where it is refused there is no label."""

    label: str | None
    probability: float
    pixels_HWC: Pixels | None  # None also where the path does not show them


class Classifier(NamedTuple):
    folder: Path  # a model of striate's
    file: Path  # the same in an ONNX file, with the runner beside it
    spec: InputSpec
    images: list[Path]
    expected: list[Answer]  # by the model in Python


def by_hand(net: torch.nn.Module, spec: InputSpec) -> onnx.ModelProto:
    """Pixels as floats are the features; the layer is that of the network for pixels from 0 to 1, channels last."""
    weights_KD, bias_K = (tensor.detach().numpy() for tensor in net.parameters())
    by_pixel_KD = weights_KD.reshape(len(CLASSES), spec.channels, -1).transpose(0, 2, 1).reshape(len(CLASSES), -1) / 255
    nodes = [
        helper.make_node("Cast", ["images"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["levels", "shape"], ["features"]),
        helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = {"weights": by_pixel_KD, "bias": bias_K}
    initializers = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    initializers.append(numpy_helper.from_array(np.array([-1, by_pixel_KD.shape[1]], np.int64), "shape"))
    given = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", SIDE, SIDE, spec.channels])
    widths = {"logits": len(CLASSES), "probabilities": len(CLASSES), "features": by_pixel_KD.shape[1]}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]) for name, width in widths.items()]
    graph = helper.make_graph(nodes, "g", [given], outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.fixture(scope="module", params=sorted(SPECS))
def classifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder, spec = tmp_path_factory.mktemp("paths"), SPECS[request.param]
    net = build(NET, (spec.channels, SIDE, SIDE), len(CLASSES), seed=1).eval()
    plain = Preprocess(torch.zeros(spec.channels, 1, 1), torch.ones(spec.channels, 1, 1))
    Model(net, NET, {}, plain, spec, CLASSES, training={"seed": 1}).save(folder / "model")
    described = {
        "format": 1, "classes": list(CLASSES), "input_spec": saved_input_spec.as_json(spec), "confidence": asdict(Confidence()),
    }  # fmt: skip
    (folder / "onnx").mkdir()
    file = onnx_files.write(folder / "onnx" / "model.onnx", by_hand(net, spec), **described)
    runner = Path(export.__file__).with_name("predict.py.template")
    (folder / "onnx" / "predict.py").write_bytes(runner.read_bytes())
    images = odd_images(folder / "images", COUNT)
    return Classifier(folder / "model", file, spec, images, in_python(folder / "model", images))


def answer(row: dict[str, Any], features_D: Any = None, spec: InputSpec | None = None) -> Answer:
    """From a line of JSON and the features of the ONNX file."""
    if row.get("error") is not None:
        return Answer(None, 0.0, None)
    pixels_HWC = None
    if features_D is not None and spec is not None:
        pixels_HWC = np.asarray(features_D).reshape(SIDE, SIDE, spec.channels).astype(np.uint8)
    return Answer(row["label"], row["probability"], pixels_HWC)


def in_python(folder: Path, images: list[Path]) -> list[Answer]:
    model, answers = striate.load(folder), []
    for path in images:
        try:
            pixels_HWC: NDArray[np.uint8] = model.pixels(path)
        except striate.StriateError:
            answers.append(Answer(None, 0.0, None))
            continue
        prediction = model.predict(path)
        answers.append(Answer(prediction.label, prediction.probability, pixels_HWC))
    return answers


def onnx_in_python(given: Classifier, _capsys: Any) -> list[Answer]:
    rows = striate.predict(OnnxModel.load(given.file).path, given.images, embed=given.folder.with_name("embeddings.npy"))
    return [answer(row.as_json(), row.embedding, given.spec) for row in rows]


def command(given: Classifier, capsys: pytest.CaptureFixture[str]) -> list[Answer]:
    lines = run(capsys, "predict", given.folder, given.images[0].parent, "--json").out.splitlines()
    return [answer(json.loads(line)) for line in lines]


def command_with_parts(given: Classifier, capsys: pytest.CaptureFixture[str]) -> list[Answer]:
    out, embed = given.folder.with_name("rows.jsonl"), given.folder.with_name("e.npy")
    run(capsys, "predict", given.file, given.images[0].parent, "--out", out, "--embed", embed, "--parts", 64)
    lines = [line for part in sorted(out.glob("part-*")) for line in part.read_text().splitlines()]
    embeddings_ND = np.concatenate([np.load(part) for part in sorted(embed.glob("part-*"))])
    return [answer(json.loads(line), each, given.spec) for line, each in zip(lines, embeddings_ND, strict=True)]


def runner(given: Classifier, _capsys: Any) -> list[Answer]:
    script = [sys.executable, str(given.file.with_name("predict.py")), *map(str, given.images)]
    printed = subprocess.run(script, check=True, capture_output=True, text=True).stdout
    return [answer(json.loads(line)) for line in printed.splitlines()]


def over_http(given: Classifier, _capsys: Any) -> list[Answer]:
    model, rows, features = LoadedModel(str(given.file), "cpu"), [], []
    model.load()
    with running(model, deadline=120) as server:
        for start in range(0, COUNT, 25):
            files = [("file", (path.name, path.read_bytes())) for path in given.images[start : start + 25]]
            rows += server.client.post("/v1/predict", files=files).json()["predictions"]
            features += [each.get("embedding") for each in server.client.post("/v1/embed", files=files).json()["embeddings"]]
    return [answer(row, each, given.spec) for row, each in zip(rows, features, strict=True)]


IN_BROWSER = """<!doctype html><meta charset="utf-8"><script type="module">
import { classify, load } from "./classify.js";
const names = NAMES, rows = [];
const model = await load();
for (const name of names) {
  try {
    const { row, pixels } = await classify(model, new Uint8Array(await (await fetch(`images/${name}`)).arrayBuffer()));
    rows.push({ ...row, pixels: [...pixels] });
  } catch (error) { rows.push({ error: error.message }); }
}
const page = document.createElement("iframe");
page.src = "index.html";
const loaded = new Promise((resolve) => { page.onload = resolve; });
document.body.append(page);
await loaded;
const at = (id) => page.contentDocument.getElementById(id), chosen = new DataTransfer();
chosen.items.add(new File([await (await fetch("images/SHOWN")).blob()], "chosen"));
at("file").files = chosen.files;
at("file").dispatchEvent(new Event("change"));
while (["", "…"].includes(at("label").textContent)) await new Promise((resolve) => { setTimeout(resolve, 20); });
const requests = page.contentWindow.performance.getEntriesByType("resource").map((entry) => entry.name);
const shown = { label: at("label").textContent, note: at("note").textContent, requests };
await fetch("said", { method: "POST", body: JSON.stringify({ rows, shown }) });
</script>"""


@pytest.mark.skipif(browser.CHROMIUM is None, reason="needs chromium: apt-get install chromium")
def test_the_page_of_a_static_host_sees_the_same_pixels_and_asks_for_nothing_elsewhere(classifier: Classifier, tmp_path: Path):
    try:
        runtime = onnxruntime_web.read()
    except WeightsError as error:
        pytest.skip(f"needs the npm package onnxruntime-web: {error}")
    content = classifier.file.read_bytes()
    for name, each in web_folder.contents(content, onnx_file.check(content, classifier.file), runtime).items():
        (tmp_path / "web").mkdir(exist_ok=True)
        (tmp_path / "web" / name).write_bytes(each)
    shutil.copytree(classifier.images[0].parent, tmp_path / "web/images")
    pngs = [tmp_path / f"web/images/{n}-{kind}.png" for n, kind in enumerate(png_files.kinds())]
    for path, kind in zip(pngs, png_files.kinds(), strict=True):
        path.write_bytes(png_files.png(kind, width=19, height=13))
    images = [*classifier.images, *pngs]
    expected = [*classifier.expected, *in_python(classifier.folder, pngs)]
    names = json.dumps([path.name for path in images])
    first = next(n for n, own in enumerate(expected) if own.label is not None)
    page = IN_BROWSER.replace("NAMES", names).replace("SHOWN", images[first].name)
    (tmp_path / "web/all.html").write_text(page, "utf-8")
    with browser.serving(tmp_path / "web") as site:
        rows, shown = browser.hear(site, "all.html", tmp_path / "profile").values()
        elsewhere = [url for url in shown["requests"] if not url.startswith((f"{site.address}/", f"blob:{site.address}/"))]
    assert elsewhere == []
    assert len([url for url in shown["requests"] if url.endswith(".onnx")]) == 1
    assert shown["label"] == expected[first].label
    percentage = float(shown["note"].removeprefix("Probability ").removesuffix(" %."))
    assert percentage / 100 == pytest.approx(expected[first].probability, abs=6e-4), "rounded to a tenth of a percent"
    levels = dict[str, int]()
    for image, own, row in zip(images, expected, rows, strict=True):
        kind, other = image.name.partition("-")[2], answer(row, row.get("pixels"), classifier.spec)
        if own.pixels_HWC is None or other.pixels_HWC is None:
            assert other.label is None, image.name
            assert own.label is None or kind.endswith(".tif"), f"{image.name}: {row}"
            continue
        difference = int(np.abs(own.pixels_HWC.astype(int) - other.pixels_HWC).max())
        levels[kind] = max(levels.get(kind, 0), difference)
        if difference == 0:
            assert own.label == other.label, image.name
            assert own.probability == pytest.approx(other.probability, abs=2e-6), image.name
    assert {kind: most for kind, most in levels.items() if most > LEVELS.get(kind, 0)} == {}


PATHS = (onnx_in_python, command, command_with_parts, runner, over_http)


@pytest.mark.parametrize("path", PATHS, ids=[path.__name__ for path in PATHS])
def test_the_answers_are_those_of_the_model_in_python(
    classifier: Classifier, path: Callable[[Classifier, Any], list[Answer]], capsys: pytest.CaptureFixture[str]
):
    expected, answers = classifier.expected, path(classifier, capsys)
    assert len(answers) == len(expected) == COUNT
    for image, own, other in zip(classifier.images, expected, answers, strict=True):
        assert own.label == other.label, image.name
        assert own.probability == pytest.approx(other.probability, abs=2e-6), image.name
        if own.pixels_HWC is not None and other.pixels_HWC is not None:
            assert np.array_equal(own.pixels_HWC, other.pixels_HWC), image.name
    refused = [image.name[2:] for image, own in zip(classifier.images, expected, strict=True) if own.label is None]
    assert refused == ["cut.jpg", "text.png"] * (COUNT // 25), "all others are images"
