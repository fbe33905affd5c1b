from typing import Any

import pytest

from striate.base import config
from striate.base.errors import SettingError

SEVERAL = {"multi_label": True}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"train": {"loss": "cross-entropy"}},
            "train.loss='cross-entropy' does not apply with data.multi_label=true, since it is for one label an image; "
            "expected binary-cross-entropy or asymmetric.",
        ),
        ({"train": {"focal": 2.0}}, "train.focal does not apply with data.multi_label=true; remove it."),
        (
            {"train": {"class_weights": "balanced"}},
            "train.class_weights does not apply with data.multi_label=true, where an image counts for several; remove it. "
            "train.loss=asymmetric gives frequent absences less weight.",
        ),
        (
            {"unknown_rate": 0.1},
            "unknown_rate does not apply with data.multi_label=true, where unknown images are not flagged; remove it.",
        ),
        (
            {"finetune": {"weights": "x", "strategies": ["extract"], "classifier": "knn"}},
            "finetune.classifier='knn' does not apply with data.multi_label=true, since the neighbors of an image vote for one "
            "class; expected logistic or svm, which tell each label from its absence.",
        ),
        (
            {"finetune": {"weights": "x", "strategies": ["adapt", "retrain"]}},
            "finetune.strategies: expected one with data.multi_label=true, since several are compared by a test on images that "
            "are right or wrong; got adapt, retrain.",
        ),
        (
            {"finetune": {"weights": "x", "strategies": ["adapt"], "per_class": [5]}},
            "finetune.per_class does not apply with data.multi_label=true; remove it.",
        ),
        (
            {"data": {"relabel": "x.csv"}},
            "data: relabel does not apply with multi_label=true, since it gives an image one label; remove it.",
        ),
    ],
)  # fmt: skip
def test_settings_of_one_label_are_refused(settings: dict[str, Any], sentence: str):
    with pytest.raises(SettingError) as refused:
        config.build({**settings, "data": {**SEVERAL, **settings.get("data", {})}})
    assert str(refused.value) == sentence


def test_settings_of_several_labels_are_refused_without_them():
    for settings, sentence in (
        (
            {"train": {"loss": "asymmetric"}},
            "train.loss='asymmetric' is for several labels an image; set data.multi_label=true (--multi-label), or leave it "
            "out.",
        ),
        ({"data": {"label_separator": ";"}}, "data: label_separator does not apply without multi_label=true; remove it."),
        ({"train": {"gamma_negative": 2.0}}, "train: gamma_negative does not apply with loss='cross-entropy'; remove it."),
    ):  # fmt: skip
        with pytest.raises(SettingError) as refused:
            config.build(settings)
        assert str(refused.value) == sentence


def test_the_settings_of_a_run_are_read_back_and_are_none_where_they_were_not_given():
    run = config.build({"data": SEVERAL, "unknown_rate": 0.0, "train": {"loss": "asymmetric", "gamma_negative": 2.0}})
    assert config.build(config.given(run)) == run
    assert "multi_label" not in config.given(config.Run())["data"]
