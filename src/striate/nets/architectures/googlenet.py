"""GoogLeNet -- Szegedy et al. 2015, "Going Deeper with Convolutions", table 1 and section 5.

At 3 x 224 x 224 and 1000 classes: 6,998,552 parameters as deployed, 13,378,280 with the two auxiliary heads that only training
has; 1.58 billion multiply-adds. 22 layers with parameters.

`googlenet` is the paper's. `googlenet_bn` is torchvision's, 6,624,904 and 13,004,888: batch norm (epsilon 0.001) in place of
biases and of local response norm, a 3 x 3 kernel where the paper has 5 x 5 (a known mistake of theirs, kept for its weights),
2 x 2 in pool4, dropout 0.2, auxiliary heads whose mean is adaptive.

Departures of `googlenet`: pools round their sides up, which the paper's table needs; on small images, the auxiliary heads'
5 x 5 mean shrinks to what there is.

Legend: N images, K classes, C channels.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from striate.nets import blocks
from striate.nets.init import he
from striate.nets.net import CHW, Net, refuse_small

# name: in, 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool proj
TABLE = {
    "3a": (192, 64, 96, 128, 16, 32, 32), "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64), "4b": (512, 160, 112, 224, 24, 64, 64), "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64), "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128), "5b": (832, 384, 192, 384, 48, 128, 128),
}  # fmt: skip
_EXTERNAL_BRANCHES = {
    "1x1": "branch1", "3x3_reduce": "branch2.0", "3x3": "branch2.1", "5x5_reduce": "branch3.0", "5x5": "branch3.1",
    "_pool_proj": "branch4.1",
}  # fmt: skip


class GoogLeNetOut(NamedTuple):
    """What training gets: the logits and those of the auxiliary heads, to be weighed by 0.3 (section 5)."""

    logits_NK: Tensor
    aux4a_NK: Tensor
    aux4d_NK: Tensor


def _add(module: nn.Module, name: str, conv: nn.Conv2d, bn: bool, act: str) -> None:
    """conv<name>, where asked bn<name>, relu<name>."""
    setattr(module, f"conv{name}", conv)
    if bn:
        setattr(module, f"bn{name}", nn.BatchNorm2d(conv.out_channels, eps=1e-3))
    setattr(module, f"relu{name}", blocks.activation(act))


def _run(module: nn.Module, name: str, maps_NCHW: Tensor) -> Tensor:
    maps_NCHW = getattr(module, f"conv{name}")(maps_NCHW)
    norm = getattr(module, f"bn{name}", None)
    if norm is not None:
        maps_NCHW = norm(maps_NCHW)
    out_NCHW: Tensor = getattr(module, f"relu{name}")(maps_NCHW)
    return out_NCHW


def _pooled(side: int) -> int:
    """What a 3 x 3 pool at stride 2 that rounds up makes of a side; no window begins outside."""
    windows = -(-(side - 3) // 2) + 1
    return windows - 1 if 2 * (windows - 1) >= side else max(windows, 1)


class Inception(nn.Module):
    """Four branches side by side, joined along the channels: 1 x 1; 3 x 3 and 5 x 5 behind a reduction; pool and projection."""

    def __init__(self, widths: tuple[int, ...], bn: bool, act: str) -> None:
        super().__init__()
        into, width1, reduce3, width3, reduce5, width5, proj = widths
        conv = partial(nn.Conv2d, bias=not bn)
        large = 3 if bn else 5
        _add(self, "1x1", conv(into, width1, kernel_size=1), bn, act)
        _add(self, "3x3_reduce", conv(into, reduce3, kernel_size=1), bn, act)
        _add(self, "3x3", conv(reduce3, width3, kernel_size=3, padding=1), bn, act)
        _add(self, "5x5_reduce", conv(into, reduce5, kernel_size=1), bn, act)
        _add(self, "5x5", conv(reduce5, width5, kernel_size=large, padding=large // 2), bn, act)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
        _add(self, "_pool_proj", conv(into, proj, kernel_size=1), bn, act)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Maps of the same size."""
        branches = (
            _run(self, "1x1", maps_NCHW),
            _run(self, "3x3", _run(self, "3x3_reduce", maps_NCHW)),
            _run(self, "5x5", _run(self, "5x5_reduce", maps_NCHW)),
            _run(self, "_pool_proj", self.pool(maps_NCHW)),
        )
        return torch.cat(branches, 1)


class Auxiliary(nn.Module):
    """A classifier half-way up: mean 5 x 5 at stride 3, 1 x 1 convolution 128, fc1 1024, dropout 0.7, fc2 K."""

    def __init__(self, channels: int, sides: tuple[int, int], num_classes: int, bn: bool, act: str) -> None:
        super().__init__()
        kernel = min(5, *sides)
        pooled = (4, 4) if bn else tuple((side - kernel) // 3 + 1 for side in sides)
        self.pool = nn.AdaptiveAvgPool2d(4) if bn else nn.AvgPool2d(kernel_size=kernel, stride=3)
        _add(self, "1", nn.Conv2d(channels, 128, kernel_size=1, bias=not bn), bn, act)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(128 * pooled[0] * pooled[1], 1024)
        self.relu2 = blocks.activation(act)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Logits, N x K."""
        hidden_ND = self.relu2(self.fc1(self.flatten(_run(self, "1", self.pool(maps_NCHW)))))
        logits_NK: Tensor = self.fc2(self.dropout(hidden_ND))
        return logits_NK


class GoogLeNet(Net):
    """conv1 7x7/2 - pool1 - conv2 - pool2 - inception3a, 3b - pool3 - 4a to 4e - pool4 - 5a, 5b - pool5 - dropout - fc K.

    Any channels, sides of at least 32 pixels; `bn` is torchvision's variant; `dropout` is the probability that an input of fc
    is dropped in training, None for 0.4, with `bn` 0.2. With auxiliary heads, `aux`, training gets a GoogLeNetOut.
    """

    head_name = "fc"
    paper_init = he  # the paper does not say how it starts
    taps = (
        "conv1", "pool1", "conv2_reduce", "conv2", "pool2", "inception3a", "inception3b", "pool3", "inception4a", "inception4b",
        "inception4c", "inception4d", "inception4e", "pool4", "inception5a", "inception5b", "pool5", "fc",
    )  # fmt: skip

    def __init__(
        self, input_chw: CHW = (3, 224, 224), num_classes: int = 1000, *, bn: bool = False, dropout: float | None = None,
        activation: str = "relu", aux: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(input_chw)
        refuse_small("GoogLeNet", input_chw, least_px=32)
        conv = partial(nn.Conv2d, bias=not bn)
        _add(self, "1", conv(input_chw[0], 64, kernel_size=7, stride=2, padding=3), bn, activation)
        self.pool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.norm1 = nn.Identity() if bn else blocks.LocalResponseNorm()
        _add(self, "2_reduce", conv(64, 64, kernel_size=1), bn, activation)
        _add(self, "2", conv(64, 192, kernel_size=3, padding=1), bn, activation)
        self.norm2 = nn.Identity() if bn else blocks.LocalResponseNorm()
        self.pool2 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        for name, widths in TABLE.items():
            setattr(self, f"inception{name}", Inception(widths, bn, activation))
        self.pool3 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        self.pool4 = nn.MaxPool2d(kernel_size=2 if bn else 3, stride=2, ceil_mode=True)
        self.pool5 = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout((0.2 if bn else 0.4) if dropout is None else dropout)
        self.fc = nn.Linear(1024, num_classes)
        h, w = (_pooled(_pooled(_pooled(-(-side // 2)))) for side in input_chw[1:])
        self.aux4a = Auxiliary(512, (h, w), num_classes, bn, activation) if aux else None
        self.aux4d = Auxiliary(528, (h, w), num_classes, bn, activation) if aux else None

    def replace_head(self, num_classes: int) -> None:
        """A fresh last layer, also of the auxiliary heads."""
        super().replace_head(num_classes)
        for head in (self.aux4a, self.aux4d):
            if head is not None:
                head.fc2 = nn.Linear(1024, num_classes).to(self.fc.weight.device, self.fc.weight.dtype)

    def drop_auxiliary(self) -> None:
        """Leave the auxiliary heads out from here on: the network as it is deployed."""
        self.aux4a = self.aux4d = None

    def external_names(self) -> Mapping[str, str]:
        """Names of torchvision's `googlenet` by those of `googlenet_bn`; there are no public weights of the paper's network."""
        if not hasattr(self, "bn1"):
            return {}
        pairs = {"1": "conv1", "2_reduce": "conv2", "2": "conv3"}
        pairs |= {f"inception{block}.{own}": f"inception{block}.{external}" for block in TABLE
                  for own, external in _EXTERNAL_BRANCHES.items()}  # fmt: skip
        pairs |= {f"{own}.1": f"{external}.conv" for own, external in (("aux4a", "aux1"), ("aux4d", "aux2"))}
        table = {"fc": "fc"} | {f"{own}.fc{n}": f"{external}.fc{n}" for own, external in (("aux4a", "aux1"), ("aux4d", "aux2"))
                                for n in (1, 2)}  # fmt: skip
        for own, external in pairs.items():
            block, dot, name = own.rpartition(".")
            table |= {f"{block}{dot}conv{name}": f"{external}.conv", f"{block}{dot}bn{name}": f"{external}.bn"}
        return table

    def forward(self, images_NCHW: Tensor) -> Tensor | GoogLeNetOut:
        """Logits, N x K; in training with auxiliary heads a GoogLeNetOut."""
        self.check(images_NCHW)
        maps_NCHW = self.norm1(self.pool1(_run(self, "1", images_NCHW)))
        maps_NCHW = self.pool2(self.norm2(_run(self, "2", _run(self, "2_reduce", maps_NCHW))))
        halfway: dict[str, Tensor] = {}
        for name in TABLE:
            maps_NCHW = getattr(self, f"inception{name}")(maps_NCHW)
            if name in ("3b", "4e"):
                maps_NCHW = (self.pool3 if name == "3b" else self.pool4)(maps_NCHW)
            halfway[name] = maps_NCHW
        logits_NK: Tensor = self.fc(self.dropout(self.flatten(self.pool5(maps_NCHW))))
        if self.training and self.aux4a is not None and self.aux4d is not None:
            return GoogLeNetOut(logits_NK, self.aux4a(halfway["4a"]), self.aux4d(halfway["4d"]))
        return logits_NK


googlenet = partial(GoogLeNet, bn=False)
googlenet_bn = partial(GoogLeNet, bn=True)
