"""The layer table: output shape, parameters, multiply-adds, receptive field and jump of every layer.

It is computed on the meta device: shapes flow, no number does, so a network of any size costs neither memory nor time.
Receptive field and jump follow r_out = r_in + (k - 1) j_in, j_out = j_in s; where branches meet, the larger counts.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from striate.nets.net import Net


class Layer(NamedTuple):
    """One row of the table.

    Attributes:
        name: the layer's attribute, which is its tap.
        kind: its class.
        output: shape of its output for one image.
        parameters: weights and biases.
        macs: multiply-adds for one image; additions of a bias, pools and activations are not counted.
        receptive_field: side in pixels of the part of the image that one unit sees; the whole side once it is flattened.
        jump: distance in pixels between the centres of what two neighbouring units see.

    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    macs: int
    receptive_field: int
    jump: int


class _Field(NamedTuple):
    size: int
    jump: int


class _Follow(TorchFunctionMode):
    """Carries a tensor's field to what is computed from it, through any function and any branch."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        sources = [part for arg in args for part in (arg if isinstance(arg, list | tuple) else (arg,))]
        fields = [part.field for part in sources if isinstance(part, Tensor) and hasattr(part, "field")]
        if fields and isinstance(out, Tensor) and not hasattr(out, "field"):
            _mark(out, _Field(max(f.size for f in fields), max(f.jump for f in fields)))
        return out


def _mark(tensor: Tensor, field: _Field) -> None:
    tensor.__dict__["field"] = field


def layer_table(net: Net) -> tuple[Layer, ...]:
    """One row for each layer that a forward pass of `net` runs, in that order; `net` is not changed.

    A layer that is run twice has two rows, of which the second has no parameters.
    """
    was_training = net.training
    rows: list[Layer] = []
    images = torch.empty(1, *net.input_chw, device="meta")
    _mark(images, _Field(1, 1))
    meta = {name: tensor.to("meta") for name, tensor in (*net.named_parameters(), *net.named_buffers())}
    try:
        net.eval()
        with torch.no_grad(), _watched(net, rows), _Follow():
            torch.func.functional_call(net, meta, (images,))
    finally:
        net.train(was_training)
    return tuple(rows)


@contextmanager
def _watched(net: Net, rows: list[Layer]) -> Iterator[None]:
    done: set[str] = set()
    side = max(net.input_chw[1:])

    with ExitStack() as hooks:
        for name, layer in net.named_modules():
            if any(True for _ in layer.children()) or not name:
                continue

            def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, name: str = name) -> None:
                field = _field(module, inputs[0], side)
                _mark(output, field)
                own = 0 if name in done else sum(parameter.numel() for parameter in module.parameters())
                done.add(name)
                shape = tuple(output.shape[1:])
                rows.append(Layer(name, type(module).__name__, shape, own, _macs(module, output), *field))

            hooks.callback(layer.register_forward_hook(note).remove)
        yield


def _field(module: nn.Module, source: Tensor, side: int) -> _Field:
    before: _Field = getattr(source, "field", _Field(1, 1))
    if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        kernel, stride, dilation = (_largest(getattr(module, name, 1)) for name in ("kernel_size", "stride", "dilation"))
        return _Field(before.size + (kernel - 1) * dilation * before.jump, before.jump * stride)
    if isinstance(module, nn.Flatten | nn.AdaptiveAvgPool2d):
        return _Field(max(before.size, side), max(before.jump, side))
    return before


def _largest(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else max(value)


def _macs(module: nn.Module, output: Tensor) -> int:
    if isinstance(module, nn.Conv2d):
        kh, kw = module.kernel_size
        return output[0].numel() * (module.in_channels // module.groups) * kh * kw
    if isinstance(module, nn.Linear):
        return module.in_features * output[0].numel()
    return 0
