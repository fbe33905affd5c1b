from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from striate.base.errors import Interrupted
from striate.training import loop, lr_finder
from support.tasks import PLAIN_LINE, task


def ready(steps: int = 40, **settings: Any) -> loop.Task:
    return task(None, PLAIN_LINE, steps=steps, **{"optimizer": "sgd", "lr": 1.0, "weight_decay": 0.0, **settings})


def test_rates_rise_by_one_factor_from_a_millionth_to_ten():
    rates = lr_finder.run(ready(steps=15, clip_grad_norm=1e-9)).rates
    assert (rates[0], rates[-1], len(rates)) == (pytest.approx(1e-6), pytest.approx(10.0), 15)
    assert [after / before for before, after in pairwise(rates)] == pytest.approx([10**0.5] * 14)


def test_the_running_mean_by_hand():
    assert lr_finder.running_mean([3.0]) == pytest.approx(3.0)
    assert lr_finder.running_mean([3.0, 1.0]) == pytest.approx((0.9 * 3 + 1) / 1.9)
    assert lr_finder.running_mean([5.0] * 30) == pytest.approx(5.0)


def test_the_proposal_is_a_tenth_of_the_rate_at_the_least_smoothed_loss_to_two_digits():
    assert lr_finder.proposal([0.001, 0.0123456, 0.1, 1.0], [2.0, 1.0, 1.5, 9.0]) == 0.0012
    assert lr_finder.proposal([0.001, 0.01], [2.0, 1.99]) is None  # it never fell
    a_low_start = [1.0, 1.2, 1.2, 1.2, 0.97, 4.0]
    assert lr_finder.proposal([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1], a_low_start) == 1e-3
    assert lr_finder.proposal([], []) is None


def test_it_learns_then_stops_where_the_loss_breaks():
    actual = lr_finder.run(ready(steps=60))
    assert len(actual.rates) == len(actual.losses) == len(actual.smooth) < 60
    assert actual.proposal is not None
    assert 1e-4 < actual.proposal < 0.5
    assert min(actual.smooth) < 0.95 * actual.smooth[0]


def test_a_loss_that_is_not_finite_ends_it_without_an_error():
    result = ready(steps=20)
    calls = 0

    def loss(logits_NK: torch.Tensor, labels_N: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        losses_N = torch.nn.functional.cross_entropy(logits_NK, labels_N, reduction="none")
        return losses_N * float("nan") if calls == 6 else losses_N

    assert len(lr_finder.run(replace(result, loss=loss)).losses) == 5


def test_the_loss_breaks_at_four_times_its_least():
    losses = iter([2.0, 1.0] + [30.0] * 20)
    result = replace(ready(steps=20), loss=lambda logits_NK, labels_N: logits_NK.sum(1) * 0 + next(losses))
    actual = lr_finder.run(result)
    assert actual.losses == pytest.approx((2.0, 1.0, 30.0))


def test_one_seed_gives_one_curve():
    one, same, other = (lr_finder.run(replace(ready(steps=20), seed=seed)) for seed in (0, 0, 1))
    assert one == same
    assert len(other.losses) > 0


@pytest.mark.parametrize(("an_epoch", "steps"), [(541, 100), (20, 100), (19, 95), (6, 30), (1, 30)])
def test_small_data_have_fewer_steps(an_epoch: int, steps: int):
    assert lr_finder.steps_for(an_epoch) == steps


def test_it_can_be_stopped(tmp_path: Path):
    def stop() -> None:
        raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        lr_finder.run(ready(), stop)
