"""The gradient method against closed forms, autograd through the unrolled loop, and differences."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from striate.history.optimal_control import model, problems
from striate.history.optimal_control.model import (
    Penalty,
    Problem,
    bfgs,
    cost,
    descend,
    euler,
    forward,
    meet_conditions,
    runge_kutta,
    sweep,
)  # fmt: skip

F64 = torch.float64


def pendulum(integrator: model.Integrator) -> Problem:
    """Neither rate nor costs are linear, and they mix states and controls."""
    return Problem(
        lambda x, u: torch.stack([x[..., 1], torch.sin(x[..., 0]) - 0.1 * x[..., 1] + u[..., 0] * torch.cos(x[..., 0])], -1),
        lambda x, u: u[..., 0] ** 2 * (1 + x[..., 0] ** 2) + torch.cos(x[..., 1]),
        lambda x: x[0] ** 2 * x[1] + torch.exp(x[1]),
        torch.tensor([0.7, -0.2], dtype=F64),
        duration=2.0,
        integrator=integrator,
    )


def unrolled(problem: Problem, controls_NU: Tensor) -> tuple[Tensor, Tensor]:
    """dJ/du and dJ/dx(0) by torch alone, through the loop of the pass forward."""
    controls, start = controls_NU.clone().requires_grad_(), problem.start_D.clone().requires_grad_()
    return torch.autograd.grad(cost(problem, forward(problem, controls, start), controls), (controls, start))


@pytest.mark.parametrize("integrator", [euler, runge_kutta])
@given(seed=st.integers(0, 2**31))
@settings(max_examples=20)
def test_the_adjoints_are_autograd_through_the_unrolled_loop(integrator: model.Integrator, seed: int):
    controls = torch.randn(25, 1, dtype=F64, generator=torch.Generator().manual_seed(seed))
    current = sweep(pendulum(integrator), controls)
    by_torch, by_torch_start = unrolled(pendulum(integrator), controls)
    h = 2.0 / 25
    scale = 1 + by_torch.abs().max()
    assert (h * current.gradient_NU - by_torch).abs().max() < 1e-12 * scale
    assert (current.adjoints[0] - by_torch_start).abs().max() < 1e-12 * (1 + by_torch_start.abs().max())


@pytest.mark.parametrize("integrator", [euler, runge_kutta])
def test_they_are_differences_of_the_cost(integrator: model.Integrator):
    problem = pendulum(integrator)
    controls, small = torch.linspace(-1, 1, 20, dtype=F64)[:, None], 1e-5
    current = sweep(problem, controls)
    for k in (0, 7, 19):
        moved = small * torch.eye(20, dtype=F64)[k][:, None]
        difference = (sweep(problem, controls + moved).cost - sweep(problem, controls - moved).cost) / (2 * small)
        assert difference == pytest.approx(0.1 * float(current.gradient_NU[k]), rel=1e-6)


def test_one_step_of_each_recursion_by_hand():
    # x' = x u with x = 2, u = 3, h = 1: x(1) = 2 + 6 = 8; J = x(1)^2 / 2 + u^2 = 32 + 9
    problem = Problem(lambda x, u: x * u, lambda _x, u: u[..., 0] ** 2, lambda x: x[0] ** 2 / 2, torch.tensor([2.0], dtype=F64))
    current = sweep(problem, torch.tensor([[3.0]], dtype=F64))
    assert current.cost == 41
    assert current.states.tolist() == [[2], [8]]
    assert current.adjoints.tolist() == [[8 * (1 + 3)], [8]]  # lambda(1) = x(1); lambda(0) = lambda(1) (1 + h u)
    assert current.gradient_NU.tolist() == [[2 * 3 + 2 * 8]]  # L_u + x lambda(1)


# Euler's rule is of first order: the error is halved with the step
@pytest.mark.parametrize(("steps", "least"), [(100, 0.382247), (200, 0.381522), (400, 0.381160)])
def test_descent_on_the_scalar_problem_reaches_its_optimum(steps: int, least: float):
    solution = descend(problems.scalar(), torch.zeros(steps, 1, dtype=F64), step=0.6, iterations=400, tolerance=2e-15)
    assert solution.costs[-1] == pytest.approx(least, abs=5e-7)
    assert solution.largest_gradients[-1] < 2e-15
    assert len(solution.costs) < 60
    t = torch.arange(steps, dtype=F64) / steps
    exact = -torch.sinh(1 - t) / math.cosh(1)
    assert float((solution.controls_NU[:, 0] - exact).abs().max()) < 0.8 / steps


def test_the_scalar_optimum_is_where_the_errors_of_eulers_rule_lead():
    # Richardson: 2 J(2 N) - J(N) drops the error of first order
    least = [descend(problems.scalar(), torch.zeros(n, 1, dtype=F64), 0.6, 60).costs[-1] for n in (200, 400)]
    assert 2 * least[1] - least[0] == pytest.approx(math.tanh(1) / 2, abs=2e-6)
    assert math.tanh(1) / 2 == pytest.approx(0.3807970780, abs=5e-11)


def test_each_step_of_descent_lowers_the_cost():
    costs = descend(problems.scalar(), torch.ones(50, 1, dtype=F64), step=0.3, iterations=20).costs
    assert costs == sorted(costs, reverse=True)


def test_the_double_integrator_takes_six_minus_twelve_t():
    problem = problems.double_integrator()._replace(integrator=euler)
    penalty = Penalty(100, rounds=8, iterations=60)
    *_, last = meet_conditions(problem, problems.arrive(1.0, 0.0), torch.zeros(100, 1, dtype=F64), penalty)
    assert last.violation_Z.abs().max() < 1e-6
    u = last.solution.controls_NU[:, 0]
    assert float(u.square().mean()) == pytest.approx(2 * 6.00060, abs=2e-5)
    t = (torch.arange(100, dtype=F64) + 0.5) / 100
    assert float((u - (6 - 12 * t)).abs().max()) < 0.1
    assert last.multipliers_Z.tolist() == pytest.approx([-12, 6], abs=0.1)  # lambda(1) of the exact solution


def test_a_penalty_alone_misses_by_the_multiplier_over_its_weight():
    for weight in (100.0, 1000.0):
        problem, controls = problems.double_integrator(), torch.zeros(50, 1, dtype=F64)
        (last,) = meet_conditions(problem, problems.arrive(1.0, 0.0), controls, Penalty(weight, 1, 60))
        assert (weight * last.violation_Z).tolist() == pytest.approx([-12, 6], rel=20 / weight)


# The first two limits touch the path over a stretch and at one point; the third is never met
@pytest.mark.parametrize(("limit", "least"), [(1 / 9, 4.0), (1 / 5, 2.24), (1 / 3, 2.0)])
def test_the_state_limit_of_bryson_and_denham_by_penalty(limit: float, least: float):
    assert problems.bryson_denham(limit) == pytest.approx(least)
    controls, missed = torch.zeros(30, 1, dtype=F64), []
    for weight in (1e3, 1e4, 1e5):
        problem = problems.double_integrator(v_start=1.0, limit=limit, weight=weight)
        *_, last = meet_conditions(problem, problems.arrive(0.0, -1.0), controls, Penalty(1000, 3, 80, tolerance=1e-6))
        controls = last.solution.controls_NU
        missed.append(least - float(controls.square().mean()) / 2)
        assert last.violation_Z.abs().max() < 1e-3
    # A penalty lets a path be too cheap, the less the larger it is; a limit that is never met costs nothing
    assert all(after < before + 1e-6 for before, after in pairwise(missed))
    assert -1e-3 < missed[-1] < 0.015 * least
    assert float(last.solution.last.states[:, 0].max()) < limit + 0.002


def test_the_formulas_of_the_state_limit_meet_where_they_change():
    for limit in (1 / 6, 1 / 4):
        assert problems.bryson_denham(limit - 1e-9) == pytest.approx(problems.bryson_denham(limit + 1e-9), abs=1e-6)


def test_a_free_start_is_chosen_too():
    # x' = u from a free x(0), J = (x(1) - 1)^2 / 2 + integral of u^2 / 2: nothing need move, the start is 1
    problem = Problem(
        lambda _x, u: u, lambda _x, u: u.square().sum(-1) / 2, lambda x: (x[0] - 1) ** 2 / 2,
        torch.tensor([5.0], dtype=F64), free=(0,),
    )  # fmt: skip
    solution = bfgs(problem, torch.ones(10, 1, dtype=F64), iterations=40)
    assert solution.start_D.tolist() == pytest.approx([1.0], abs=1e-6)
    assert solution.controls_NU.abs().max() < 1e-6
    assert solution.costs == sorted(solution.costs, reverse=True)


def test_no_number_moves_farther_than_it_may():
    problem = problems.scalar()
    solution = bfgs(problem, torch.full((10, 1), 9.0, dtype=F64), iterations=1, max_change=0.25)
    assert (solution.controls_NU - 9).abs().max() <= 0.25 + 1e-12
