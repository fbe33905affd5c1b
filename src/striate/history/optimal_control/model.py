"""Kelley's gradient method: the backward pass, twenty-six years before it was used to train networks on images.

Source: Kelley 1960, "Gradient theory of optimal flight paths", ARS Journal 30(10):947-954; Bryson & Denham 1962; Dreyfus 1962,
"The numerical solution of variational problems", Journal of Mathematical Analysis and Applications 5:30-45.

Controls u(t) are sought that make J = phi(x(T)) + integral of L(x, u) dt least, where x' = f(x, u). One pass forward gives the
path, one backward the adjoints: lambda(T) = phi_x, lambda' = -(f_x^T lambda + L_x). Then g = L_u + f_u^T lambda is the
gradient of J in the space of controls, and u - step g is better than u.

In N steps of h the same is exact, and not only nearly so:

    x[k+1]    = x[k] + h F(x[k], u[k])                          a block of a residual network: its input, and F of it
    lambda[k] = lambda[k+1] + h (F_x^T lambda[k+1] + L_x)       its backward pass: (F + x)' = F' + 1
    dJ/du[k]  = h (L_u + F_u^T lambda[k+1])                     the gradient with respect to its weights

where F is f itself (Euler) or the mean rate of a Runge-Kutta step. The best T is found by one more state, whose rate is zero
and whose start is free: its adjoint at the start is dJ/dT. Conditions psi(x(T)) = 0 are penalties K/2 |psi|^2, which leave
a violation; shifted by what remains (Hestenes 1969) they leave none.

Departures: Jacobians are torch's in place of those derived by hand; `descend` is Kelley's, `bfgs` is of 1970.

Legend: N steps, D numbers of a state, U of a control, Z conditions at the end.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

Rate = Callable[[Tensor, Tensor], Tensor]
Conditions = Callable[[Tensor], Tensor]
Integrator = Callable[[Rate, Tensor, Tensor, float], Tensor]


def euler(rate: Rate, states: Tensor, controls: Tensor, _h: float) -> Tensor:
    """The rate at the beginning of a step."""
    return rate(states, controls)


def runge_kutta(rate: Rate, states: Tensor, controls: Tensor, h: float) -> Tensor:
    """The mean rate of a step of fourth order, the control constant (Kutta 1901)."""
    first = rate(states, controls)
    second = rate(states + h / 2 * first, controls)
    third = rate(states + h / 2 * second, controls)
    return (first + 2 * second + 2 * third + rate(states + h * third, controls)) / 6


def no_running_cost(states: Tensor, _controls: Tensor) -> Tensor:
    """L = 0."""
    return states.new_zeros(states.shape[:-1])


class Problem(NamedTuple):
    """The dynamics and the cost. `rate` and `running` take any number of rows and treat each by itself."""

    rate: Rate  # f, of ... x D states and ... x U controls, ... x D
    running: Rate  # L, of the same, one number for each row
    final: Callable[[Tensor], Tensor]  # phi, of one state
    start_D: Tensor
    duration: float = 1.0  # T
    free: tuple[int, ...] = ()  # which numbers of the start may be chosen as the controls are
    integrator: Integrator = euler


class Sweep(NamedTuple):
    """One pass forward and one backward."""

    cost: float  # J
    states: Tensor  # (N + 1) x D
    adjoints: Tensor  # (N + 1) x D; the first row is dJ/dx(0)
    gradient_NU: Tensor  # g, in the space of controls; h g is the gradient with respect to N numbers


def forward(problem: Problem, controls_NU: Tensor, start_D: Tensor | None = None) -> Tensor:
    """The path, (N + 1) x D. Torch may differentiate through it: the loop is unrolled."""
    states, h = [problem.start_D if start_D is None else start_D], problem.duration / len(controls_NU)
    for control_U in controls_NU:
        states.append(states[-1] + h * problem.integrator(problem.rate, states[-1], control_U, h))
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
    F_ND = problem.integrator(problem.rate, x_ND, u_NU, h)
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
    """Where a search ended."""

    controls_NU: Tensor
    start_D: Tensor  # whose free numbers were chosen too
    last: Sweep
    costs: list[float]  # J before each iteration and at the end
    largest_gradients: list[float]  # max |g| at the same times
    inverse_VV: Tensor | None = None  # inverse Hessian for the V numbers that were chosen; None of `descend`


def descend(problem: Problem, controls_NU: Tensor, step: float, iterations: int, tolerance: float = 0.0) -> Solution:
    """Kelley's method: steps against the gradient, until none of its components is larger than the tolerance."""
    costs: list[float] = []
    largest: list[float] = []
    while True:
        current = sweep(problem, controls_NU)
        costs.append(current.cost)
        largest.append(float(current.gradient_NU.abs().max()))
        if len(costs) > iterations or largest[-1] <= tolerance:
            return Solution(controls_NU, problem.start_D, current, costs, largest)
        controls_NU = controls_NU - step * current.gradient_NU


class _Point(NamedTuple):
    controls_NU: Tensor
    start_D: Tensor
    sweep: Sweep
    gradient_V: Tensor


def bfgs(
    problem: Problem, controls_NU: Tensor, iterations: int, tolerance: float = 1e-8, max_change: float = math.inf,
    inverse_VV: Tensor | None = None,
) -> Solution:  # fmt: skip
    """The same gradient, and steps that learn the curvature (Broyden, Fletcher, Goldfarb, Shanno 1970); moves free starts too.

    No number changes by more than `max_change` in an iteration; `inverse_VV` is the inverse Hessian of an earlier search.
    """
    free, shape, h = [*problem.free], controls_NU.shape, problem.duration / len(controls_NU)

    def evaluate(point_V: Tensor) -> _Point:
        controls, start_D = point_V[: controls_NU.numel()].view(shape), problem.start_D.clone()
        start_D[free] = point_V[controls_NU.numel() :]
        current = sweep(problem, controls, start_D)
        return _Point(controls, start_D, current, torch.cat([h * current.gradient_NU.flatten(), current.adjoints[0][free]]))

    point_V = torch.cat([controls_NU.flatten(), problem.start_D[free]])
    point = evaluate(point_V)
    fresh = inverse_VV is None
    if inverse_VV is None:
        inverse_VV = torch.eye(len(point_V), dtype=point_V.dtype) / max(1.0, float(point.gradient_V.norm()))
    costs, largest = [point.sweep.cost], [float(point.gradient_V.abs().max())]
    for _ in range(iterations):
        if largest[-1] <= tolerance:
            break
        direction_V = -inverse_VV @ point.gradient_V
        direction_V = direction_V * min(1.0, max_change / float(direction_V.abs().max()))
        size, derivative = 1.0, float(direction_V @ point.gradient_V)
        new = evaluate(point_V + direction_V)
        while not new.sweep.cost <= point.sweep.cost + 1e-4 * size * derivative and size > 1e-10:  # also where it is nan
            size /= 2
            new = evaluate(point_V + size * direction_V)
        if size <= 1e-10:
            break
        step_V, change_V = size * direction_V, new.gradient_V - point.gradient_V
        point_V, point = point_V + step_V, new
        inverse_VV = _updated_inverse(inverse_VV, step_V, change_V, first=fresh and len(costs) == 1)
        costs.append(point.sweep.cost)
        largest.append(float(point.gradient_V.abs().max()))
    return Solution(point.controls_NU, point.start_D, point.sweep, costs, largest, inverse_VV)


def _updated_inverse(inverse_VV: Tensor, step_V: Tensor, change_V: Tensor, first: bool) -> Tensor:
    """The inverse Hessian, such that it takes the change of the gradient to the step."""
    product = float(step_V @ change_V)
    if product <= 1e-14 * float(step_V.norm() * change_V.norm()):
        return inverse_VV
    eye_VV = torch.eye(len(step_V), dtype=step_V.dtype)
    if first:
        inverse_VV = eye_VV * (product / float(change_V @ change_V))
    left_VV = eye_VV - torch.outer(step_V, change_V) / product
    return left_VV @ inverse_VV @ left_VV.T + torch.outer(step_V, step_V) / product


class Penalty(NamedTuple):
    """How conditions at the end are met: the penalty's weight K, rounds of `bfgs`, and the limits of each."""

    weight: float
    rounds: int
    iterations: int
    tolerance: float = 1e-8
    max_change: float = math.inf


class Round(NamedTuple):
    """Where a round of a search with conditions at its end has led."""

    solution: Solution
    violation_Z: Tensor  # psi there
    multipliers_Z: Tensor  # K (psi + shift), which converge to the Lagrange multipliers of the conditions


def meet_conditions(problem: Problem, conditions: Conditions, controls_NU: Tensor, penalty: Penalty) -> Iterator[Round]:
    """Searches with conditions psi = 0 on the last state: first a penalty, then one shifted by what violation remains."""
    shift_Z, inverse_VV = torch.zeros_like(conditions(problem.start_D)), None
    for _ in range(penalty.rounds):
        penalized = _penalized(problem, conditions, penalty.weight, shift_Z)
        solution = bfgs(penalized, controls_NU, penalty.iterations, penalty.tolerance, penalty.max_change, inverse_VV)
        violation_Z = conditions(solution.last.states[-1]).detach()
        shift_Z = shift_Z + violation_Z
        yield Round(solution, violation_Z, penalty.weight * shift_Z)
        inverse_VV = solution.inverse_VV  # a shift changes little of it
        controls_NU, problem = solution.controls_NU, problem._replace(start_D=solution.start_D)


def _penalized(problem: Problem, conditions: Conditions, weight: float, shift_Z: Tensor) -> Problem:
    def final(state_D: Tensor) -> Tensor:
        return problem.final(state_D) + weight / 2 * (conditions(state_D) + shift_Z).square().sum()

    return problem._replace(final=final)
