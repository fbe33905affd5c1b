"""Planted shortcuts are found in a folder of images, and named by the survey, the training and the report."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate
from support.undrawn import undrawn


def plant(root: Path, *, border: bool = False, size: bool = False, type_: bool = False) -> Path:
    """Twenty images of noise for each of two classes; class b has a red border, is wider, or is JPEG."""
    generator = np.random.default_rng(0)
    for number in range(40):
        name = "ab"[number % 2]
        pixels = generator.integers(0, 256, (20, 24 if size and name == "b" else 20, 3), dtype=np.uint8)
        if border:
            color = (200, 40, 40) if name == "b" else (88, 88, 88)  # as bright
            pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1] = color, color, color, color
        (root / name).mkdir(parents=True, exist_ok=True)
        ending = "jpg" if type_ and name == "b" else "png"
        Image.fromarray(pixels).save(root / name / f"{number}.{ending}", quality=95)
    return root


@pytest.mark.parametrize(
    ("planted", "facts"),
    [
        ({"border": True}, {"the color of the border"}),
        ({"size": True}, {"the size of the image", "the aspect ratio"}),
        ({"type_": True}, {"the type of the file"}),
        ({}, set()),
    ],
)  # fmt: skip
def test_the_survey_names_what_is_planted_and_nothing_else(tmp_path: Path, planted: dict[str, bool], facts: set[str]):
    survey = striate.survey(plant(tmp_path, **planted))
    assert {row["fact"] for row in survey.shortcuts if row["sentence"]} == facts
    assert all(row["accuracy"] == 1.0 for row in survey.shortcuts if row["sentence"])
    for fact in facts:
        assert f"{fact[0].upper()}{fact[1:]} alone predicts the class of 100 % of the images (50 % by chance" in str(survey)


@pytest.mark.report
def test_training_and_report_name_a_shortcut(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    undrawn(monkeypatch)
    data = plant(tmp_path / "images", border=True)
    with caplog.at_level(logging.WARNING, "striate"):
        result = striate.train(data, net="mlp", epochs=1, out=tmp_path / "runs", name="r", weights="none")
    said = [message for message in caplog.messages if message.startswith("The color of the border alone predicts")]
    assert len(said) == 1
    report = json.loads((tmp_path / "runs" / "r" / "report.json").read_text())
    assert said[0] in [row["sentence"] for row in report["trust"]["findings"] if row["level"] == "warning"]
    assert result["report"]
