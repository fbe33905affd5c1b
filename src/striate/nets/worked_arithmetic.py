"""The arithmetic behind a row of the layer table, with its numbers put in.

Output sides, parameters and multiply-adds are the textbook's formulas; receptive field and jump those of Araujo, Norris & Sim
2019, "Computing Receptive Fields of Convolutional Neural Networks", equations 2 and 3.
"""

from collections import Counter
from collections.abc import Iterator
from math import ceil, floor, prod

from torch import nn

from striate.base.errors import SettingError, nearest
from striate.nets.architectures.efficientnet_lite0 import SameConv2d
from striate.nets.architectures.residual_blocks import Padding
from striate.nets.blocks import LocalResponseNorm, Subsampling, TableConv2d
from striate.nets.net import Net
from striate.nets.summary import Layer, is_whole, layer_table, window

_Pool = nn.MaxPool2d | nn.AvgPool2d
_Border = nn.ConstantPad2d | nn.ReflectionPad2d | nn.ReplicationPad2d  # ZeroPad2d is a ConstantPad2d


def explain(net: Net, name: str) -> tuple[str, ...]:
    """Lines that work out shape, parameters, multiply-adds, receptive field, jump and memory of one layer, or a block's layers.

    SettingError where there is no such layer, with the nearest names.
    """
    rows = layer_table(net)
    matching = [row for row in rows if row.name == name or row.name.startswith(f"{name}.")]
    if not matching:
        block = name.rpartition(".")[0]
        inside = {row.name for row in rows if block and row.name.startswith(f"{block}.")}
        raise SettingError(
            f"There is no layer {name!r}; {nearest(name, inside or {row.name.partition('.')[0] for row in rows})}"
        )
    layers, side = dict(net.named_modules()), max(net.input_chw[1:])
    return tuple(line for row in matching for line in _lines(row, layers[row.name], side))


def _lines(row: Layer, layer: nn.Module, side: int) -> Iterator[str]:
    yield f"{row.name}: {row.kind}, {_times(row.input)} -> {_times(row.output)}"
    yield from (f"  {line}" for line in _output(row, layer))
    if isinstance(layer, TableConv2d):
        yield from (f"  {line}" for line in _table(row, layer))
    yield f"  parameters = {_parameters(row, layer)}"
    yield f"  multiply-adds = {_macs(row, layer)}"
    yield from (f"  {line}" for line in _reach(row, layer, side))
    yield f"  memory = 4 bytes x {_times(row.output)} = {row.bytes:,} bytes an image in float32"


def _table(row: Layer, layer: TableConv2d) -> Iterator[str]:
    """Which input maps each map reads, as in table I of LeCun et al. 1998, and how many links that makes."""
    sizes = Counter(Counter(to for to, _ in layer.links).values())
    worked = " + ".join(f"{maps} x {size}" for size, maps in sorted(sizes.items()))
    yield f"links = maps x input maps that each reads = {worked} = {len(layer.links)}"
    width = len(str(layer.out_channels - 1)) + 1
    across = range(layer.out_channels)
    yield f"maps of {' and '.join(row.sources) or 'the image'} down, of {row.name} across; X where one reads the other:"
    yield " " * 4 + "".join(f"{to:>{width}}" for to in across)
    for source in range(layer.in_channels):
        marks = "".join(f"{'X' if (to, source) in layer.links else '.':>{width}}" for to in across)
        yield f"{source:>4}{marks}"


def _times(numbers: tuple[int, ...]) -> str:
    return " x ".join(map(str, numbers))


def _output(row: Layer, layer: nn.Module) -> Iterator[str]:
    if isinstance(layer, nn.Flatten):
        yield f"units = {_times(row.input)} = {row.output[0]:,}"
    elif isinstance(layer, nn.Conv2d | TableConv2d | _Pool | Subsampling | Padding | _Border):
        height, width = _side(row, layer, 0), _side(row, layer, 1)
        if height == width:
            yield f"side = {height}"
        else:
            yield f"height = {height}"
            yield f"width = {width}"


def _side(row: Layer, layer: nn.Module, axis: int) -> str:
    side, out = row.input[1 + axis], row.output[1 + axis]
    if isinstance(layer, _Border):
        first, second = (layer.padding[2:], layer.padding[:2])[axis]
        return f"W + 2P = {side} + {first} + {second} = {out}"
    if getattr(layer, "padding", 0) == "same":
        return f"W, as the padding keeps it = {out}"
    kernel, stride, padding, dilation = window(layer, axis)
    if isinstance(layer, SameConv2d) and stride > 1:
        return f"ceil(W / S) = ceil({side} / {stride}) = {out}, with the zeros that this takes"
    up = isinstance(layer, _Pool) and layer.ceil_mode
    reach, letters = f"{kernel}", "F"
    if dilation > 1:
        reach, letters = f"({dilation} x ({kernel} - 1) + 1)", "(dilation x (F - 1) + 1)"
    exact = (side - dilation * (kernel - 1) - 1 + 2 * padding) / stride
    less, why = "", ""
    if (ceil(exact) if up else floor(exact)) == out:
        less, why = " - 1", ", as one more window would begin outside"
    way = "ceil" if up else "floor"
    formula = f"{way}((W - {letters} + 2P) / S) + 1{less}"
    return f"{formula} = {way}(({side} - {reach} + 2 x {padding}) / {stride}) + 1{less} = {out}{why}"


def _parameters(row: Layer, layer: nn.Module) -> str:
    own = list(layer.parameters(recurse=False))
    if not row.parameters:
        return "0: they are counted where they first occur" if own else "0"
    if isinstance(layer, nn.Conv2d):
        bias, share = _plus_one(layer), (" / groups", f" / {layer.groups}") if layer.groups > 1 else ("", "")
        inputs = f"{_times(layer.kernel_size)} x {layer.in_channels}"
        return f"(F x F x C{share[0]}{bias}) x D = ({inputs}{share[1]}{bias}) x {layer.out_channels} = {row.parameters:,}"
    if isinstance(layer, TableConv2d):
        bias, biases = (" + D", f" + {layer.out_channels}") if layer.bias is not None else ("", "")
        size = layer.kernel_size
        return f"F x F x links{bias} = {size} x {size} x {len(layer.weight)}{biases} = {row.parameters:,}"
    if isinstance(layer, nn.Linear):
        bias = _plus_one(layer)
        return f"(inputs{bias}) x outputs = ({layer.in_features}{bias}) x {layer.out_features} = {row.parameters:,}"
    if len(own) == 2 and row.parameters == 2 * row.output[0]:
        return f"2 for each of D = 2 x {row.output[0]} = {row.parameters:,}"
    if len(own) == 1 and row.parameters == prod(row.output):
        return f"one for each unit = {_times(row.output)} = {row.parameters:,}"
    return f"{' + '.join(_times(tuple(part.shape)) for part in own)} = {row.parameters:,}"


def _plus_one(layer: nn.Conv2d | nn.Linear) -> str:
    return " + 1" if layer.bias is not None else ""


def _macs(row: Layer, layer: nn.Module) -> str:
    if isinstance(layer, LocalResponseNorm):
        return f"0: not counted; b = a / (k + alpha x sum of a^2 over n channels)^beta with {layer.extra_repr()}"
    if not row.macs:
        return "0: only products with weights are counted"
    if isinstance(layer, nn.Conv2d):
        d, h, w = row.output
        share = (" / groups", f" / {layer.groups}") if layer.groups > 1 else ("", "")
        worked = f"{h} x {w} x {_times(layer.kernel_size)} x {layer.in_channels}{share[1]} x {d}"
        return f"H x W x F x F x C{share[0]} x D = {worked} = {row.macs:,}"
    if isinstance(layer, TableConv2d):
        _, h, w = row.output
        k, links = layer.kernel_size, len(layer.weight)
        return f"H x W x F x F x links = {h} x {w} x {k} x {k} x {links} = {row.macs:,}"
    if isinstance(layer, Subsampling):
        return f"one for each unit = {_times(row.output)} = {row.macs:,}"
    if hasattr(layer, "in_features"):
        places = ("places x ", f"{_times(row.output[:-1])} x ") if len(row.output) > 1 else ("", "")
        worked = f"{places[1]}{layer.in_features} x {row.output[-1]}"
        return f"{places[0]}inputs x outputs = {worked} = {row.macs:,}"
    return f"{row.macs:,}"


def _reach(row: Layer, layer: nn.Module, side: int) -> Iterator[str]:
    r, j = row.before
    if is_whole(layer, row.output):
        yield f"receptive field = max(r, side of the image) = max({r}, {side}) = {row.receptive_field} px"
        yield f"jump = max(j, side of the image) = max({j}, {side}) = {row.jump} px"
        return
    kernel, stride, _, dilation = window(layer)
    wider = (" x dilation", f" x {dilation}") if dilation > 1 else ("", "")
    worked = f"{r} + ({kernel} - 1){wider[1]} x {j}"
    yield f"receptive field = r + (F - 1){wider[0]} x j = {worked} = {row.receptive_field} px"
    yield f"jump = j x S = {j} x {stride} = {row.jump} px"
