"""The same backward pass twice more: Dreyfus's chain rule over single operations, and a residual network's.

Source: Dreyfus 1962, "The numerical solution of variational problems", Journal of Mathematical Analysis and Applications
5:30-45: the recursion of Kelley's adjoints out of the chain rule alone; in terms of single operations Linnainmaa 1970. He,
Zhang, Ren & Sun 2016, "Identity mappings in deep residual networks", equation 5, has the recursion of a residual network, where
a gradient reaches every block by the 1 of (F + x)' = F' + 1.

Legend: N blocks or steps, D numbers of a state.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from striate.history.optimal_control.model import Problem, forward, no_running_cost

Place = int  # of a number on a tape


@dataclass
class Tape:
    """Single operations in the order in which they were done, with every intermediate number."""

    numbers: list[float] = field(default_factory=list)
    operations: list[tuple[bool, Place, Place, Place]] = field(default_factory=list)  # is a product; a, b, out
    multiplications: int = 0  # done so far, forward or backward

    def put(self, number: float) -> Place:
        """An input."""
        self.numbers.append(number)
        return len(self.numbers) - 1

    def add(self, a: Place, b: Place) -> Place:
        """The sum of two."""
        return self._record(False, a, b, self.numbers[a] + self.numbers[b])

    def multiply(self, a: Place, b: Place) -> Place:
        """The product of two."""
        self.multiplications += 1
        return self._record(True, a, b, self.numbers[a] * self.numbers[b])

    def _record(self, multiplies: bool, a: Place, b: Place, number: float) -> Place:
        out = self.put(number)
        self.operations.append((multiplies, a, b, out))
        return out

    def backward(self, output: Place) -> list[float]:
        """The derivative of one number by all, from the last operation back: two multiplications for each product."""
        derivatives = [0.0] * len(self.numbers)
        derivatives[output] = 1.0
        for multiplies, a, b, out in reversed(self.operations):
            derivatives[a] += derivatives[out] * (self.numbers[b] if multiplies else 1)
            derivatives[b] += derivatives[out] * (self.numbers[a] if multiplies else 1)
            self.multiplications += 2 * multiplies
        return derivatives


class ByChain(NamedTuple):
    """The scalar problem by the chain rule: J, dJ/du[k] for N controls, and the multiplications of both passes."""

    cost: float
    gradient: list[float]
    forward: int
    backward: int


def scalar_by_chain(controls: list[float], start: float = 1.0) -> ByChain:
    """J and its gradient for x' = u and half the integral of x^2 + u^2 over [0, 1], operation by operation."""
    tape = Tape()
    h, half, x, total = tape.put(1.0 / len(controls)), tape.put(0.5 / len(controls)), tape.put(start), tape.put(0.0)
    places = [tape.put(control) for control in controls]
    for u in places:
        squares = tape.add(tape.multiply(x, x), tape.multiply(u, u))
        total = tape.add(total, tape.multiply(half, squares))
        x = tape.add(x, tape.multiply(h, u))
    in_forward = tape.multiplications
    derivatives = tape.backward(total)
    return ByChain(tape.numbers[total], [derivatives[u] for u in places], in_forward, tape.multiplications - in_forward)


def residual_network(start_D: Tensor, target_D: Tensor, blocks: int) -> Problem:
    """N blocks x + tanh(W x + b), W and b the controls, h = 1; the loss is half the squared distance from a target."""
    size = len(start_D)

    def rate(x: Tensor, u: Tensor) -> Tensor:
        weights, bias = u[..., : size * size].reshape(*u.shape[:-1], size, size), u[..., size * size :]
        return torch.tanh((weights @ x[..., None])[..., 0] + bias)

    return Problem(rate, no_running_cost, lambda x: (x - target_D).square().sum() / 2, start_D, duration=float(blocks))


class Factors(NamedTuple):
    """What a gradient is multiplied by on its way back, block by block, in a network of one unit."""

    plain: list[float]  # F', the factor of a block without the shortcut, at the same states
    residual: list[float]  # F' + 1, with it


def factors(problem: Problem, controls_NU: Tensor) -> Factors:
    """The factors of a residual network of one unit; the product of `residual` is dx[N]/dx[0]."""
    with torch.no_grad():
        states = forward(problem, controls_NU)[:-1]
    states.requires_grad_()
    (derivative_N1,) = torch.autograd.grad(problem.rate(states, controls_NU).sum(), states)
    return Factors(derivative_N1[:, 0].tolist(), (derivative_N1[:, 0] + 1).tolist())
