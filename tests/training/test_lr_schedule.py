import pytest

from striate.base.config import Train
from striate.training import lr_schedule


def of(name: str, **settings: float) -> Train:
    return Train.model_validate({"schedule": name, **settings})


def test_constant_is_one_after_its_rise():
    rate = lr_schedule.make(of("constant", warmup=0.4), 10)
    assert [round(rate(step), 9) for step in range(6)] == [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]


def test_step_falls_after_each_third():
    rate = lr_schedule.make(of("step"), 9)
    assert [round(rate(step), 9) for step in range(9)] == [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01]
    other = lr_schedule.make(of("step", step_every=0.5, step_factor=0.5), 4)
    assert [other(step) for step in range(4)] == [1, 1, 0.5, 0.5]


def test_cosine_is_one_half_in_the_middle_and_goes_towards_zero():
    rate = lr_schedule.make(of("cosine"), 100)
    assert rate(0) == 1.0
    assert rate(50) == pytest.approx(0.5)
    assert 0 < rate(99) < 0.001


def test_one_cycle_rises_to_the_peak_and_falls():
    rate = lr_schedule.make(of("one-cycle"), 100)
    assert rate(0) == pytest.approx(1 / 25)
    assert rate(15) == pytest.approx(1 / 25 + 24 / 25 / 2)
    assert rate(30) == 1.0
    assert rate(65) == pytest.approx(0.5)
    assert 0 < rate(99) < 0.001
    assert max(rate(step) for step in range(100)) == 1.0


@pytest.mark.parametrize("name", ["constant", "step", "linear", "cosine", "one-cycle"])
def test_a_single_step_has_a_rate(name: str):
    assert 0 < lr_schedule.make(of(name), 1)(0) <= 1


def test_linear_falls_along_a_straight_line_after_its_rise():
    rate = lr_schedule.make(of("linear"), 4)
    assert [rate(step) for step in range(4)] == [1, 0.75, 0.5, 0.25]
    rising = lr_schedule.make(of("linear", warmup=0.4), 10)
    assert [round(rising(step), 9) for step in range(10)] == [0.2, 0.4, 0.6, 0.8, 1.0, 0.833333333, 0.666666667, 0.5,
                                                              0.333333333, 0.166666667]  # fmt: skip


def test_the_rate_goes_with_the_batch_where_it_is_for_another_and_begins_low():
    scaled = Train(lr=0.1, batch_size=128, lr_batch_size=32, schedule="linear")
    assert lr_schedule.peak(scaled) == pytest.approx(0.4)
    rate = lr_schedule.make(scaled, 40)  # two steps of warm-up
    assert [round(rate(step), 9) for step in range(4)] == [0.333333333, 0.666666667, 1.0, 0.973684211]
    smaller = Train(lr=0.1, batch_size=8, lr_batch_size=32, schedule="linear")
    assert lr_schedule.peak(smaller) == pytest.approx(0.025)
    assert lr_schedule.make(smaller, 40)(0) == 1.0
    assert lr_schedule.describe_scaling(smaller) == "learning rate 0.025: 0.1 is for batches of 32, and these have 8"
    assert lr_schedule.peak(Train(lr=0.1, batch_size=8)) == 0.1
    assert lr_schedule.describe_scaling(Train(lr=0.1, batch_size=8)) is None
    cycle = Train(lr=0.1, batch_size=64, lr_batch_size=32)
    said = "learning rate 0.2: 0.1 is for batches of 32, and these have 64; it rises over the first 30 % of the steps"
    assert lr_schedule.describe_scaling(cycle) == said
