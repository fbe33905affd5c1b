"""Kelley's gradient method: the backward pass, twenty-six years before it was used to train networks on images.

Source: Kelley 1960, "Gradient theory of optimal flight paths", ARS Journal 30(10):947-954; Bryson & Denham 1962; Dreyfus 1962,
"The numerical solution of variational problems", Journal of Mathematical Analysis and Applications 5:30-45.

Controls u(t) are sought that make J = phi(x(T)) + integral of L(x, u) dt least, where x' = f(x, u). One pass forward gives the
path, one backward the adjoints: lambda(T) = phi_x, lambda' = -(f_x^T lambda + L_x). Then g = L_u + f_u^T lambda is the slope
of J in the space of controls, and u - step g is better than u.

In N steps of h the same is exact, and not only nearly so:

    x[k+1]    = x[k] + h F(x[k], u[k])                          a block of a residual network: what came, and F of it
    lambda[k] = lambda[k+1] + h (F_x^T lambda[k+1] + L_x)       its backward pass: (F + x)' = F' + 1
    dJ/du[k]  = h (L_u + F_u^T lambda[k+1])                     the gradient with respect to its weights

where F is f itself (Euler) or the mean slope of a Runge-Kutta step. What T is best is asked by one more state, whose rate is
zero and whose start is free: its adjoint at the start is dJ/dT. Conditions psi(x(T)) = 0 are penalties K/2 |psi|^2, which leave
a remainder; shifted by what remains (Hestenes 1969) they leave none.

Departures: Jacobians are torch's in place of those derived by hand; `descend` is Kelley's, `bfgs` is of 1970.

Legend: N steps, D numbers of a state, U of a control, Z conditions at the end.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

Rate = Callable[[Tensor, Tensor], Tensor]
Slope = Callable[[Rate, Tensor, Tensor, float], Tensor]


def euler(rate: Rate, states: Tensor, controls: Tensor, _h: float) -> Tensor:
    """The slope at the beginning of a step."""
    return rate(states, controls)


def runge_kutta(rate: Rate, states: Tensor, controls: Tensor, h: float) -> Tensor:
    """The mean slope of a step of fourth order, the control held (Kutta 1901)."""
    first = rate(states, controls)
    second = rate(states + h / 2 * first, controls)
    third = rate(states + h / 2 * second, controls)
    return (first + 2 * second + 2 * third + rate(states + h * third, controls)) / 6


def nothing(states: Tensor, _controls: Tensor) -> Tensor:
    """No running cost."""
    return states.new_zeros(states.shape[:-1])


class Problem(NamedTuple):
    """What moves, and what it costs. The functions take any number of rows and treat each by itself.

    Attributes:
        rate: f, of ... x D states and ... x U controls, ... x D.
        running: L, of the same, one number for each row.
        final: phi, of one state.
        start_D: where the path begins.
        duration: T.
        free: which numbers of the start may be chosen as the controls are.
        slope: `euler` or `runge_kutta`.

    """

    rate: Rate
    running: Rate
    final: Callable[[Tensor], Tensor]
    start_D: Tensor
    duration: float = 1.0
    free: tuple[int, ...] = ()
    slope: Slope = euler


class Sweep(NamedTuple):
    """One pass forward and one backward.

    Attributes:
        cost: J.
        states: (N + 1) x D.
        adjoints: (N + 1) x D; the first row is dJ/dx(0).
        slope_NU: g, the gradient in the space of controls; h g is the gradient with respect to N numbers.

    """

    cost: float
    states: Tensor
    adjoints: Tensor
    slope_NU: Tensor


def forward(problem: Problem, controls_NU: Tensor, start_D: Tensor | None = None) -> Tensor:
    """The path, (N + 1) x D. Torch may differentiate through it: the loop is unrolled."""
    states, h = [problem.start_D if start_D is None else start_D], problem.duration / len(controls_NU)
    for control_U in controls_NU:
        states.append(states[-1] + h * problem.slope(problem.rate, states[-1], control_U, h))
    return torch.stack(states)


def cost(problem: Problem, states: Tensor, controls_NU: Tensor) -> Tensor:
    """J of a path: the running cost by rectangles."""
    h = problem.duration / len(controls_NU)
    return problem.final(states[-1]) + h * problem.running(states[:-1], controls_NU).sum()


def sweep(problem: Problem, controls_NU: Tensor, start_D: Tensor | None = None) -> Sweep:
    """Forward along the path, backward along the adjoints."""
    h = problem.duration / len(controls_NU)
    with torch.inference_mode():
        path = forward(problem, controls_NU, start_D)
        total = float(cost(problem, path, controls_NU))
    states = path.clone()  # an ordinary tensor again
    x_ND, u_NU = states[:-1].clone().requires_grad_(), controls_NU.detach().clone().requires_grad_()
    F_ND = problem.slope(problem.rate, x_ND, u_NU, h)
    F_x_NDD, F_u_NDU = jacobians(F_ND, x_ND, u_NU)
    L_x_ND, L_u_NU = _gradients(problem.running(x_ND, u_NU).sum(), x_ND, u_NU)
    end_D = states[-1].clone().requires_grad_()
    (lambda_D,) = _gradients(problem.final(end_D), end_D)
    adjoints = [lambda_D]
    for F_x_DD, L_x_D in zip(reversed(F_x_NDD), reversed(L_x_ND), strict=True):
        lambda_D = lambda_D + h * (F_x_DD.T @ lambda_D + L_x_D)
        adjoints.append(lambda_D)
    lambdas = torch.stack(adjoints[::-1])
    return Sweep(total, states, lambdas, L_u_NU + torch.einsum("ndu,nd->nu", F_u_NDU, lambdas[1:]))


def jacobians(F_ND: Tensor, *variables: Tensor) -> list[Tensor]:
    """dF/dv for each variable, N x D x V. A row of F depends on the same row of v alone, so D passes give all."""
    rows = [_gradients(F_ND[:, d].sum(), *variables) for d in range(F_ND.shape[1])]
    return [torch.stack(by_row, dim=1) for by_row in zip(*rows, strict=True)]


def _gradients(value: Tensor, *variables: Tensor) -> tuple[Tensor, ...]:
    if not value.requires_grad:
        return tuple(torch.zeros_like(variable) for variable in variables)
    return torch.autograd.grad(value, variables, retain_graph=True, allow_unused=True, materialize_grads=True)


class Solution(NamedTuple):
    """Where a search ended.

    Attributes:
        controls_NU: the controls.
        start_D: the start, whose free numbers were chosen too.
        last: the sweep there.
        costs: J before each iteration and at the end.
        largest: of |g| at the same times.
        inverse_VV: of the curvature, for the V numbers that were chosen; None of `descend`.

    """

    controls_NU: Tensor
    start_D: Tensor
    last: Sweep
    costs: list[float]
    largest: list[float]
    inverse_VV: Tensor | None = None


def descend(problem: Problem, controls_NU: Tensor, step: float, iterations: int, tolerance: float = 0.0) -> Solution:
    """Kelley's method: steps against the slope, until none of it is larger than the tolerance."""
    current = sweep(problem, controls_NU)
    costs, largest = [current.cost], [float(current.slope_NU.abs().max())]
    for _ in range(iterations):
        if largest[-1] <= tolerance:
            break
        controls_NU = controls_NU - step * current.slope_NU
        current = sweep(problem, controls_NU)
        costs.append(current.cost)
        largest.append(float(current.slope_NU.abs().max()))
    return Solution(controls_NU, problem.start_D, current, costs, largest)


def bfgs(
    problem: Problem,
    controls_NU: Tensor,
    iterations: int,
    tolerance: float = 1e-8,
    longest: float = math.inf,
    inverse_VV: Tensor | None = None,
) -> Solution:
    """The same slope, and steps that learn the curvature (Broyden, Fletcher, Goldfarb, Shanno 1970); moves free starts too.

    Args:
        problem: what costs.
        controls_NU: to begin with.
        iterations: the most.
        tolerance: of the gradient.
        longest: the most that one number may change in an iteration.
        inverse_VV: of the curvature, as an earlier search left it; None to learn it anew.

    """
    free, shape, h = [*problem.free], controls_NU.shape, problem.duration / len(controls_NU)

    def at(point_V: Tensor) -> tuple[Tensor, Tensor, Sweep, Tensor]:
        controls, start_D = point_V[: controls_NU.numel()].view(shape), problem.start_D.clone()
        start_D[free] = point_V[controls_NU.numel() :]
        current = sweep(problem, controls, start_D)
        return controls, start_D, current, torch.cat([h * current.slope_NU.flatten(), current.adjoints[0][free]])

    point_V = torch.cat([controls_NU.flatten(), problem.start_D[free]])
    here = at(point_V)
    fresh = inverse_VV is None
    if inverse_VV is None:
        inverse_VV = torch.eye(len(point_V), dtype=point_V.dtype) / max(1.0, float(here[3].norm()))
    costs, largest = [here[2].cost], [float(here[3].abs().max())]
    for _ in range(iterations):
        if largest[-1] <= tolerance:
            break
        way_V = -inverse_VV @ here[3]
        way_V = way_V * min(1.0, longest / float(way_V.abs().max()))
        size, fall = 1.0, float(way_V @ here[3])
        there = at(point_V + way_V)
        while not there[2].cost <= here[2].cost + 1e-4 * size * fall and size > 1e-10:  # also where it is no number
            size /= 2
            there = at(point_V + size * way_V)
        if size <= 1e-10:
            break
        moved_V, turned_V = size * way_V, there[3] - here[3]
        point_V, here = point_V + moved_V, there
        inverse_VV = _curvature(inverse_VV, moved_V, turned_V, first=fresh and len(costs) == 1)
        costs.append(here[2].cost)
        largest.append(float(here[3].abs().max()))
    return Solution(here[0], here[1], here[2], costs, largest, inverse_VV)


def _curvature(inverse_VV: Tensor, moved_V: Tensor, turned_V: Tensor, first: bool) -> Tensor:
    """The inverse of the curvature, such that it takes the turn of the gradient to the move."""
    along = float(moved_V @ turned_V)
    if along <= 1e-14 * float(moved_V.norm() * turned_V.norm()):
        return inverse_VV
    eye_VV = torch.eye(len(moved_V), dtype=moved_V.dtype)
    if first:
        inverse_VV = eye_VV * (along / float(turned_V @ turned_V))
    left_VV = eye_VV - torch.outer(moved_V, turned_V) / along
    return left_VV @ inverse_VV @ left_VV.T + torch.outer(moved_V, moved_V) / along


class Held(NamedTuple):
    """A round of a search with conditions at its end.

    Attributes:
        solution: where it ended.
        missed_Z: psi there.
        multipliers_Z: K (psi + shift), which converge to the prices of the conditions.

    """

    solution: Solution
    missed_Z: Tensor
    multipliers_Z: Tensor


def hold(
    problem: Problem,
    conditions: Callable[[Tensor], Tensor],
    controls_NU: Tensor,
    weight: float,
    rounds: int,
    iterations: int,
    tolerance: float = 1e-8,
    longest: float = math.inf,
) -> Iterator[Held]:
    """Searches with conditions psi = 0 at the end: in the first round a penalty, then one shifted by what was missed.

    Args:
        problem: as it is without conditions.
        conditions: psi, Z numbers of the last state.
        controls_NU: to begin with.
        weight: K.
        rounds: of `bfgs`.
        iterations: the most in each.
        tolerance: of the gradient in each.
        longest: as of `bfgs`.

    """
    shift_Z, inverse_VV = torch.zeros_like(conditions(problem.start_D)), None
    for _ in range(rounds):
        penalized = _penalized(problem, conditions, weight, shift_Z)
        solution = bfgs(penalized, controls_NU, iterations, tolerance, longest, inverse_VV)
        missed_Z = conditions(solution.last.states[-1]).detach()
        shift_Z = shift_Z + missed_Z
        yield Held(solution, missed_Z, weight * shift_Z)
        inverse_VV = solution.inverse_VV  # a shift changes little of it
        controls_NU, problem = solution.controls_NU, problem._replace(start_D=solution.start_D)


def _penalized(problem: Problem, conditions: Callable[[Tensor], Tensor], weight: float, shift_Z: Tensor) -> Problem:
    def final(state_D: Tensor) -> Tensor:
        return problem.final(state_D) + weight / 2 * (conditions(state_D) + shift_Z).square().sum()

    return problem._replace(final=final)
