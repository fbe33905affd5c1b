import numpy as np
import pytest

from striate.base import config
from striate.base.errors import SettingError
from striate.data.survey import SampleStats
from striate.workflows.tune.space import Choice, Range, default_space, draw, parse

PHOTOS = SampleStats(images=400, height_px=384, width_px=512, aspect=4 / 3, gray=False, sampled=400)
DIGITS = SampleStats(images=400, height_px=28, width_px=28, aspect=1.0, gray=True, sampled=400)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train.lr", "expected NAME=LOW..HIGH"),
        ("train.lr=0.1..0.01", "two numbers, the lower one first"),
        ("train.lr=a..b", "two numbers, the lower one first"),
        ("train.lr=0.1", "train.lr has one value here, 0.1: give it by --set train.lr=0.1."),
    ],
)
def test_what_is_no_list_of_values_is_refused(text: str, words: str):
    with pytest.raises(SettingError, match=words):
        parse(text)


def test_values_are_those_of_toml():
    assert parse("train.batch_size=16..64") == ("train.batch_size", Range(16, 64))
    assert parse("net.name=resnet20|mnist_cnn") == ("net.name", Choice(("resnet20", "mnist_cnn")))
    assert parse('finetune.strategies=["extract"]|["retrain"]')[1] == Choice((["extract"], ["retrain"]))


def test_wide_ranges_are_spread_by_their_logarithm():
    assert Range(0.001, 0.1).value(0.5) == 0.01
    assert Range(0.1, 0.3).value(0.5) == 0.2
    assert Range(16, 64).value(0.5) == 40
    assert Range(8, 128).value(0.5) == 32
    assert [Choice(("a", "b")).value(share) for share in (0, 0.49, 0.5, 1)] == ["a", "a", "b", "b"]


def test_the_first_trial_has_the_defaults_and_the_others_one_piece_of_each_range():
    changes = draw({"train.lr": Range(0.0, 1.0), "train.momentum": Range(0.0, 1.0), "seed": Choice((1, None))}, 11, seed=3)
    assert changes[0] == {}
    for name in ("lr", "momentum"):
        pieces = sorted(int(change["train"][name] * 10) for change in changes[1:])
        assert pieces == list(range(10))
    rates, momenta = ([change["train"][name] for change in changes[1:]] for name in ("lr", "momentum"))
    assert abs(np.corrcoef(rates, momenta)[0, 1]) < 0.9
    assert sum("seed" in change for change in changes[1:]) == 5
    assert draw({"train.lr": Range(0.0, 1.0)}, 1, seed=3) == [{}]


def test_the_rule_varies_what_the_user_has_not_set():
    run = config.build({"train": {"lr": 0.01}, "net": {"name": "lenet5"}})
    space = default_space(run, DIGITS)
    assert set(space) == {"train.weight_decay", "train.label_smoothing", "augment.policy"}
    assert default_space(config.Run(), PHOTOS)["train.lr"] == Range(3e-3 / 10, 0.012)
    assert "train.muon_lr" not in space
    two_rates = default_space(config.build({"train": {"optimizer": "muon-adamw"}}), PHOTOS)
    assert (two_rates["train.lr"], two_rates["train.muon_lr"]) == (Range(3e-3 / 10, 0.012), Range(0.01, 0.4))
    weights = config.build({"finetune": {"weights": "efficientnet_lite0@imagenet", "classifier": "svm"}})
    assert set(default_space(weights, PHOTOS)) == {
        "finetune.layers", "preprocess.size_px", "finetune.normalize", "preprocess.resize_mode",
    }  # fmt: skip
