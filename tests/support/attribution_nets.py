"""Small networks whose maps can be worked out with a pencil."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from striate.nets.net import Net


class Line(Net):
    """Layers one after the other."""

    def __init__(self, chw: tuple[int, int, int], **layers: nn.Module):
        super().__init__(chw)
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.order = tuple(layers)
        self.taps = self.order
        self.head_name = self.order[-1]

    def forward(self, images_NCHW: Tensor) -> Tensor:
        for name in self.order:
            images_NCHW = self.get_submodule(name)(images_NCHW)
        return images_NCHW


class Mean(nn.Module):
    """The mean of each map: N x C."""

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        return maps_NCHW.mean(dim=(2, 3))


class Own(Net):
    """A function as a network; it keeps one layer, so that there is something that could be hooked."""

    def __init__(self, chw: tuple[int, int, int], function: Callable[..., Tensor], **layers: nn.Module):
        super().__init__(chw)
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return self.function(self, images_NCHW)


def conv(weights: Tensor, bias: Tensor | None = None, **settings: int) -> nn.Conv2d:
    """A convolution with these weights, F x C x k x k."""
    made = nn.Conv2d(weights.shape[1], weights.shape[0], weights.shape[-1], bias=bias is not None, **settings)
    made.weight.data = weights.clone()
    if bias is not None:
        made.bias.data = bias.clone()
    return made


def linear(weights: Tensor) -> nn.Linear:
    """A fully connected layer with these weights, out x in, and no bias."""
    made = nn.Linear(weights.shape[1], weights.shape[0], bias=False)
    made.weight.data = weights.clone()
    return made


def ones_conv_then_mean(kernel: int) -> Line:
    return Line((1, 3, 3), conv1=conv(torch.ones(1, 1, kernel, kernel)), mean=Mean())


def hooks(net: nn.Module) -> list[int]:
    """How many hooks there are on each layer, of every kind."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [len(getattr(module, kind)) for module in net.modules() for kind in kinds]
