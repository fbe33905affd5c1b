"""Every entry point takes labeled images in memory, and what a run needs of them later is on the disk."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn import datasets

import striate
from striate.base.errors import DataError, SettingError
from support.documents import ROOT
from support.shape_images import make_folder

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 8, 8), np.uint8)
LABELS = np.arange(24) % 2
PIXELS[LABELS == 1, :4] //= 4
SETTINGS = {"train": {"steps": 2, "batch_size": 8}, "preprocess": {"size_px": 8}}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def train(data: Any, **more: Any) -> dict[str, Any]:
    return striate.train(data, net="conv 3x3x4, relu, fc", settings=SETTINGS, report=False, **more)


def train_again(data: Any, name: str) -> dict[str, Any]:
    return striate.train(data, labels=LABELS, name=name, resume=True, report=False)


def test_a_run_on_arrays_is_evaluated_resumed_and_inspected_later(cache: Path):
    result = train(PIXELS, labels=LABELS)
    assert Path(result["run"]).name == "images-net-1", "a name that can be read"
    assert (
        train([Image.fromarray(pixels) for pixels in PIXELS], labels=[str(n) for n in LABELS])["weights_sha256"]
        == (result["weights_sha256"])
    ), "the same images in another form"
    run = Path(result["run"]).name
    assert striate.evaluate(run)["n"] == result["test"]["n"]
    scores = striate.evaluate(run, PIXELS, labels=LABELS)
    assert scores["n"] == 24
    assert scores["data"].endswith("images.csv")
    assert striate.train(name=run, resume=True, report=False)["weights_sha256"] == result["weights_sha256"]
    assert train_again(PIXELS, run)["weights_sha256"] == result["weights_sha256"], "with the same data, which are its own"
    with pytest.raises(
        SettingError, match=r"a resumed run keeps its settings: data.path is '.*images.csv'; got '.*images.csv'"
    ):
        train_again(PIXELS[::-1], run)
    assert striate.verdicts(run)
    shutil.rmtree(cache)
    with pytest.raises(DataError, match=r"it is not there. Give the same images and labels again"):
        striate.verdicts(run)
    striate.survey(PIXELS, labels=LABELS)
    assert striate.verdicts(run)


def test_the_other_entry_points(tmp_path: Path):
    surveyed = striate.survey((PIXELS, LABELS))
    assert surveyed.classes == {"0": 12, "1": 12}
    assert str(surveyed).startswith("images in memory: 24 found = 24 used + 0 quarantined + 0 ignored")
    assert striate.preview(PIXELS, "mean", tmp_path / "mean.svg", labels=LABELS)["images"] == 18
    found = striate.find_lr(PIXELS, labels=LABELS, net="conv 3x3x4, relu, fc", settings=SETTINGS, draw=tmp_path / "lr.svg")
    assert len(found["rates"]) > 1
    colors = np.stack([PIXELS.repeat(4, 1).repeat(4, 2)] * 3, axis=3)
    result = striate.finetune(colors, labels=LABELS, weights="resnet20@cifar10", report=False)
    assert Path(result["run"]).name == "images-resnet20-1"
    with pytest.raises(DataError, match="expected data beside labels"):
        striate.evaluate(result["run"], labels=LABELS)


def test_the_python_of_the_how_to_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("pandas", reason="the page shows its tables")
    digits, labels = datasets.load_digits(return_X_y=True)
    monkeypatch.setattr(datasets, "load_digits", lambda return_X_y: (digits[:300], labels[:300]))
    make_folder(Path("photos"), each=4)
    text = (ROOT / "docs" / "how-to" / "python-objects.md").read_text("utf-8")
    program = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
    exec(compile(program.replace("epochs=2", "epochs=1, net='conv 3x3x4, relu, fc', report=False"), "how-to", "exec"), {})
    accuracy, survey = capsys.readouterr().out.split("\n", 1)
    assert 0 < float(accuracy.removesuffix(" %")) <= 100
    assert "12 found = 12 used" in survey
