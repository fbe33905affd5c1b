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

from striate.base.errors import StriateError, UnsupportedError
from striate.nets import shape_rules
from striate.nets.eval_mode import evaluating
from striate.nets.hooks import tensors_in
from striate.nets.net import Net


class Field(NamedTuple):
    """What one unit sees: a square of `size` pixels; its neighbor sees one `jump` pixels further."""

    size: int
    jump: int


class Layer(NamedTuple):
    """One row of the table."""

    name: str  # the layer's attribute, which is its tap
    kind: str
    output: tuple[int, ...]  # shape of its output for one image
    parameters: int  # weights and biases
    macs: int  # multiply-adds for one image; additions of a bias, pools, norms and activations are not counted
    receptive_field: int  # side in pixels of what one unit sees; at least the whole image once there are no maps left
    jump: int  # distance in pixels between the centers of what two neighboring units see
    bytes: int  # of the output for one image in float32, which training keeps for the backward pass
    input: tuple[int, ...]  # shape of its input for one image
    before: Field  # receptive field and jump of its input; for a block with parameters of its own, of what its layers made
    sources: tuple[str, ...]  # names of the layers whose outputs make its input, as it takes them; none for the image
    window: tuple[int, int, int] | None  # height and width of what it moves over the maps, and its stride; None of others


class _Trace(NamedTuple):
    field: Field
    layers: tuple[str, ...]


_IMAGE = _Trace(Field(1, 1), ())


class _Follow(TorchFunctionMode):
    """Carries a tensor's trace to what is computed from it, through any function and any branch."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        sources = list(tensors_in((args, kwargs or {})))
        traces: list[_Trace] = [source.lineage for source in sources if hasattr(source, "lineage")]
        out = shape_rules.run(func, args, kwargs or {})
        if not traces:
            return out
        field = Field(max(trace.field.size for trace in traces), max(trace.field.jump for trace in traces))
        whole = _Trace(field, tuple(dict.fromkeys(name for trace in traces for name in trace.layers)))
        for result in out if isinstance(out, tuple | list) else (out,):
            # What is changed in place is its own source, and has a lineage already
            if isinstance(result, Tensor) and (not hasattr(result, "lineage") or any(result is source for source in sources)):
                _mark(result, whole)
        return out


def _mark(tensor: Tensor, trace: _Trace) -> None:
    tensor.__dict__["lineage"] = trace


def layer_table(net: Net, training: bool = False) -> tuple[Layer, ...]:
    """One row for each layer that a forward pass of `net`, at inference or in training, runs, in that order.

    A layer that is run twice has two rows, of which the second has no parameters. A layer that does nothing has none. A block
    with parameters of its own has a row after those of its layers. `net` is not changed. UnsupportedError where the forward
    pass fails, or asks for the numbers in a tensor.
    """
    rows: list[Layer] = []
    images = torch.empty(1, *net.input_chw, device="meta")
    _mark(images, _IMAGE)
    meta = {name: tensor.to("meta") for name, tensor in (*net.named_parameters(), *net.named_buffers())}
    try:
        with torch.no_grad(), evaluating(net), _watched(net, rows), _Follow():
            net.train(training)
            torch.func.functional_call(net, meta, (images,))
    except StriateError:
        raise
    except Exception as error:  # a network of one's own: whatever its forward pass raises, say what was asked of it
        c, h, w = net.input_chw
        reason = (str(error).splitlines() or [""])[0].removesuffix(".")
        raise UnsupportedError(
            f"the forward pass of {type(net).__name__} fails for an image of C={c}, H={h}, W={w} on the meta device, "
            f"which has shapes but no numbers: {type(error).__name__}: {reason}. Mend it, or give the size that it is for."
        ) from error
    return tuple(rows)


@contextmanager
def _watched(net: Net, rows: list[Layer]) -> Iterator[None]:
    counted: set[int] = set()
    side = max(net.input_chw[1:])

    with ExitStack() as hooks:
        for name, layer in net.named_modules():
            block = any(True for _ in layer.children())
            inner = block and not any(True for _ in layer.parameters(recurse=False))
            if inner or not name or isinstance(layer, nn.Identity):
                continue

            def note(module: nn.Module, args: Any, kwargs: Any, output: Any, name: str = name, block: bool = block) -> None:
                given, output_tensor = next(tensors_in((args, kwargs)), None), next(tensors_in(output), None)
                if given is None or output_tensor is None:
                    return
                before: _Trace = getattr(output_tensor if block else given, "lineage", _IMAGE)
                shape = tuple(output_tensor.shape[1:])
                field = before.field if block else _field(module, before.field, side, shape)
                for tensor in tensors_in(output):
                    _mark(tensor, _Trace(field, (name,)))
                own = {id(parameter): parameter.numel() for parameter in module.parameters(recurse=False)}
                fresh = sum(count for parameter, count in own.items() if parameter not in counted)
                counted.update(own)
                rows.append(
                    Layer(
                        name, type(module).__name__, shape, fresh, macs_of(module, shape), *field, 4 * prod(shape),
                        tuple(given.shape[1:]), before.field, before.layers, _window(module),
                    )
                )  # fmt: skip

            hooks.callback(layer.register_forward_hook(note, with_kwargs=True).remove)
        yield


def window(module: nn.Module, axis: int | None = None) -> tuple[int, int, int, int]:
    """(kernel, stride, padding, dilation) of a layer that moves a window over its maps; (1, 1, 0, 1) of any other.

    Along the height for axis 0, the width for 1, the larger of both for None. Padding that is a word counts as 0.
    """
    names = (("kernel_size", 1), ("stride", 1), ("padding", 0), ("dilation", 1))
    kernel, stride, padding, dilation = (_along(getattr(module, name, default), axis) for name, default in names)
    return kernel, stride, padding, dilation


def _window(module: nn.Module) -> tuple[int, int, int] | None:
    if not hasattr(module, "kernel_size"):
        return None
    return window(module, 0)[0], *window(module, 1)[:2]


def is_whole(module: nn.Module, output: tuple[int, ...]) -> bool:
    """Whether a unit of this layer sees the whole image: there are no maps, or only their means."""
    return len(output) == 1 or (isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d) and prod(output[1:]) == 1)


def _field(module: nn.Module, before: Field, side: int, output: tuple[int, ...]) -> Field:
    if is_whole(module, output):
        return Field(max(before.size, side), max(before.jump, side))
    kernel, stride, _, dilation = window(module)
    return Field(before.size + (kernel - 1) * dilation * before.jump, before.jump * stride)


def _along(value: Any, axis: int | None) -> int:
    if isinstance(value, tuple):
        return max(_along(side, None) for side in value) if axis is None else _along(value[axis], None)
    return value if isinstance(value, int) else 0


def macs_of(module: nn.Module, output: tuple[int, ...]) -> int:
    """Multiply-adds of one layer for one image, from the shape of its output."""
    if isinstance(module, nn.Conv2d):
        kh, kw = module.kernel_size
        return prod(output) * (module.in_channels // module.groups) * kh * kw
    if isinstance(module, nn.Linear):
        return module.in_features * prod(output)
    own = getattr(module, "multiply_adds", None)
    return int(own(output)) if own is not None else 0
