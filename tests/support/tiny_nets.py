"""Networks so small that what they put out can be worked out on paper, and batches of images for them."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from striate.nets.net import Net


class OnesThenMean(Net):
    """conv1 of constant weights, relu1, pool1, and a fully connected layer that sums."""

    taps, head_name = ("conv1", "relu1", "pool1", "fc1"), "fc1"

    def __init__(self, weights: tuple[float, ...] = (1.0, -1.0), side: int = 3, kernel: int = 2, bias: float = 0.0) -> None:
        super().__init__((1, side, side))
        self.conv1 = nn.Conv2d(1, len(weights), kernel)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2, stride=1)
        left = side - kernel
        self.fc1 = nn.Linear(len(weights) * left * left, 2)
        with torch.no_grad():
            for f, weight in enumerate(weights):
                self.conv1.weight[f] = weight
            self.conv1.bias.fill_(bias)
            self.fc1.weight.fill_(1.0)
            self.fc1.bias.copy_(torch.tensor([0.0, 10.0]))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        self.check(images_NCHW)
        return self.fc1(self.pool1(self.relu1(self.conv1(images_NCHW))).flatten(1))


class Cells(Net):
    """conv1 of given kernels, relu1 as simple cells, and pool1 over them as complex ones."""

    taps, head_name = ("conv1", "relu1", "pool1", "fc1"), "fc1"

    def __init__(self, kernels: np.ndarray, pool: int = 8, side: int = 41, channels: int = 1) -> None:
        super().__init__((channels, side, side))
        self.conv1 = nn.Conv2d(channels, len(kernels), kernels.shape[-1], padding=kernels.shape[-1] // 2, bias=False)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(pool, stride=1)
        self.fc1 = nn.Linear(len(kernels), 2)
        with torch.no_grad():
            weights = torch.from_numpy(kernels).float()
            self.conv1.weight.copy_(weights if weights.dim() == 4 else weights[:, None].expand(-1, channels, -1, -1))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        self.check(images_NCHW)
        return self.fc1(self.pool1(self.relu1(self.conv1(images_NCHW))).mean((2, 3)))


POINT = np.ones((1, 1, 1))  # answers the pixel in the middle


def ramp(side: int = 3) -> Tensor:
    """0, 1, 2 / 3, 4, 5 / 6, 7, 8: its 2 x 2 sums are 8, 12 / 20, 24."""
    return torch.arange(float(side * side)).view(1, 1, side, side)


def batches(images_NCHW: Tensor, sizes: tuple[int, ...], labels: list[int] | None = None, ids: Any = None) -> list[Any]:
    """The images as batches of these sizes."""
    found, first = [], 0
    for size in sizes:
        part = slice(first, first + size)
        batch = SimpleNamespace(images_NCHW=images_NCHW[part])
        if labels is not None:
            batch.labels_N = torch.tensor(labels[part])
        if ids is not None:
            batch.ids_N = ids[part]
        found.append(batch)
        first += size
    return found


def hooks_of(net: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in net.modules())


def gabor(k: int, orientation: float, cycles: float, phase: float = 0.0, sigma: float | None = None) -> np.ndarray:
    """Stripes of an orientation as one sees them, with rows that count down, in a round window."""
    y, x = np.mgrid[:k, :k] - (k - 1) / 2
    turn = np.deg2rad(orientation)
    across = x * np.sin(turn) + y * np.cos(turn)  # distance from the stripe through the middle, along (cos, -sin)
    window = np.exp(-(x**2 + y**2) / (2 * (sigma or k / 5) ** 2))
    return window * np.cos(2 * np.pi * cycles * across + phase)


def apart(a: float, b: float) -> float:
    return abs((a - b + 90) % 180 - 90)
