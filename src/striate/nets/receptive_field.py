"""Receptive fields: exactly which rows and columns of the image reach a unit.

For each row and each column of the maps of a layer the first and the last row and column of the image that reach it are
kept, and carried through every function of a forward pass. A window of kernel k, stride s, padding p and dilation d takes the
smallest and the largest of what its k places see, so size, jump and start (Araujo, Norris & Sim 2019) come out together with
the borders, where windows are cut off. Where branches meet, the box around both counts. What is no window and does not keep
places - a mean over the map, a fully connected layer, a norm over all places - sees the whole image.

Legend: N images, C channels, H x W places of maps, U units.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from striate.nets.eval_mode import evaluating
from striate.nets.hooks import taps, tensors_in
from striate.nets.net import Net

_NEVER = 1 << 40  # first row of what sees nothing but padding
_FAR = frozenset((
    "group_norm", "instance_norm", "layer_norm", "rms_norm", "softmax", "permute", "transpose", "swapaxes", "movedim", "flip",
    "roll", "matmul", "__matmul__", "bmm", "einsum", "linear", "interpolate", "conv_transpose2d", "cumsum", "sort",
))  # fmt: skip
Places = NDArray[np.int64]


class Windows(NamedTuple):
    """What the units of a layer see: rows tops_H to before bottoms_H of the image, columns lefts_W to before rights_W.

    A unit that sees nothing but padding has a box without rows or columns.
    """

    tops_H: Places  # for each row of the maps; one for a layer without maps, as for each that follows
    bottoms_H: Places
    lefts_W: Places  # for each column of the maps
    rights_W: Places

    def boxes(self, rows: Places, columns: Places) -> Places:
        """(top, left, bottom, right) in pixels for each place, in arrays of one shape; bottom and right are not included."""
        return np.stack([self.tops_H[rows], self.lefts_W[columns], self.bottoms_H[rows], self.rights_W[columns]], axis=-1)


class _Axis(NamedTuple):
    """First pixel that reaches each of n places, and the one after the last."""

    low: Places
    high: Places


class _Field(NamedTuple):
    rows: _Axis
    columns: _Axis


def windows(net: Net, names: tuple[str, ...] | None = None) -> dict[str, Windows]:
    """The windows of layers, None for all taps, by one forward pass of an image of zeros in evaluation mode."""
    c, h, w = net.input_chw
    first = next(net.parameters(), torch.empty(0))
    image_1CHW = torch.zeros(1, c, h, w, device=first.device, dtype=first.dtype)
    _mark(image_1CHW, _Field(*(_Axis(np.arange(side), np.arange(1, side + 1)) for side in (h, w))))
    layers = net.taps if names is None else names
    with torch.no_grad(), evaluating(net), taps(net, *layers) as outputs, _Follow(h, w):
        net(image_1CHW)
    by_layer = {}
    for name, output in outputs.items():
        rows, columns = getattr(output, "windows", _whole(h, w, (1, 1)))
        by_layer[name] = Windows(*_cut(rows), *_cut(columns))
    return by_layer


def _cut(axis: _Axis) -> tuple[Places, Places]:
    empty = axis.low >= axis.high
    return np.where(empty, 0, axis.low), np.where(empty, 0, axis.high)


def _mark(tensor: Tensor, field: _Field) -> None:
    tensor.__dict__["windows"] = field


def _whole(height: int, width: int, sides: tuple[int, int]) -> _Field:
    return _Field(
        *(_Axis(np.zeros(n, np.int64), np.full(n, px, np.int64)) for n, px in zip(sides, (height, width), strict=True))
    )


class _Follow(TorchFunctionMode):
    """Carries what each place sees to what is computed from it, through any function and any branch."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        keywords = kwargs or {}
        sources = [source for source in tensors_in((args, keywords)) if hasattr(source, "windows")]
        before: list[_Field] = [source.windows for source in sources]
        out = func(*args, **keywords)
        if before:
            for result in tensors_in(out):
                if not hasattr(result, "windows") or any(result is source for source in sources):  # changed in place: seen anew
                    _mark(result, self._after(func, args, keywords, before, result))
        return out

    def _after(self, func: Any, args: tuple[Any, ...], keywords: dict[str, Any], before: list[_Field], out: Tensor) -> _Field:
        name = getattr(func, "__name__", "").lstrip("_") if func is not Tensor.__getitem__ else "getitem"
        if out.dim() == 4:
            sides = out.shape[2], out.shape[3]
            rule = _RULES.get(name)
            field = rule(before[0], sides, *args, **keywords) if rule is not None else None
            if rule is None and name not in _FAR and not _joins_places(name, args, keywords):
                field = _together(before, sides)
            return field if field is not None else _whole(self.height, self.width, sides)
        return _whole(self.height, self.width, (1, 1))


def _joins_places(name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    dim = keywords.get("dim", args[1] if len(args) > 1 else 0)
    return name in ("cat", "concat", "stack") and dim not in (0, 1)


def _together(before: list[_Field], sides: tuple[int, int]) -> _Field | None:
    """The box around all that meet place by place; None where one of them has other places."""
    axes = []
    for axis, side in enumerate(sides):
        parts = [field[axis] for field in before]
        if any(len(part.low) not in (1, side) for part in parts):
            return None
        low = np.min(np.broadcast_arrays(*(part.low for part in parts), np.full(side, _NEVER)), axis=0)
        high = np.max(np.broadcast_arrays(*(part.high for part in parts), np.zeros(side, np.int64)), axis=0)
        axes.append(_Axis(low, high))
    return _Field(*axes)


def _conv(
    field: _Field, sides: tuple[int, int], _maps: Tensor, weight: Tensor, _bias: Any = None, *positional: Any, **named: Any
) -> _Field:
    settings = dict(zip(("stride", "padding", "dilation"), positional, strict=False)) | named
    stride, padding, dilation = settings.get("stride", 1), settings.get("padding", 0), settings.get("dilation", 1)
    kernel = _pair(weight.shape[2:])
    if isinstance(padding, str):  # torch's "same" has stride 1, and the odd pixel of an even kernel at the end
        spans = [d * (k - 1) // 2 for k, d in zip(kernel, _pair(dilation), strict=True)]
        padding = (spans[0], spans[1]) if padding == "same" else 0
    return _slide(field, sides, kernel, stride, padding, dilation)


def _pool(
    field: _Field, sides: tuple[int, int], _maps: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    dilation: Any = 1, *_: Any, **__: Any,
) -> _Field:  # fmt: skip
    return _slide(field, sides, kernel_size, stride or kernel_size, padding, dilation)


def _mean_pool(
    field: _Field, sides: tuple[int, int], _maps: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, *_: Any,
    **__: Any,
) -> _Field:  # fmt: skip
    return _slide(field, sides, kernel_size, stride or kernel_size, padding, 1)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[-1]))


def _slide(field: _Field, sides: tuple[int, int], *how: Any) -> _Field:
    axes = []
    for axis, (side, (low, high)) in enumerate(zip(sides, field, strict=True)):
        kernel, stride, padding, dilation = (_pair(value)[axis] for value in how)
        positions = np.arange(side)[:, None] * stride - padding + np.arange(kernel)[None] * dilation
        axes.append(_over(low, high, positions, (positions >= 0) & (positions < len(low))))
    return _Field(*axes)


def _over(low: Places, high: Places, positions: Places, exists: NDArray[np.bool_]) -> _Axis:
    """The box around places `at`, a row for each place of the output, of which some are not there."""
    inside = np.clip(positions, 0, len(low) - 1)
    return _Axis(np.where(exists, low[inside], _NEVER).min(axis=1), np.where(exists, high[inside], 0).max(axis=1))


def _adaptive(field: _Field, sides: tuple[int, int], *_: Any, **__: Any) -> _Field:
    axes = []
    for side, (low, high) in zip(sides, field, strict=True):
        n, i = len(low), np.arange(side)
        first, end = i * n // side, -(-(i + 1) * n // side)
        positions = np.arange(n)[None].repeat(side, axis=0)
        axes.append(_over(low, high, positions, (positions >= first[:, None]) & (positions < end[:, None])))
    return _Field(*axes)


def _pad(
    field: _Field, sides: tuple[int, int], _maps: Tensor, pad: Any, mode: str = "constant", *_: Any, **__: Any
) -> _Field | None:
    amounts = (*pad, 0, 0, 0, 0)[:4]
    axes = []
    for (low, high), (before, after) in zip(field, (amounts[2:], amounts[:2]), strict=True):
        place = np.arange(-before, len(low) + after)
        exists = (place >= 0) & (place < len(low))
        if mode == "replicate":
            place = np.clip(place, 0, len(low) - 1)
        elif mode == "circular":
            place = place % len(low)
        elif mode == "reflect":
            place = len(low) - 1 - np.abs(len(low) - 1 - np.abs(place))
        axes.append(_over(low, high, place[:, None], (exists if mode == "constant" else np.ones_like(exists))[:, None]))
    padded = _Field(*axes)
    return padded if (len(padded.rows.low), len(padded.columns.low)) == sides else None


def _part(field: _Field, sides: tuple[int, int], _maps: Tensor, index: Any, *_: Any) -> _Field | None:
    """maps[:, :, a:b, c:d], with steps; None for any other index."""
    parts = index if isinstance(index, tuple) else (index,)
    if Ellipsis in [part for part in parts if part is Ellipsis]:
        positions = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts = (*parts[:positions], *[slice(None)] * (5 - len(parts)), *parts[positions + 1 :])
    parts = (*parts, *[slice(None)] * (4 - len(parts)))
    if len(parts) != 4 or not all(isinstance(part, slice) for part in parts):
        return None
    axes = [_Axis(low[part], high[part]) for (low, high), part in zip(field, parts[2:], strict=True)]
    return _Field(*axes) if tuple(len(axis.low) for axis in axes) == sides else None


_RULES: dict[str, Callable[..., _Field | None]] = {
    "conv2d": _conv, "max_pool2d": _pool, "avg_pool2d": _mean_pool, "adaptive_avg_pool2d": _adaptive,
    "adaptive_max_pool2d": _adaptive, "pad": _pad, "getitem": _part,
}  # fmt: skip
