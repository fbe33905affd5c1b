"""Imbalance that was planted is said by `striate data`, at the end of `striate train` and at the top of the report."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.brief_reports import brief
from support.command_line import run
from support.undrawn import undrawn


@pytest.mark.report
def test_noise_of_19_to_1_ends_with_its_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    brief(monkeypatch)
    undrawn(monkeypatch)
    rng = np.random.default_rng(0)
    for name, count in (("good", 190), ("bad", 10)):
        (tmp_path / "parts" / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(f"parts/{name}/{number:03}.png")
    surveyed = run(capsys, "data", "parts").out
    assert (
        "The largest class has 19 times as many images as the smallest (good 190, bad 10): always predicting good" in surveyed
    )
    trained = run(capsys, "train", "parts", "--net", "mlp", "--epochs", "2", "--weights", "none", "--name", "noise")
    assert trained.code == 0, trained.err
    lines = trained.out.splitlines()
    assert any(line.startswith("balanced accuracy 50.00 % (") for line in lines)
    assert "never predicted: bad" in lines
    assert lines[-1].startswith(
        "Do not rely on this classifier yet. Accuracy may be no better than the majority-class baseline: 95.00 % with an"
    )
    numbers = json.loads(Path("runs/noise/report.json").read_text("utf-8"))
    sentences = [finding["sentence"] for finding in numbers["trust"]["findings"]]
    assert any(sentence.startswith("1 of 2 classes is never predicted: bad (2).") for sentence in sentences)
    assert any(sentence.startswith("The largest class has 19 times as many images") for sentence in sentences)
