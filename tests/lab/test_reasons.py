"""The reasons of the rules in Chinese: each sentence that a rule can say has its translation."""

from collections.abc import Iterator
from itertools import product

import pytest

from striate.base import config
from striate.data.survey import SampleStats
from striate.lab.texts import read
from striate.lab.workbench import reasons
from striate.workflows.finetune import start
from striate.workflows.train import defaults

NETS = (
    {},
    {"net": {"name": "resnet18"}},
    {"net": {"name": "lenet5"}},
    {"net": {"name": "gmdh"}},
    {"net": {"name": "neocognitron"}},
)
RUNS = (*NETS, {"preprocess": {"scale": "pca"}}, {"train": {"sampling": "balanced"}})


def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What the rules say of images of many kinds, with settings of many kinds."""
    images = product((True, False), (24, 38, 300), (1.0, 1.2, 2.0), (100, 9000))
    for (gray, side, aspect, count), tree in product(images, RUNS):
        stats = SampleStats(count, count, side, side, aspect, gray)
        run = config.build(tree)
        chosen = defaults.choose_input(run, stats)
        yield from chosen.reasons
        yield from defaults.choose_schedule(chosen.run, stats, count).reasons
        for here, processes in product((start.BEST, start.SECOND), ("1", "2")):
            monkeypatch.setattr(start, "weights_here", lambda here=here: here)
            monkeypatch.setenv("WORLD_SIZE", processes)
            monkeypatch.setenv("RANK", "0")
            yield start.choose(run, stats).reason
        yield start.advice(start.SECOND, stats) or ""


def test_every_sentence_has_its_translation_and_every_translation_its_sentence(monkeypatch: pytest.MonkeyPatch):
    all_said = {*said(monkeypatch)} - {""} | {f"from {start.BEST}: the best weights that are here"}
    assert [reason for reason in sorted(all_said) if reasons.in_language(reason, "zh").language != "zh"] == []
    parts = {part for reason in all_said for part in (reason, *reason.split("; "))}
    unused = [
        row["en"] for row, (pattern, _) in zip(read("reasons")["reasons"], reasons._patterns(), strict=True)
        if not any(pattern.fullmatch(part) for part in parts)
    ]  # fmt: skip
    assert unused == []


def test_lists_and_values_are_carried_over_and_what_is_not_known_stays_english():
    augmented = "augmented: shift 0.125, brightness 0.2 and contrast 0.2, since small images in color are learned better so"
    chinese = "数据增强：shift 0.125、brightness 0.2、contrast 0.2，这样彩色小图像学得更好"
    assert reasons.in_language(augmented, "zh") == (chinese, "zh")
    assert reasons.in_language("another reason", "zh") == ("another reason", "en")
    assert reasons.in_language("gray: the images have no color", "en") == ("gray: the images have no color", "en")
