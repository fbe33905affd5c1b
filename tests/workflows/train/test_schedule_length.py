"""How many steps a training has, worked out by hand from what its parts cost."""

import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from striate.base import config
from striate.training import device
from striate.training.timing import TrainingCost
from striate.workflows.train import schedule_length
from striate.workflows.train.schedule_length import Costs, Length, count_steps

COSTS = Costs(TrainingCost(step=0.5, epoch=2.0), end=3.0, report=10.0)  # an epoch of 10 steps takes 7 s


def length(monkeypatch: pytest.MonkeyPatch, before: float, trainings: int = 1, **sections: Any) -> Length:
    """Of a training with epochs of 10 steps, before which so many seconds have passed."""
    monkeypatch.setattr(schedule_length, "measure", lambda *_: COSTS)
    monkeypatch.setattr(schedule_length, "elapsed", lambda: before)
    engine = replace(device.pick(config.Engine(device="cpu")), world=1)
    context: Any = SimpleNamespace(run=config.build(sections), engine=engine, trainings=trainings)
    setup: Any = SimpleNamespace(loaders={"train": SimpleNamespace(steps=10)})
    task: Any = None
    return count_steps(context, setup, task, None)


def test_minutes_are_those_of_the_whole_command(monkeypatch: pytest.MonkeyPatch):
    run, steps, estimate = length(monkeypatch, before=12.0, train={"minutes": 1})
    # 60 s - 12 s before - 10 s report - 3 s test = 35 s, which are 5 epochs
    assert (steps, run.train.steps, run.train.minutes) == (50, 50, None)
    assert estimate == 12 + 35 + 3 + 10


def test_folds_share_the_minutes(monkeypatch: pytest.MonkeyPatch):
    # (60 - 12 - 10) s / 2 - 3 s = 16 s: two epochs, and none of the third, of which 2 s cannot hold the validation
    _, steps, estimate = length(monkeypatch, before=12.0, trainings=2, train={"minutes": 1})
    assert steps == 20
    assert estimate == 12 + 2 * (14 + 3) + 10


def test_epochs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "striate")
    run, steps, estimate = length(monkeypatch, before=12.0, train={"epochs": 3})
    assert (steps, run.train.epochs, run.train.steps) == (30, 3, None)
    assert estimate == 12 + 21 + 3 + 10
    assert caplog.messages == [
        "Training takes about 21 s: 30 steps of 500 ms, and validation. In all about 46 s, of which 12 s are over."
    ]


def test_where_there_is_no_time_for_training_a_few_steps_are_made_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    _, steps, _ = length(monkeypatch, before=50.0, train={"minutes": 1})
    assert steps == 10  # an epoch; of a longer one 20 steps
    assert caplog.messages == ["60 s are too few: what is not training takes 63 s. Training takes 10 steps all the same."]


@pytest.mark.parametrize(
    ("section", "steps"),
    [
        ({"finetune": {"weights": "x", "minutes": 1}, "train": {"epochs": 9}}, 50),  # as many as fit
        ({"finetune": {"weights": "x", "minutes": 9}, "train": {"epochs": 9}}, 90),  # as planned, which is less
        # of one strategy: 60 s - 3 s = 57 s, which are 8 epochs
        ({"finetune": {"weights": "x"}, "train": {"minutes": 1}}, 80),
    ],
)
def test_minutes_of_finetune_are_a_bound_and_those_of_a_strategy_are_its_own(
    section: dict[str, Any], steps: int, monkeypatch: pytest.MonkeyPatch
):
    assert length(monkeypatch, before=12.0, **section).steps == steps
