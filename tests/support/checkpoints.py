"""Weights as other libraries and repositories have them, with random numbers that keep signals at about one size."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def filled(shapes: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """Numbers for a state dict, which may be on the meta device; running statistics among them."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        if not shape.is_floating_point():
            state[name] = torch.full(shape.shape, 7, dtype=shape.dtype)
        elif shape.dim() == 1 and name.endswith(("weight", "running_var")):
            state[name] = torch.rand(shape.shape, generator=generator) + 0.5
        else:
            spread = 0.1 if shape.dim() == 1 else (2 / shape[0].numel()) ** 0.5
            state[name] = torch.randn(shape.shape, generator=generator).mul_(spread)
    return state


class CifarBlock(nn.Module):
    def __init__(self, into: int, width: int, stride: int, projection: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(into, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.more, self.projection = width - into, projection
        if projection and self.more:
            around = nn.Sequential(nn.Conv2d(into, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            setattr(self, projection, around)

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.more and self.projection:
            x = getattr(self, self.projection)(x)
        elif self.more:
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more // 2, self.more // 2))
        return functional.relu(out + x)


class CifarResNet(nn.Module):
    """A residual network for 32 pixels under the names of widely used repositories; `projection` names option B's shortcut."""

    def __init__(self, n: int = 3, classes: int = 10, channels: int = 3, head: str = "linear", projection: str = "") -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        into = 16
        for stage, width in ((1, 16), (2, 32), (3, 64)):
            blocks = []
            for _ in range(n):
                blocks.append(CifarBlock(into, width, 1 if into == width else 2, projection))
                into = width
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.head = head
        setattr(self, head, nn.Linear(64, classes))

    def forward(self, x: Tensor) -> Tensor:
        maps = functional.relu(self.bn1(self.conv1(x)))
        for stage in (self.layer1, self.layer2, self.layer3):
            maps = stage(maps)
        logits: Tensor = getattr(self, self.head)(maps.mean((2, 3)))
        return logits


def cifar(seed: int = 0, **how: Any) -> dict[str, Tensor]:
    """The weights of such a network; the head's are small, so that no answer is certain."""
    with torch.device("meta"):
        net = CifarResNet(**how)
    state = filled(net.state_dict(), seed)
    state[f"{net.head}.weight"] *= 0.02
    return state


def as_module(state: Mapping[str, Tensor], net: nn.Module) -> nn.Module:
    """A network, built on the meta device, that has these tensors."""
    net.load_state_dict(state, assign=True)
    return net.eval()
