from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from striate.base.errors import Interrupted
from striate.nets.factory import build
from striate.training import checkpoint, journal, loop, weight_histograms
from striate.training.journal import Journal
from support.tasks import stopping_at, task

NUMBERS = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=40)


def layer(*row: float) -> nn.Linear:
    result = nn.Linear(len(row), 1)
    with torch.no_grad():
        result.weight.copy_(torch.tensor([row]))
    return result


def test_a_spread_worked_out_by_hand():
    # bins: -1 (all below), -0.2 -> -40, 0 twice, 0.001 -> 0, 0.004 -> 1, 3 -> 200 (all above)
    (actual,) = weight_histograms.spreads(layer(-7.0, -0.2, 0.0, 0.0, 0.001, 0.004, 3.0, -1.0))
    assert (actual.layer, actual.weights) == ("weight", 8)
    assert actual.zero == 2 / 8
    assert actual.near == 5 / 8
    assert actual.mean == pytest.approx((-7.0 - 0.2 + 0.001 + 0.004 + 3.0 - 1.0) / 8)
    assert actual.deviation == pytest.approx(torch.tensor([-7, -0.2, 0, 0, 0.001, 0.004, 3, -1]).std(correction=0).item())
    bins = {actual.first + place: count for place, count in enumerate(actual.counts) if count}
    assert bins == {-200: 2, -40: 1, 0: 3, 1: 1, 200: 1}


@given(NUMBERS)
def test_every_weight_is_in_one_bin_and_the_ends_are_not_empty(row: list[float]):
    (actual,) = weight_histograms.spreads(layer(*row))
    assert sum(actual.counts) == len(row)
    assert actual.counts[0] > 0
    assert actual.counts[-1] > 0
    assert -200 <= actual.first <= actual.first + len(actual.counts) - 1 <= 200


def test_a_layer_larger_than_a_part_is_counted_whole(monkeypatch: pytest.MonkeyPatch):
    net = build("mnist_cnn", (1, 28, 28), 10)
    whole = weight_histograms.spreads(net)
    monkeypatch.setattr(weight_histograms, "_AT_ONCE", 1000)
    for one, other in zip(whole, weight_histograms.spreads(net), strict=True):
        assert (one.layer, one.zero, one.near, one.first, one.counts) == (
            other.layer, other.zero, other.near, other.first, other.counts,
        )  # fmt: skip
        assert (one.mean, one.deviation) == pytest.approx((other.mean, other.deviation))


def test_biases_and_norms_are_left_out():
    actual = weight_histograms.spreads(build("conv 3x3x4, bn, relu, fc", (1, 6, 6), 3))
    assert [(row.layer, row.weights) for row in actual] == [("conv1", 36), ("fc1", 4 * 36 * 3)]


def test_what_is_noted_comes_back_and_is_noted_once(tmp_path: Path):
    into, net = Journal(tmp_path / "journal.jsonl"), layer(0.5, 0.0)
    assert weight_histograms.read(tmp_path / "journal.jsonl") == {"start": [], "end": []}
    before = weight_histograms.spreads(net)
    weight_histograms.record(into, net, "start")
    with torch.no_grad():
        net.weight.zero_()
    weight_histograms.record(into, net, "start")  # of a resumed run
    weight_histograms.record(into, net, "end")
    events = journal.read(tmp_path / "journal.jsonl")
    assert [(event["event"], event["when"]) for event in events] == [("weights", "start"), ("weights", "end")]
    assert weight_histograms.read(tmp_path / "journal.jsonl") == {"start": before, "end": weight_histograms.spreads(net)}
    weight_histograms.record(Journal(None), net, "start")  # the processes that do not write


def test_the_proximal_step_of_l1_ends_with_zeros_and_l2_with_none():
    zeros = {}
    for name, settings in {"l1": {"l1": 0.05}, "subgradient": {"l1": 0.05, "l1_by": "subgradient"}, "l2": {"l2": 0.05}}.items():
        result = task(None, "fc 8, relu, fc", steps=80, optimizer="sgd", lr=0.05, weight_decay=0.0, **settings)
        loop.fit(result)
        zeros[name] = [row.zero for row in weight_histograms.spreads(result.net)]
    assert min(zeros["l1"]) > 0.1
    assert zeros["subgradient"] == zeros["l2"] == [0.0, 0.0]


def test_the_spread_of_a_resumed_run_is_that_of_one_that_was_not_stopped(tmp_path: Path):
    whole = task(None)
    loop.fit(whole)
    with pytest.raises(Interrupted):
        loop.fit(stopping_at(task(tmp_path), 5))
    resumed = task(tmp_path)
    loop.fit(resumed, checkpoint.latest(tmp_path / "checkpoints"))
    assert weight_histograms.spreads(resumed.net) == weight_histograms.spreads(whole.net)
