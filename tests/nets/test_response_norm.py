"""The response norm of trainings: torch's own numbers and gradients."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional

from striate.nets.blocks import LocalResponseNorm
from striate.nets.response_norm import ResponseNorm

SHAPE = (2, 7, 3, 4)
ORDERS = {"usual": torch.contiguous_format, "channels last": torch.channels_last}


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 20])
def test_its_derivatives_are_those_of_small_steps(size: int):
    maps_NCHW = torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(size), requires_grad=True)

    def norm(values_NCHW: torch.Tensor) -> torch.Tensor:
        out_NCHW: torch.Tensor = ResponseNorm.apply(values_NCHW, size, 0.3, 0.6, 1.5)
        return out_NCHW

    assert gradcheck(norm, maps_NCHW)
    assert gradgradcheck(norm, maps_NCHW)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [1, 4, 5])
def test_numbers_and_gradients_are_those_of_torch(size: int, order: str):
    random = torch.Generator().manual_seed(size)
    maps_NCHW, gradient_NCHW = (3 * torch.randn(SHAPE, generator=random).to(memory_format=ORDERS[order]) for _ in range(2))
    layer, both = LocalResponseNorm(size, alpha=0.2, beta=0.75, k=2.0).train(), []
    for norm in (layer, lambda maps: functional.local_response_norm(maps, size, 0.2 * size, 0.75, 2.0)):
        given_NCHW = maps_NCHW.clone().requires_grad_()
        out_NCHW = norm(given_NCHW)
        out_NCHW.backward(gradient_NCHW)
        both.append((out_NCHW.detach(), given_NCHW.grad))
    (own, own_gradient), (expected, expected_gradient) = both
    torch.testing.assert_close(own, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(own_gradient, expected_gradient, rtol=1e-5, atol=1e-5)
    assert own.is_contiguous(memory_format=ORDERS[order])


def test_an_answer_is_torch_s_to_the_last_bit():
    maps_NCHW, layer = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)), LocalResponseNorm()
    expected = functional.local_response_norm(maps_NCHW, 5, 5e-4, 0.75, 2.0)
    assert torch.equal(layer.eval()(maps_NCHW), expected)
    with torch.no_grad():
        assert torch.equal(layer.train()(maps_NCHW), expected)


def test_in_bfloat16_it_computes_in_float32():
    maps_NCHW = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).bfloat16()
    layer = LocalResponseNorm(alpha=0.2).train()
    out_NCHW = layer(maps_NCHW)
    assert out_NCHW.dtype == torch.bfloat16
    assert torch.equal(out_NCHW, layer(maps_NCHW.float()).bfloat16())


def test_a_gradient_that_can_be_derived_again_is_the_same():
    maps_NCHW = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    sum_ = LocalResponseNorm(alpha=0.2).train()(maps_NCHW).float().square().sum()
    (first,) = torch.autograd.grad(sum_, maps_NCHW, retain_graph=True)
    (again,) = torch.autograd.grad(sum_, maps_NCHW, create_graph=True)
    torch.testing.assert_close(first, again, rtol=2**-7, atol=1e-6)
    assert again.requires_grad
    assert not first.requires_grad
