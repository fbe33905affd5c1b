"""Problems of optimal control whose solutions are known: what the gradient method is compared with.

Sources: the linear ones are textbook problems with closed forms; the state limit is of Bryson, Denham & Dreyfus 1963, "Optimal
programming problems with inequality constraints"; the flight to Mars with constant thrust is of Moyer & Pinkham 1964, in the
numbers of Bryson & Ho 1969, section 2.5; the sail is the example of Kelley 1960.

Units of flights: the radius of the Earth's orbit, the speed of the Earth, and the mass at the start are 1; so is the attraction
of the Sun, and 2 pi are a year. Orbits are circles in one plane; where on its orbit Mars is does not matter.

Legend: D numbers of a state, U of a control, Z conditions at the end.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from striate.history.optimal_control.model import Problem, no_running_cost, runge_kutta

MARS = 1.5237  # radius of its orbit; that of the Earth is 1
DAYS = 365.25 / (2 * math.pi)  # in a unit of time
# Days of the two flights by another method: Pontryagin's two-point problem by shooting, which a test repeats
BY_SHOOTING = {"rocket": 192.7384, "sail": 407.6514}
THRUST = 0.1405
MASS_RATE = 0.0749


def scalar() -> Problem:
    """Steer x' = u from x = 1, half the integral of x^2 + u^2 over [0, 1]: u* = -sinh(1 - t) / cosh(1), J* = tanh(1) / 2."""
    start_D = torch.ones(1, dtype=torch.float64)
    return Problem(lambda _x, u: u, lambda x, u: (x.square() + u.square()).sum(-1) / 2, lambda x: 0 * x.sum(), start_D)


def double_integrator(v_start: float = 0.0, limit: float | None = None, weight: float = 0.0) -> Problem:
    """The problem x'' = u from x = 0, half the integral of u^2 over [0, 1]; beyond a limit, plus weight/2 (x - limit)^2.

    From rest to rest at x = 1, u* = 6 - 12 t and the integral of u^2 is 12.
    """

    def running(x: Tensor, u: Tensor) -> Tensor:
        work = u.square().sum(-1) / 2
        return work if limit is None else work + weight / 2 * (x[..., 0] - limit).clamp(min=0).square()

    def rate(x: Tensor, u: Tensor) -> Tensor:
        return torch.stack([x[..., 1], u[..., 0]], -1)

    start_D = torch.tensor([0.0, v_start], dtype=torch.float64)
    return Problem(rate, running, lambda x: 0 * x.sum(), start_D, integrator=runge_kutta)


def arrive(*values: float) -> Callable[[Tensor], Tensor]:
    """The conditions that the first numbers of the last state have these values."""
    target_Z = torch.tensor(values, dtype=torch.float64)
    return lambda x: x[..., : len(values)] - target_Z


def bryson_denham(limit: float) -> float:
    """The least half integral of u^2 where x leaves 0 with velocity 1, comes back with -1 at t = 1, and stays below a limit."""
    if limit <= 1 / 6:
        return 4 / (9 * limit)
    return 2 + 6 * (1 - 4 * limit) ** 2 if limit <= 1 / 4 else 2.0


def mars_orbit() -> Callable[[Tensor], Tensor]:
    """On the orbit of Mars, at its speed."""
    return arrive(MARS, 0.0, 1 / math.sqrt(MARS))


def _orbit(r: Tensor, out: Tensor, along: Tensor, push_out: Tensor, push_along: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rates of the radius and of the two velocities under the Sun's attraction and a push."""
    return out, along.square() / r - 1 / r.square() + push_out, -out * along / r + push_along


def rocket(duration: float) -> Problem:
    """Least time with a constant thrust whose angle above the horizon is the control; 193 days, as published.

    The state is radius, velocity outwards and along, mass, log T; time runs from 0 to 1, and `duration` is the initial T.
    """

    def rate(x: Tensor, u: Tensor) -> Tensor:
        r, out, along, mass, log_T = x.unbind(-1)
        push = THRUST / mass
        rates = _orbit(r, out, along, push * torch.sin(u[..., 0]), push * torch.cos(u[..., 0]))
        return torch.stack([*rates, -MASS_RATE * torch.ones_like(r), 0 * r], -1) * log_T.exp()[..., None]

    start_D = torch.tensor([1.0, 0.0, 1.0, 1.0, math.log(duration)], dtype=torch.float64)
    return Problem(rate, no_running_cost, lambda x: x[..., 4].exp(), start_D, free=(4,), integrator=runge_kutta)


def sail(duration: float, strength: float = 0.1687) -> Problem:
    """Least time with a mirror that sunlight pushes along its normal, whose angle from the Sun's rays is the control.

    The state is radius, velocity outwards and along, log T; time runs from 0 to 1, and `duration` is the initial T. `strength`
    is the push at the Earth's orbit, face on, as a share of the Sun's attraction: 1 mm/s^2 is 0.1687.
    """

    def rate(x: Tensor, u: Tensor) -> Tensor:
        r, out, along, log_T = x.unbind(-1)
        cosine, sine = torch.cos(u[..., 0]), torch.sin(u[..., 0])
        push = strength * cosine * cosine.abs() / r.square()  # away from the Sun, whichever side it meets
        rates = _orbit(r, out, along, push * cosine, push * sine)
        return torch.stack([*rates, 0 * r], -1) * log_T.exp()[..., None]

    start_D = torch.tensor([1.0, 0.0, 1.0, math.log(duration)], dtype=torch.float64)
    return Problem(rate, no_running_cost, lambda x: x[..., 3].exp(), start_D, free=(3,), integrator=runge_kutta)
