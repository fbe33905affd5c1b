"""The layer table: output shape, parameters, multiply-adds, receptive field, jump and memory of every layer.

It is computed on the meta device: shapes flow, no number does, so a network of any size costs neither memory nor time.
Receptive field and jump follow r_out = r_in + (k - 1) j_in, j_out = j_in s; where branches meet, the larger counts.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from striate.nets.net import Net


class Field(NamedTuple):
    """What one unit sees: a square of `size` pixels; its neighbour sees one `jump` pixels further."""

    size: int
    jump: int


class Layer(NamedTuple):
    """One row of the table.

    Attributes:
        name: the layer's attribute, which is its tap.
        kind: its class.
        output: shape of its output for one image.
        parameters: weights and biases.
        macs: multiply-adds for one image; additions of a bias, pools, norms and activations are not counted.
        receptive_field: side in pixels of the part of the image that one unit sees; the whole side once it is flattened.
        jump: distance in pixels between the centres of what two neighbouring units see.
        bytes: of the output for one image in float32, which training keeps for the backward pass.
        input: shape of its input for one image.
        before: receptive field and jump of its input.
        sources: names of the layers whose outputs make its input; none for the image.

    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    macs: int
    receptive_field: int
    jump: int
    bytes: int
    input: tuple[int, ...]
    before: Field
    sources: tuple[str, ...]


class _Trace(NamedTuple):
    field: Field
    layers: tuple[str, ...]


_IMAGE = _Trace(Field(1, 1), ())


class _Follow(TorchFunctionMode):
    """Carries a tensor's trace to what is computed from it, through any function and any branch."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        sources = [part for arg in args for part in (arg if isinstance(arg, list | tuple) else (arg,))]
        traces: list[_Trace] = [part.lineage for part in sources if isinstance(part, Tensor) and hasattr(part, "lineage")]
        out = func(*args, **(kwargs or {}))
        if not traces:
            return out
        field = Field(max(trace.field.size for trace in traces), max(trace.field.jump for trace in traces))
        whole = _Trace(field, tuple(dict.fromkeys(name for trace in traces for name in trace.layers)))
        for one in out if isinstance(out, tuple | list) else (out,):
            # What is changed in place is its own source, and has a lineage already
            if isinstance(one, Tensor) and (not hasattr(one, "lineage") or any(one is source for source in sources)):
                _mark(one, whole)
        return out


def _mark(tensor: Tensor, trace: _Trace) -> None:
    tensor.__dict__["lineage"] = trace


def layer_table(net: Net) -> tuple[Layer, ...]:
    """One row for each layer that a forward pass of `net` runs, in that order; `net` is not changed.

    A layer that is run twice has two rows, of which the second has no parameters. A layer that does nothing has none.
    """
    was_training = net.training
    rows: list[Layer] = []
    images = torch.empty(1, *net.input_chw, device="meta")
    _mark(images, _IMAGE)
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
            inner = any(True for _ in layer.children()) and not any(True for _ in layer.parameters(recurse=False))
            if inner or not name or isinstance(layer, nn.Identity):
                continue

            def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, name: str = name) -> None:
                before: _Trace = getattr(inputs[0], "lineage", _IMAGE)
                field = _field(module, before.field, side)
                _mark(output, _Trace(field, (name,)))
                own = 0 if name in done else sum(parameter.numel() for parameter in module.parameters(recurse=False))
                done.add(name)
                shape = tuple(output.shape[1:])
                rows.append(
                    Layer(
                        name, type(module).__name__, shape, own, macs_of(module, shape), *field, 4 * output[0].numel(),
                        tuple(inputs[0].shape[1:]), before.field, before.layers,
                    )
                )  # fmt: skip

            hooks.callback(layer.register_forward_hook(note).remove)
        yield


def window(module: nn.Module) -> tuple[int, int, int, int]:
    """(kernel, stride, padding, dilation) of a layer that moves a window over its maps; (1, 1, 0, 1) of any other."""
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return 1, 1, 0, 1
    kernel, stride, padding, dilation = (
        _largest(getattr(module, name, default))
        for name, default in (("kernel_size", 1), ("stride", 1), ("padding", 0), ("dilation", 1))
    )
    return kernel, stride, padding, dilation


def _field(module: nn.Module, before: Field, side: int) -> Field:
    if isinstance(module, nn.Flatten | nn.AdaptiveAvgPool2d):
        return Field(max(before.size, side), max(before.jump, side))
    kernel, stride, _, dilation = window(module)
    return Field(before.size + (kernel - 1) * dilation * before.jump, before.jump * stride)


def _largest(value: Any) -> int:
    if isinstance(value, tuple):
        return max(_largest(side) for side in value)
    return value if isinstance(value, int) else 0  # padding="same" is a word


def macs_of(module: nn.Module, output: tuple[int, ...]) -> int:
    """Multiply-adds of one layer for one image, from the shape of its output."""
    if isinstance(module, nn.Conv2d):
        kh, kw = module.kernel_size
        return prod(output) * (module.in_channels // module.groups) * kh * kw
    if isinstance(module, nn.Linear):
        return module.in_features * prod(output)
    own = getattr(module, "multiply_adds", None)
    return int(own(output)) if own is not None else 0
