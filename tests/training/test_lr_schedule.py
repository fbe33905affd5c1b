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
