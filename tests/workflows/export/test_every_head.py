"""Classifiers of every kind as files: each answers as `striate predict` does with its run, and each form as the other."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import striate
from striate.base.errors import UnsupportedError
from striate.workflows.export import litert_file, torch_file

NET = "conv 3x3x4, bn, relu, pool 2, fc"
SIDE = 12
LITERT = find_spec("litert_torch") is not None  # an extra that `striate[test]` does not bring
WITHOUT_LITERT = ("knn", "gmdh", "neocognitron")  # their operators are not all in its interpreter


def _images(folder: Path) -> None:
    """Three classes of 40 images: noise, and a bright square in another corner; and a table with two labels for some."""
    draw, rows = np.random.default_rng(0), ["path,labels"]
    for number in range(120):
        k = number % 3
        pixels_HW = draw.integers(0, 120, (SIDE, SIDE), np.uint8)
        pixels_HW[k * 4 : k * 4 + 4, k * 4 : k * 4 + 4] += 100
        path = folder / "abc"[k] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels_HW).save(path)
        rows.append(f"{path.relative_to(folder)},{'abc'[k]}{'|b' if number % 2 and k != 1 else ''}")
    (folder / "labels.csv").write_text("\n".join(rows), "utf-8")


def _trained(images: str = "images", net: str = NET, **settings: Any) -> str:
    epochs = {} if net in ("gmdh", "neocognitron") else {"epochs": 2}
    striate.train(images, net=net, name="a", settings=settings, **epochs)
    return "a"


def _tuned(classifier: str) -> str:
    run = _trained()
    tuned = {"classifier": classifier, "layers": ["pool1"]}
    striate.finetune("images", weights=run, strategies=("extract",), name="b", settings={"finetune": tuned})
    return "b"


def _with_threshold() -> str:
    run = _trained()
    striate.evaluate(run, max_error=0.2, save=True)
    return run


CASES: dict[str, Callable[[], str]] = {
    "knn": lambda: _tuned("knn"),
    "svm": lambda: _tuned("svm"),
    "logistic": lambda: _tuned("logistic"),
    "several labels": lambda: _trained("images/labels.csv", data={"multi_label": True}),
    "zca": lambda: _trained(preprocess={"scale": "zca"}),
    "pca": lambda: _trained(net="mlp", preprocess={"scale": "pca"}),
    "threshold": _with_threshold,
    "gmdh": lambda: _trained(net="gmdh"),
    "neocognitron": lambda: _trained(net="neocognitron"),
}
SOON = ("several labels",)  # the others wait for `make soak`


@pytest.mark.parametrize("kind", [name if name in SOON else pytest.param(name, marks=pytest.mark.soak) for name in CASES])
def test_a_file_answers_as_its_run(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    _images(tmp_path / "images")
    run = CASES[kind]()
    printed = striate.export(run, pt2=True, litert=LITERT and kind not in WITHOUT_LITERT)
    exported = printed["onnx"]
    described = striate.load(exported).described
    assert (described["threshold"] is not None) == (kind == "threshold")
    assert (described["label_thresholds"] is not None) == (kind == "several labels")
    ours, theirs = (striate.predict(model, [tmp_path / "images"]) for model in (run, exported))
    assert len(ours) == len(theirs) == 120
    for one, other in zip(ours, theirs, strict=True):
        assert _flat(one.as_json()) == pytest.approx(_flat(other.as_json()), abs=2e-4)
    _as_onnx(torch_file.loaded(Path(printed["pt2"]["path"]).read_bytes()), exported)
    if LITERT and kind in WITHOUT_LITERT:
        with pytest.raises(UnsupportedError, match=r"has no form in LiteRT: .+\. Export without it\."):
            striate.export(run, "elsewhere", litert=True)
        assert not Path("elsewhere").exists()
    elif LITERT:
        _as_onnx(litert_file.loaded(Path(printed["litert"]["path"]).read_bytes()), exported)


def _as_onnx(program: Any, exported: str) -> None:
    """Hold every output of another file against those of the ONNX file."""
    model = striate.load(exported)
    spec = model.input_spec
    shape = (20, spec.size_px, spec.size_px, spec.channels)
    pixels_NHWC = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    theirs, ours = program.predict_pixels(pixels_NHWC)._asdict(), model.predict_pixels(pixels_NHWC)._asdict()
    for name, expected in ours.items():
        if expected is None:
            assert theirs[name] is None
        else:
            np.testing.assert_allclose(theirs[name], expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max(), err_msg=name)


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested JSON as one table, whose numbers can be compared."""
    if not isinstance(value, dict | list):
        return {name: value}
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    return {key: each for inner, part in parts for key, each in _flat(part, f"{name}.{inner}").items()}
