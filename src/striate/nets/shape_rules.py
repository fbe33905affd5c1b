"""Shapes of what the commonest functions put out, worked out here for tensors on the meta device.

torch's own rules for shapes first import its compiler, which takes seconds; torch is asked about all functions without a rule.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class ByRule(TorchFunctionMode):
    """Within it, functions of tensors on the meta device follow the rules."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return run(func, args, kwargs or {})


def run(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a function puts out, by a rule where there is one."""
    rule = _RULES.get(func) if args else None
    shaped = None if rule is None else rule(*args, **kwargs)
    return func(*args, **kwargs) if shaped is None else shaped


def _alike(maps: Tensor, *_: Any, **__: Any) -> Tensor | None:
    return maps.new_empty(maps.shape)


def _batch_norm(maps: Tensor, running_mean: Tensor | None = None, *_: Any, **__: Any) -> Tensor | None:
    return _alike(maps) if running_mean is not None and len(running_mean) == maps.shape[1] else None


def _linear(units: Tensor, weight: Tensor, *_: Any, **__: Any) -> Tensor | None:
    return units.new_empty(*units.shape[:-1], len(weight)) if units.shape[-1] == weight.shape[1] else None


def _by_value(first: Any, other: Any, **_: Any) -> Tensor | None:
    if not isinstance(first, Tensor) or not isinstance(other, Tensor):
        return _alike(first) if isinstance(first, Tensor) and isinstance(other, int | float) else None
    return first.new_empty(np.broadcast_shapes(first.shape, other.shape))


def _reduced(maps: Tensor, dim: Any = None, keepdim: bool = False, **more: Any) -> Tensor | None:
    if more or dim is None:
        return None
    gone = {axis % maps.dim() for axis in ((dim,) if isinstance(dim, int) else dim)}
    sides = [1 if axis in gone else side for axis, side in enumerate(maps.shape) if keepdim or axis not in gone]
    return maps.new_empty(sides)


def _joined(tensors: Sequence[Tensor], dim: int = 0, **_: Any) -> Tensor | None:
    if dim < 0 or len({(*part.shape[:dim], *part.shape[dim + 1 :]) for part in tensors}) != 1:
        return None
    sides = list(tensors[0].shape)
    sides[dim] = sum(part.shape[dim] for part in tensors)
    return tensors[0].new_empty(sides)


def _mean(maps: Tensor, output_size: Any) -> Tensor | None:
    return maps.new_empty(*maps.shape[:-2], 1, 1) if output_size in (1, (1, 1)) else None


def _conv(
    maps: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor | None:
    fits = maps.dim() == 4 and maps.shape[1] == groups * weight.shape[1] and (bias is None or len(bias) == len(weight))
    return _slide(maps, len(weight), tuple(weight.shape[2:]), stride, padding, dilation, up=False) if fits else None


def _max_pool(
    maps: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    **more: Any,
) -> Tensor | None:  # fmt: skip
    fits = maps.dim() == 4 and not more.get("return_indices")
    return _slide(maps, maps.shape[1], kernel_size, stride or kernel_size, padding, dilation, up=ceil_mode) if fits else None


def _avg_pool(
    maps: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, *_: Any, **__: Any
) -> Tensor | None:
    fits = maps.dim() == 4
    return _slide(maps, maps.shape[1], kernel_size, stride or kernel_size, padding, 1, up=ceil_mode) if fits else None


def _slide(maps: Tensor, channels: int, *how: Any, up: bool) -> Tensor | None:
    """What a window makes of maps, or None where torch has a word for the padding or an error for the sides."""
    if any(isinstance(value, str) for value in how):
        return None
    sides = []
    for axis, side in enumerate(maps.shape[2:]):
        kernel, stride, padding, dilation = (value[axis] if isinstance(value, tuple) else value for value in how)
        room = side + 2 * padding - dilation * (kernel - 1) - 1
        steps = -(-room // stride) if up else room // stride
        sides.append(steps if up and steps * stride >= side + padding else steps + 1)  # no window begins outside
        if room < 0:
            return None
    return maps.new_empty(len(maps), channels, *sides)


_ELEMENTWISE = (
    functional.relu, functional.hardtanh, functional.relu6, functional.leaky_relu, functional.elu, functional.silu,
    functional.gelu, functional.hardswish, torch.tanh, torch.sigmoid, Tensor.square, Tensor.neg,
)  # fmt: skip
_RULES: dict[Any, Callable[..., Tensor | None]] = {
    **dict.fromkeys(_ELEMENTWISE, _alike),
    **dict.fromkeys((Tensor.add, torch.add, Tensor.sub, Tensor.mul, torch.mul, Tensor.div), _by_value),
    **dict.fromkeys((Tensor.sum, Tensor.mean), _reduced),
    functional.conv2d: _conv, functional.linear: _linear, functional.batch_norm: _batch_norm,
    functional.local_response_norm: _alike, functional.max_pool2d: _max_pool, functional.avg_pool2d: _avg_pool,
    functional.adaptive_avg_pool2d: _mean, functional.dropout: _alike, torch.cat: _joined, Tensor.index_put: _alike,
}  # fmt: skip
