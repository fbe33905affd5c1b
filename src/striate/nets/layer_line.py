"""A network written as a line of layers: `conv 5x5x32, relu, pool 2, conv 5x5x64, relu, pool 2, fc 128, relu, fc 10`.

Layers are named by kind and number - conv1, relu1, pool1, conv2 - and each is a tap. Sizes follow from the input; the first
fully connected layer flattens what comes to it. The last layer is `fc K`, or `fc` alone for as many outputs as there are
classes.

    conv 5x5x32 [stride 2] [pad 0]   32 filters of 5 x 5 pixels; padded to keep the size ("same") unless said
    relu, tanh, elu, gelu, ...       activations: the names of `nets.blocks.ACTIVATIONS`
    pool 2, pool 3/2, avgpool 2      max or mean over 2 x 2 at stride 2; over 3 x 3 at stride 2
    globalpool                       the mean of each map
    bn, dropout 0.5                  batch norm; the probability that a unit is dropped
    fc 128                           fully connected
"""

import re
from collections import Counter
from typing import NamedTuple

from torch import Tensor, nn

from striate.base.errors import SettingError, ShapeError, nearest
from striate.nets.blocks import ACTIVATIONS
from striate.nets.net import CHW, Net

_KINDS = ("conv", *ACTIVATIONS, "pool", "avgpool", "globalpool", "bn", "dropout", "fc")


class _Shape(NamedTuple):
    channels: int
    height: int
    width: int
    flat: bool


class LineNet(Net):
    """The network that a line describes: the layers, with commas between; the last `fc` has K outputs.

    Raises:
        SettingError: a word that is no layer, or a last layer that does not fit the classes.
        ShapeError: a layer that its input is too small for.

    """

    def __init__(self, line: str, input_chw: CHW, num_classes: int = 10) -> None:
        super().__init__(input_chw)
        words = [" ".join(part.split()) for part in line.split(",")]
        _check_end(words, num_classes)
        if words[-1] == "fc":
            words[-1] = f"fc {num_classes}"
        shape, numbers = _Shape(*input_chw, flat=False), Counter[str]()
        order = []
        for word in words:
            kind, _, rest = word.partition(" ")
            if kind == "fc" and not shape.flat:
                shape = _Shape(shape.channels * shape.height * shape.width, 1, 1, flat=True)
                self.add_module("flatten", nn.Flatten())
                order.append("flatten")
            layer, shape = _layer(word, kind, rest, shape)
            numbers[kind] += 1
            name = f"{kind}{numbers[kind]}"
            self.add_module(name, layer)
            order.append(name)
        self.order = tuple(order)
        self.taps = tuple(name for name in order if name != "flatten")
        self.head_name = order[-1]

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        self.check(images_NCHW)
        out = images_NCHW
        for name in self.order:
            out = self.get_submodule(name)(out)
        return out


def _check_end(words: list[str], num_classes: int) -> None:
    kind, _, rest = words[-1].partition(" ")
    if kind != "fc":
        raise SettingError(f"a line of layers ends with 'fc {num_classes}' for the classes; got {words[-1]!r} at its end.")
    if rest and rest.isdecimal() and int(rest) != num_classes:
        raise SettingError(
            f"the data have {num_classes} classes; the line ends in {words[-1]!r}. End it with 'fc {num_classes}' or 'fc'."
        )


def _layer(word: str, kind: str, rest: str, shape: _Shape) -> tuple[nn.Module, _Shape]:
    if kind in ACTIVATIONS and not rest:
        return ACTIVATIONS[kind](), shape
    if kind == "conv":
        return _conv(word, rest, shape)
    if kind in ("pool", "avgpool"):
        return _pool(word, kind, rest, shape)
    if word == "globalpool":
        _refuse_flat(word, shape)
        return nn.AdaptiveAvgPool2d(1), shape._replace(height=1, width=1)
    if word == "bn":
        return (nn.BatchNorm1d if shape.flat else nn.BatchNorm2d)(shape.channels), shape
    if kind == "dropout" and re.fullmatch(r"0?\.\d+|0", rest):
        return nn.Dropout(float(rest)), shape
    if kind == "fc" and rest.isdecimal() and int(rest):
        return nn.Linear(shape.channels, int(rest)), shape._replace(channels=int(rest))
    if kind in _KINDS:
        raise SettingError(f"{word!r} is not how {kind} is written; a line reads like {_EXAMPLES[kind]!r}.")
    raise SettingError(f"There is no layer {kind!r}; {nearest(kind, _KINDS)}")


_EXAMPLES = {kind: kind for kind in _KINDS} | {
    "conv": "conv 5x5x32 stride 2 pad 0", "pool": "pool 3/2", "avgpool": "avgpool 2", "dropout": "dropout 0.5", "fc": "fc 128",
}  # fmt: skip


def _refuse_flat(word: str, shape: _Shape) -> None:
    if shape.flat:
        raise SettingError(f"{word!r} comes after a fully connected layer, where there are no maps left; put it before.")


def _conv(word: str, rest: str, shape: _Shape) -> tuple[nn.Module, _Shape]:
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)(?: stride (\d+))?(?: pad (\d+|same))?", rest)
    if not match or 0 in (int(match[1]), int(match[2]), int(match[3]), int(match[4] or 1)):
        raise SettingError(f"{word!r} is not how conv is written; a line reads like {_EXAMPLES['conv']!r}.")
    _refuse_flat(word, shape)
    kh, kw, filters, stride = int(match[1]), int(match[2]), int(match[3]), int(match[4] or 1)
    same = match[5] in (None, "same")
    if same and (kh % 2 == 0 or kw % 2 == 0):
        raise SettingError(f"{word!r}: an even kernel cannot keep the size; say 'pad 0', or use {kh + 1}x{kw + 1}.")
    pad_h, pad_w = (kh // 2, kw // 2) if same else (int(match[5]), int(match[5]))
    height, width = _out(word, shape.height, kh, stride, pad_h), _out(word, shape.width, kw, stride, pad_w)
    layer = nn.Conv2d(shape.channels, filters, (kh, kw), stride=stride, padding=(pad_h, pad_w))
    return layer, _Shape(filters, height, width, flat=False)


def _pool(word: str, kind: str, rest: str, shape: _Shape) -> tuple[nn.Module, _Shape]:
    match = re.fullmatch(r"([1-9]\d*)(?:/([1-9]\d*))?", rest)
    if not match:
        raise SettingError(f"{word!r} is not how {kind} is written; a line reads like {_EXAMPLES[kind]!r}.")
    _refuse_flat(word, shape)
    size, stride = int(match[1]), int(match[2] or match[1])
    layer = nn.MaxPool2d(size, stride) if kind == "pool" else nn.AvgPool2d(size, stride)
    return layer, shape._replace(
        height=_out(word, shape.height, size, stride, 0), width=_out(word, shape.width, size, stride, 0)
    )


def _out(word: str, side: int, kernel: int, stride: int, pad: int) -> int:
    out = (side + 2 * pad - kernel) // stride + 1
    if side + 2 * pad < kernel:
        raise ShapeError(
            f"{word!r} expects an input of at least {kernel - 2 * pad} pixels a side; got {side}. "
            "Use fewer or smaller pools, or a larger preprocess.size_px."
        )
    return out
