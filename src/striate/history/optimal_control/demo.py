"""Optimal control at work: problems with known solutions, flights to Mars, and the same recursion in a residual network.

Legend: N steps, D numbers of a state.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from striate.base.errors import SettingError
from striate.base.events import Json
from striate.history.demonstration import Demonstration
from striate.history.optimal_control import plots, problems
from striate.history.optimal_control.chain_rule import factors, residual_network, scalar_by_chain
from striate.history.optimal_control.model import Penalty, Round, cost, descend, euler, forward, meet_conditions, sweep

FLIGHTS = ("rocket", "sail")
_LIMITS = (1 / 9, 1 / 5, 1 / 3)
_WEIGHTS = (1e3, 1e4, 1e5, 1e6)
_BLOCKS = 12


def demonstrate(out: Path, seed: int = 0, steps: int = 24, fly: Sequence[str] = FLIGHTS) -> Demonstration:
    """Solve the problems, and draw two images and one for each flight.

    Args:
        out: folder for the figures.
        seed: of the residual network's weights.
        steps: of a flight, 8 or more; more are slower and nearer to the best time.
        fly: which flights: rocket, sail.

    """
    if steps < 8 or not set(fly) <= set(FLIGHTS):
        raise SettingError(f"expected at least 8 steps, and flights of {', '.join(FLIGHTS)}; got {steps}, {', '.join(fly)}.")
    scalar, energy, limited = _scalar(100), _energy(100), [_limited(limit) for limit in _LIMITS]
    flights = {name: _flight(name, steps) for name in fly}
    residual = _residual(seed)
    files = [out / f"{name}.png" for name in ("known", *flights, "residual")]
    plots.draw_known(scalar, energy, limited, files[0])
    for (name, flight), path in zip(flights.items(), files[1:-1], strict=True):
        plots.draw_flight(f"{name} to the orbit of Mars: {flight['days']:.1f} days", flight, path)
    plots.draw_residual(residual, files[-1])
    numbers = {"scalar": scalar, "energy": energy, "state_limit": limited, "flights": flights, "residual": residual}
    return Demonstration(numbers, _lines(numbers), files)


def _zeros(steps: int) -> torch.Tensor:
    return torch.zeros(steps, 1, dtype=torch.float64)


def _largest(values: torch.Tensor) -> float:
    return float(values.abs().max())


def _scalar(steps: int) -> Json:
    """Kelley's descent, checked by autograd, by differences and by Dreyfus's chain rule at a point on its way."""
    problem = problems.scalar()
    solution = descend(problem, _zeros(steps), step=0.6, iterations=100, tolerance=2e-15)
    controls = torch.linspace(-1, 0.5, steps, dtype=torch.float64)[:, None].requires_grad_()
    (by_torch,) = torch.autograd.grad(cost(problem, forward(problem, controls), controls), controls)
    point = controls.detach()
    by_adjoint, by_chain = sweep(problem, point).gradient_NU / steps, scalar_by_chain(point[:, 0].tolist())
    small = 1e-5 * torch.eye(steps, dtype=torch.float64)[0][:, None]
    difference = (sweep(problem, point + small).cost - sweep(problem, point - small).cost) / 2e-5
    t = np.arange(steps) / steps
    return {
        "steps": steps, "cost": solution.costs[-1], "exact": math.tanh(1) / 2, "iterations": len(solution.costs) - 1,
        "times": t.tolist(), "control": solution.controls_NU[:, 0].tolist(),
        "exact_control": (-np.sinh(1 - t) / math.cosh(1)).tolist(), "largest_gradients": solution.largest_gradients,
        "away": {
            "autograd": _largest(by_adjoint - by_torch),
            "chain_rule": _largest(by_adjoint[:, 0] - torch.tensor(by_chain.gradient, dtype=torch.float64)),
            "differences": abs(difference - float(by_adjoint[0, 0])),
        },
        "multiplications": {"forward": by_chain.forward, "backward": by_chain.backward},
    }  # fmt: skip


def _energy(steps: int) -> Json:
    problem = problems.double_integrator()._replace(integrator=euler)
    rounds = [*meet_conditions(problem, problems.arrive(1.0, 0.0), _zeros(steps), Penalty(1000, rounds=6, iterations=60))]
    controls = rounds[-1].solution.controls_NU[:, 0]
    return {
        "steps": steps, "integral": float(controls.square().mean()), "exact": 12.0,
        "times": (np.arange(steps) / steps).tolist(), "control": controls.tolist(),
        "missed": [_largest(finished.violation_Z) for finished in rounds],
        "multipliers": rounds[-1].multipliers_Z.tolist(),
    }  # fmt: skip


def _limited(limit: float, steps: int = 30) -> Json:
    """Penalties that grow, each search from the solution of the one before."""
    controls, by_weight = _zeros(steps), []
    for weight in _WEIGHTS:
        problem = problems.double_integrator(v_start=1.0, limit=limit, weight=weight)
        *_, last = meet_conditions(problem, problems.arrive(0.0, -1.0), controls, Penalty(1000, 3, 80, tolerance=1e-5))
        controls, states = last.solution.controls_NU, last.solution.last.states
        beyond = max(0.0, float(states[:, 0].max()) - limit)
        by_weight.append({"weight": weight, "cost": float(controls.square().mean()) / 2, "beyond": beyond})
    return {
        "limit": limit, "exact": problems.bryson_denham(limit), "by_weight": by_weight, "cost": by_weight[-1]["cost"],
        "missed": _largest(last.violation_Z), "times": np.linspace(0, 1, steps + 1).tolist(),
        "path": states[:, 0].tolist(),
    }  # fmt: skip


def _flight(name: str, steps: int) -> Json:
    if name == "rocket":  # first pushes outwards and then turns over
        problem, angles, weight = problems.rocket(3.5), torch.linspace(0.4, 5.6, steps, dtype=torch.float64), 100.0
    else:  # the sail leans forward by the angle that pushes most along the orbit
        problem, angles, weight = problems.sail(6.0), torch.full((steps,), 0.6, dtype=torch.float64), 1000.0
    penalty = Penalty(weight, 7, 60, tolerance=1e-6, max_change=0.3)
    rounds = [*meet_conditions(problem, problems.mars_orbit(), angles[:, None], penalty)]
    last = rounds[-1]
    duration = _duration(last)
    states, controls = last.solution.last.states.numpy(), last.solution.controls_NU[:, 0].numpy()
    turns = states[:, 2] / states[:, 0] * duration / steps  # radians of a step, at the rate of its beginning
    around = np.concatenate([[0.0], np.cumsum((turns[1:] + turns[:-1]) / 2)])
    return {
        "name": name, "steps": steps, "days": duration * problems.DAYS, "by_shooting": problems.BY_SHOOTING[name],
        "missed": last.violation_Z.abs().tolist(), "sweeps": sum(len(finished.solution.costs) for finished in rounds),
        "rounds": [{"days": _duration(entry) * problems.DAYS, "missed": _largest(entry.violation_Z)} for entry in rounds],
        "radius": states[:, 0].tolist(), "around": around.tolist(), "target": problems.MARS,
        "angle": np.degrees(np.mod(controls + math.pi, 2 * math.pi) - math.pi).tolist(),
        "from_horizon": name == "rocket", "times": (np.arange(steps) * duration * problems.DAYS / steps).tolist(),
    }  # fmt: skip


def _duration(finished: Round) -> float:
    return math.exp(float(finished.solution.start_D[-1]))


def _residual(seed: int) -> Json:
    generator = torch.Generator().manual_seed(seed)
    start, target = (torch.randn(4, dtype=torch.float64, generator=generator) for _ in range(2))
    weights = 0.4 * torch.randn(_BLOCKS, 20, dtype=torch.float64, generator=generator)
    problem = residual_network(start, target, _BLOCKS)
    gradients = sweep(problem, weights)
    states = [start.clone().requires_grad_()]
    controls = weights.clone().requires_grad_()
    for control in controls:
        states.append(states[-1] + problem.rate(states[-1], control))
    by_torch = torch.autograd.grad((states[-1] - target).square().sum() / 2, [*states, controls])
    one_unit = residual_network(torch.tensor([0.5], dtype=torch.float64), torch.zeros(1, dtype=torch.float64), _BLOCKS)
    multipliers = factors(one_unit, 0.5 * torch.randn(_BLOCKS, 2, dtype=torch.float64, generator=generator))
    return {
        "blocks": _BLOCKS, "adjoints": gradients.adjoints.norm(dim=1).tolist(),
        "autograd": torch.stack(by_torch[:-1]).norm(dim=1).tolist(),
        "away": max(
            _largest(gradients.gradient_NU - by_torch[-1]), _largest(gradients.adjoints - torch.stack(by_torch[:-1])),
        ),
        "factors": {"plain": multipliers.plain, "residual": multipliers.residual},
        "products": {"plain": math.prod(multipliers.plain), "residual": math.prod(multipliers.residual)},
    }  # fmt: skip


def _lines(numbers: Json) -> list[str]:
    scalar, energy, residual = numbers["scalar"], numbers["energy"], numbers["residual"]
    away, counts, products = scalar["away"], scalar["multiplications"], residual["products"]
    return [
        f"scalar problem: J = {scalar['cost']:.6f} in {scalar['steps']} steps of Euler, {scalar['iterations']} iterations; "
        f"exact {scalar['exact']:.10f}",
        f"its gradient by adjoints equals autograd's to {away['autograd']:.0e}, that of Dreyfus's chain rule to "
        f"{away['chain_rule']:.0e} and finite differences to {away['differences']:.0e}",
        f"multiplications: {counts['forward']} forward, {counts['backward']} backward",
        f"double integrator: integral of u^2 = {energy['integral']:.4f} in {energy['steps']} steps; exact 12",
        *(
            f"state limit {row['limit']:.4f}: J = {row['cost']:.4f} by a penalty of {row['by_weight'][-1]['weight']:.0e}; "
            f"exact {row['exact']:.4f}"
            for row in numbers["state_limit"]
        ),
        *(
            f"{name} to the orbit of Mars: {flight['days']:.2f} days in {flight['steps']} steps, largest violation "
            f"of the conditions {max(flight['missed']):.0e}; by shooting {flight['by_shooting']:.2f}"
            for name, flight in numbers["flights"].items()
        ),
        f"residual network of {residual['blocks']} blocks: adjoints and torch's backward pass differ by {residual['away']:.0e}",
        f"one unit: the product of F' + 1 is {products['residual']:.3g}, that of F' alone {products['plain']:.1e}",
    ]
