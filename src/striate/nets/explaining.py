"""The arithmetic behind a row of the layer table, with its numbers put in.

Output sides, parameters and multiply-adds are the textbook's formulas; receptive field and jump those of Araujo, Norris & Sim
2019, "Computing Receptive Fields of Convolutional Neural Networks", equations 2 and 3.
"""

from collections.abc import Iterator
from math import ceil, floor

from torch import nn

from striate.base.errors import SettingError, nearest
from striate.nets.blocks import LocalResponseNorm, Subsampling, TableConv2d
from striate.nets.layers import Field, Layer, layer_table, window
from striate.nets.net import Net

_Pool = nn.MaxPool2d | nn.AvgPool2d


def explain(net: Net, name: str) -> tuple[str, ...]:
    """Lines that work out shape, parameters, multiply-adds, receptive field, jump and memory of one layer.

    Args:
        net: may be an outline.
        name: of a layer, or of a block, whose layers are explained one after the other.

    Raises:
        SettingError: no such layer, with the nearest names.

    """
    rows = layer_table(net)
    found = [row for row in rows if row.name == name] or [row for row in rows if row.name.startswith(f"{name}.")]
    if not found:
        known = {row.name for row in rows} | {row.name.partition(".")[0] for row in rows}
        raise SettingError(f"There is no layer {name!r}; {nearest(name, known)}")
    layers = dict(net.named_modules())
    return tuple(line for row in found for line in _lines(row, layers[row.name]))


def _lines(row: Layer, layer: nn.Module) -> Iterator[str]:
    yield f"{row.name}: {row.kind}, {_shape(row.input)} -> {_shape(row.output)}"
    yield from (f"  {line}" for line in _output(row, layer))
    yield f"  parameters = {_parameters(row, layer)}"
    yield f"  multiply-adds = {_macs(row, layer)}"
    yield from (f"  {line}" for line in _reach(row, layer))
    yield f"  memory = 4 bytes x {' x '.join(map(str, row.output))} = {row.bytes:,} bytes an image in float32"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _output(row: Layer, layer: nn.Module) -> Iterator[str]:
    kernel, stride, padding, dilation = window(layer)
    if not isinstance(layer, nn.Conv2d | TableConv2d | _Pool | Subsampling):
        return
    up = isinstance(layer, _Pool) and layer.ceil_mode
    reach = dilation * (kernel - 1) + 1
    formula = f"{'ceil' if up else 'floor'}((W - F + 2P) / S) + 1"
    for axis, side_in, side_out in (("height", row.input[1], row.output[1]), ("width", row.input[2], row.output[2])):
        exact = (side_in - reach + 2 * padding) / stride
        note = "" if (ceil(exact) if up else floor(exact)) + 1 == side_out else ": the last window would begin outside"
        worked = f"{'ceil' if up else 'floor'}(({side_in} - {reach} + 2 x {padding}) / {stride}) + 1"
        yield f"{axis} = {formula} = {worked} = {side_out}{note}"
        if row.input[1] == row.input[2]:
            return


def _parameters(row: Layer, layer: nn.Module) -> str:
    if isinstance(layer, nn.Conv2d):
        kh, kw = layer.kernel_size
        bias = " + 1" if layer.bias is not None else ""
        share = f" / {layer.groups} groups" if layer.groups > 1 else ""
        return (
            f"(F x F x C{share}{bias}) x D = ({kh} x {kw} x {layer.in_channels}{share}{bias}) x {layer.out_channels} "
            f"= {row.parameters:,}"
        )
    if isinstance(layer, TableConv2d):
        links, bias = len(layer.weight), f" + {layer.out_channels} biases" if layer.bias is not None else ""
        return f"F x F x links = {layer.kernel_size} x {layer.kernel_size} x {links}{bias} = {row.parameters:,}"
    if isinstance(layer, nn.Linear):
        bias = " + 1" if layer.bias is not None else ""
        return f"(inputs{bias}) x outputs = ({layer.in_features}{bias}) x {layer.out_features} = {row.parameters:,}"
    if row.parameters and len(row.output) == 3 and row.parameters == 2 * row.output[0]:
        return f"2 for each of {row.output[0]} maps = {row.parameters:,}"
    return f"{row.parameters:,}"


def _macs(row: Layer, layer: nn.Module) -> str:
    if isinstance(layer, nn.Conv2d):
        kh, kw = layer.kernel_size
        d, h, w = row.output
        inputs = f"{layer.in_channels // layer.groups}"
        return f"H x W x F x F x C / groups x D = {h} x {w} x {kh} x {kw} x {inputs} x {d} = {row.macs:,}"
    if isinstance(layer, nn.Linear):
        return f"inputs x outputs = {layer.in_features} x {layer.out_features} = {row.macs:,}"
    if isinstance(layer, TableConv2d):
        _, h, w = row.output
        k, links = layer.kernel_size, len(layer.weight)
        return f"H x W x F x F x links = {h} x {w} x {k} x {k} x {links} = {row.macs:,}"
    if isinstance(layer, LocalResponseNorm):
        return f"not counted; b = a / (k + alpha x sum of a^2 over n channels)^beta with {layer.extra_repr()}"
    return f"{row.macs:,}" if row.macs else "0: only products with weights are counted"


def _reach(row: Layer, layer: nn.Module) -> Iterator[str]:
    kernel, stride, _, dilation = window(layer)
    before: Field = row.before
    if isinstance(layer, nn.Flatten | nn.AdaptiveAvgPool2d):
        yield f"receptive field = the whole image = {row.receptive_field} px"
        return
    spread = f"({kernel} - 1)" if dilation == 1 else f"({kernel} - 1) x {dilation}"
    yield f"receptive field = r + (F - 1) x j = {before.size} + {spread} x {before.jump} = {row.receptive_field} px"
    yield f"jump = j x S = {before.jump} x {stride} = {row.jump} px"
