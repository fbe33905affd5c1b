"""The flights against Pontryagin's two-point problem, solved by shooting: another method, another library."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import fsolve

from striate.history.optimal_control import problems
from striate.history.optimal_control.model import Penalty, Problem, forward, meet_conditions
from striate.history.optimal_control.problems import DAYS, MARS

Push = Callable[[float, float, float, float], tuple[float, float]]


def thrust(t: float, _r: float, b: float, c: float) -> tuple[float, float]:
    """Against the adjoints of the velocity."""
    push = 0.1405 / (1 - 0.0749 * t) / math.hypot(b, c)
    return -push * b, -push * c


def mirror(_t: float, r: float, b: float, c: float) -> tuple[float, float]:
    """The angle at which cos^2 (b cos + c sin) is least."""
    angle = math.atan((3 * b + math.sqrt(9 * b * b + 8 * c * c)) / (-4 * c))
    push = 0.1687 * math.cos(angle) ** 2 / r**2
    return push * math.cos(angle), push * math.sin(angle)


def shoot(pushed: Push, falls_off: bool, guess: list[float]) -> float:
    """T in days, from the adjoints at the start that lead to the orbit of Mars."""

    def rates(t: float, state: list[float]) -> list[float]:
        r, out, along, a, b, c = state
        x, y = pushed(t, r, b, c)
        push_r = -2 * (b * x + c * y) / r if falls_off else 0.0  # sunlight thins out
        return [
            out, along**2 / r - 1 / r**2 + x, -out * along / r + y,
            -(b * (-(along**2) / r**2 + 2 / r**3) + c * out * along / r**2 + push_r),
            -(a - c * along / r), -(2 * b * along / r - c * out / r),
        ]  # fmt: skip

    def missed(unknown: list[float]) -> list[float]:
        end = solve_ivp(rates, (0, unknown[3]), [1, 0, 1, *unknown[:3]], rtol=1e-9, atol=1e-11).y[:, -1]
        return [end[0] - MARS, end[1], end[2] - MARS**-0.5, np.square(unknown[:3]).sum() - 1]

    answer, _, good, _ = fsolve(missed, guess, full_output=True)
    assert good == 1
    return float(answer[3]) * DAYS


def fly(problem: Problem, angles: torch.Tensor, weight: float) -> tuple[float, float]:
    """T in days, and the largest condition that was missed."""
    penalty = Penalty(weight, 5, 60, tolerance=1e-6, max_change=0.3)
    *_, last = meet_conditions(problem, problems.mars_orbit(), angles[:, None], penalty)
    return math.exp(float(last.solution.start_D[-1])) * DAYS, float(last.violation_Z.abs().max())


def test_the_rocket_takes_as_long_as_pontryagin_says_and_as_was_published():
    days, missed = fly(problems.rocket(3.5), torch.linspace(0.4, 5.6, 12, dtype=torch.float64), weight=100.0)
    exact = shoot(thrust, falls_off=False, guess=[-0.6, -0.3, -0.7, 3.3])
    assert exact == pytest.approx(problems.BY_SHOOTING["rocket"], abs=1e-3)
    assert missed < 1e-3
    assert days == pytest.approx(exact, rel=2e-3)
    assert round(exact) == 193


def test_the_sail_takes_as_long_as_pontryagin_says():
    days, missed = fly(problems.sail(6.0), torch.full((12,), 0.6, dtype=torch.float64), weight=1000.0)
    exact = shoot(mirror, falls_off=True, guess=[-0.6, -0.4, -0.7, 6.5])
    assert exact == pytest.approx(problems.BY_SHOOTING["sail"], abs=1e-3)
    assert missed < 1e-3
    assert days == pytest.approx(exact, rel=5e-3)


def test_without_a_push_a_circle_stays_a_circle():
    problem = problems.sail(2 * math.pi, strength=0.0)
    states = forward(problem, torch.zeros(60, 1, dtype=torch.float64))
    assert (states[:, :3] - problem.start_D[:3]).abs().max() < 1e-12
