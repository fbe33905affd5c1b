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

from striate.history.optimal_control.model import Problem, forward, nothing


@dataclass(frozen=True)
class Value:
    """The place of a number on a tape."""

    place: int


class Operation(NamedTuple):
    """`out` is `a` + `b` or `a` * `b`; all are places."""

    multiplies: bool
    a: int
    b: int
    out: int


@dataclass
class Tape:
    """Single operations in the order in which they were done, with every number on the way.

    Attributes:
        numbers: by place.
        operations: additions and multiplications.
        multiplications: done so far, forward or backward.

    """

    numbers: list[float] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    multiplications: int = 0

    def put(self, number: float) -> Value:
        """A number to begin with."""
        self.numbers.append(number)
        return Value(len(self.numbers) - 1)

    def add(self, a: Value, b: Value) -> Value:
        """The sum of two."""
        return self._done(False, a, b, self.numbers[a.place] + self.numbers[b.place])

    def multiply(self, a: Value, b: Value) -> Value:
        """The product of two."""
        self.multiplications += 1
        return self._done(True, a, b, self.numbers[a.place] * self.numbers[b.place])

    def _done(self, multiplies: bool, a: Value, b: Value, number: float) -> Value:
        out = self.put(number)
        self.operations.append(Operation(multiplies, a.place, b.place, out.place))
        return out

    def backward(self, of: Value) -> list[float]:
        """The derivative of one number with respect to all, by one pass from the last operation to the first.

        A product hands to each factor what it got times the other, so two multiplications stand for one.
        """
        slopes = [0.0] * len(self.numbers)
        slopes[of.place] = 1.0
        for operation in reversed(self.operations):
            slope = slopes[operation.out]
            if operation.multiplies:
                slopes[operation.a] += slope * self.numbers[operation.b]
                slopes[operation.b] += slope * self.numbers[operation.a]
                self.multiplications += 2
            else:
                slopes[operation.a] += slope
                slopes[operation.b] += slope
        return slopes


class ByChain(NamedTuple):
    """What the chain rule gives for the scalar problem.

    Attributes:
        cost: J.
        gradient: dJ/du[k], N numbers.
        forward: multiplications of the pass forward.
        backward: of the pass backward.

    """

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
    there = tape.multiplications
    slopes = tape.backward(total)
    return ByChain(tape.numbers[total.place], [slopes[u.place] for u in places], there, tape.multiplications - there)


def residual_network(start_D: Tensor, target_D: Tensor, blocks: int) -> Problem:
    """N blocks x + F(x), F(x) = tanh(W x + b), as a problem of control whose control u[k] is the block's W and b.

    The loss is half the squared distance of the last state from a target. The duration is N, so that h is 1.
    """
    size = len(start_D)

    def rate(x: Tensor, u: Tensor) -> Tensor:
        weights, bias = u[..., : size * size].reshape(*u.shape[:-1], size, size), u[..., size * size :]
        return torch.tanh((weights @ x[..., None])[..., 0] + bias)

    return Problem(rate, nothing, lambda x: (x - target_D).square().sum() / 2, start_D, duration=float(blocks))


class Chains(NamedTuple):
    """What a gradient is multiplied with on its way back, block by block, in a network of one unit.

    Attributes:
        plain: F', the factor of a block without the shortcut, at the same states.
        residual: F' + 1, with it.

    """

    plain: list[float]
    residual: list[float]


def factors(problem: Problem, controls_NU: Tensor) -> Chains:
    """The factors of a residual network of one unit; their product is dx[N]/dx[0]."""
    with torch.no_grad():
        states = forward(problem, controls_NU)[:-1]
    states.requires_grad_()
    (slope_N1,) = torch.autograd.grad(problem.rate(states, controls_NU).sum(), states)
    return Chains(slope_N1[:, 0].tolist(), (slope_N1[:, 0] + 1).tolist())
