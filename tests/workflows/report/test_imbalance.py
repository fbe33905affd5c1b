from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import striate
from striate.workflows.report import run_facts
from striate.workflows.report.imbalance import describe

NET = "fc 8, relu, fc"
START = "train.class_weights=balanced was on: the recall of the smallest class, dark, is "


def compared(only_a: int, only_b: int, p_value: float) -> dict[str, Any]:
    """Of 20 dark images a has 8 right, of 80 light ones both have 60."""
    recall_b = (8 - only_a + only_b) / 20
    dark = {"recall_a": 0.4, "recall_b": recall_b, "only_a": only_a, "only_b": only_b, "p_value": p_value}
    light = {"recall_a": 0.75, "recall_b": 0.75, "only_a": 0, "only_b": 0, "p_value": 1.0}
    accuracies = {"a": {"accuracy": 0.68}, "b": {"accuracy": (60 + 20 * recall_b) / 100}}
    return {"per_class": {"dark": dark, "light": light}, **accuracies}


def test_whether_a_setting_helped_is_a_paired_test_on_the_smallest_class():
    assert describe("plain", "dark", compared(0, 8, 0.0078)) == (
        "It helped: against plain, which differs in that alone, 8 more of them are right and 0 more wrong (p = 0.0078). "
        "Balanced accuracy 77.50 % against 57.50 %, accuracy 76.00 % against 68.00 %."
    )
    assert describe("plain", "dark", compared(8, 0, 0.0078)).startswith("It did harm: against plain,")
    assert describe("plain", "dark", compared(1, 2, 1.0)).startswith(
        "Whether it helped is open, since chance explains as much: against plain, which differs in that alone, 2 more of them "
        "are right and 1 more wrong (p = 1)."
    )


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """190 light and 10 dark images of noise."""
    root, rng = tmp_path_factory.mktemp("data") / "images", np.random.default_rng(0)
    for name, count, level in (("light", 190, 60), ("dark", 10, 40)):
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels_HW = rng.integers(level, level + 120, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels_HW).save(root / name / f"{number:03}.png")
    return root


def sentences(run: str) -> list[str]:
    return [finding.sentence for finding in run_facts.read(Path(run)).findings]


def test_the_run_beside_it_that_differs_in_that_alone_is_named(images: Path, tmp_path: Path):
    def train(name: str, **more: Any) -> str:
        settings = {"train": {"epochs": 2, **more}}
        return str(striate.train(images.as_posix(), net=NET, out=tmp_path, name=name, settings=settings, report=False)["run"])

    balanced = train("balanced", class_weights="balanced")
    (alone,) = [sentence for sentence in sentences(balanced) if sentence.startswith(START)]
    assert alone.endswith("A run without it, and nothing else changed, shows whether it helped.")
    train("other", lr=0.01)
    plain = train("plain")
    (beside,) = [sentence for sentence in sentences(balanced) if sentence.startswith(START)]
    assert "against plain, which differs in that alone, " in beside
    assert not [sentence for sentence in sentences(plain) if sentence.startswith(START)]
