"""The chain rule over single operations, and a residual network, against the adjoints and torch."""

import math

import pytest
import torch

from striate.history.optimal_control import problems
from striate.history.optimal_control.chain_rule import Tape, factors, residual_network, scalar_by_chain
from striate.history.optimal_control.model import sweep

F64 = torch.float64


def test_a_product_and_a_sum_by_hand():
    tape = Tape()
    x, y = tape.put(3.0), tape.put(5.0)
    out = tape.add(tape.multiply(x, y), tape.multiply(x, x))  # x y + x^2 = 24
    assert tape.numbers[out] == 24
    derivatives = tape.backward(out)
    assert (derivatives[x], derivatives[y]) == (5 + 6, 3)


def test_dreyfus_chain_rule_gives_kelleys_gradient_at_twice_the_multiplications():
    controls = torch.linspace(-1, 0.5, 50, dtype=F64)
    backward, by_chain = sweep(problems.scalar(), controls[:, None]), scalar_by_chain(controls.tolist())
    assert by_chain.cost == pytest.approx(backward.cost, abs=1e-14)
    assert torch.tensor(by_chain.gradient, dtype=F64) == pytest.approx(backward.gradient_NU[:, 0] / 50, abs=1e-15)
    assert by_chain.forward == 4 * 50
    assert by_chain.backward == 2 * by_chain.forward


class Block(torch.nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(size, size, dtype=F64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.tanh(self.fc(x))


def test_the_adjoints_are_the_backward_pass_of_a_residual_network():
    torch.manual_seed(0)
    net = torch.nn.Sequential(*[Block(4) for _ in range(8)])
    start, target = torch.randn(4, dtype=F64, requires_grad=True), torch.randn(4, dtype=F64)
    ((net(start) - target).square().sum() / 2).backward()
    controls = torch.stack([torch.cat([block.fc.weight.flatten(), block.fc.bias]) for block in net]).detach()
    backward = sweep(residual_network(start.detach(), target, 8), controls)
    by_torch = torch.stack([torch.cat([block.fc.weight.grad.flatten(), block.fc.bias.grad]) for block in net])
    assert (backward.gradient_NU - by_torch).abs().max() < 1e-14 * max(1, float(by_torch.abs().max()))
    assert (backward.adjoints[0] - start.grad).abs().max() < 1e-14 * max(1, float(start.grad.abs().max()))


def test_each_block_multiplies_a_gradient_by_its_derivative_and_one():
    # F(x) = tanh(w x): F' = w (1 - F^2)
    problem = residual_network(torch.tensor([0.5], dtype=F64), torch.zeros(1, dtype=F64), 2)
    controls = torch.tensor([[0.3, 0.0], [-0.4, 0.0]], dtype=F64)
    x1 = 0.5 + math.tanh(0.15)
    plain = [0.3 * (1 - math.tanh(0.15) ** 2), -0.4 * (1 - math.tanh(-0.4 * x1) ** 2)]
    multipliers, backward = factors(problem, controls), sweep(problem, controls)
    assert multipliers.plain == pytest.approx(plain, abs=1e-15)
    assert multipliers.residual == pytest.approx([derivative + 1 for derivative in plain], abs=1e-15)
    ratio = float(backward.adjoints[0] / backward.adjoints[-1])  # dx[N]/dx[0]
    assert ratio == pytest.approx((plain[0] + 1) * (plain[1] + 1), abs=1e-15)
