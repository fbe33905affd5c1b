"""The blocks of residual networks (He et al. 2016, figure 5) and their shortcuts (section 3.3 and 4.1).

Option A: the identity, taken at every second pixel and filled up with channels of zeros where the shape changes. Option B: a
1 x 1 projection with batch norm where the shape changes, else the identity. Option C: a projection in every block.

Legend: N images, C channels, H x W pixels.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from striate.nets.blocks import activation

Shortcut = Literal["A", "B", "C", "none"]


class Padding(nn.Module):
    """Option A: every `stride`-th pixel, and zeros for the channels that the input does not have; no parameters."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """The shape of the block's other branch; half of the new channels before the old ones, half after."""
        more = self.out_channels - self.in_channels
        strided_NCHW = maps_NCHW[:, :, :: self.stride, :: self.stride]
        return functional.pad(strided_NCHW, (0, 0, 0, 0, more // 2, more - more // 2))


class Projection(nn.Module):
    """Options B and C: a 1 x 1 convolution with batch norm."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """The shape of the block's other branch."""
        projected: Tensor = self.bn(self.conv(maps_NCHW))
        return projected


def shortcut(option: Shortcut, in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    """The way around a block; None for a plain network, which has none."""
    if option == "none":
        return None
    changes = stride != 1 or in_channels != out_channels
    if option == "C" or (option == "B" and changes):
        return Projection(in_channels, out_channels, stride)
    return Padding(in_channels, out_channels, stride) if changes else nn.Identity()


def stages(depths: Sequence[int], width: int) -> Iterator[tuple[str, int, int]]:
    """Name, width and stride of each block: conv2_1, conv2_2, ... conv3_1, ...; a stage doubles the width, halves the sides."""
    for stage, depth in enumerate(depths):
        for number in range(1, depth + 1):
            yield f"conv{stage + 2}_{number}", width * 2**stage, 2 if stage and number == 1 else 1


def external_block(name: str) -> str:
    """The name that other libraries have for a block: layer1.0 for conv2_1."""
    stage, number = name.removeprefix("conv").split("_")
    return f"layer{int(stage) - 1}.{int(number) - 1}"


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions: relu2(bn2(conv2(relu1(bn1(conv1(x))))) + shortcut(x))."""

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int, option: Shortcut, act: str, v1: bool = False) -> None:
        super().__init__()
        assert not v1, "a basic block has its stride in the first convolution always"
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = activation(act)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = shortcut(option, in_channels, width, stride)
        self.relu2 = activation(act)

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The norm whose gamma, at zero, makes the block the identity at the start."""
        return self.bn2

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """N x width x H/stride x W/stride."""
        residual_NCHW = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(maps_NCHW)))))
        if self.shortcut is not None:
            residual_NCHW = residual_NCHW + self.shortcut(maps_NCHW)
        out_NCHW: Tensor = self.relu2(residual_NCHW)
        return out_NCHW


class Bottleneck(nn.Module):
    """1 x 1 down to `width`, 3 x 3, 1 x 1 up to 4 x `width`.

    The stride is in the 3 x 3, as in most implementations ("v1.5"); with `v1` in the first 1 x 1, as the paper has it.
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int, stride: int, option: Shortcut, act: str, v1: bool = False) -> None:
        super().__init__()
        first, second = (stride, 1) if v1 else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, stride=first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = activation(act)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = activation(act)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.shortcut = shortcut(option, in_channels, 4 * width, stride)
        self.relu3 = activation(act)

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """The norm whose gamma, at zero, makes the block the identity at the start."""
        return self.bn3

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """N x 4 width x H/stride x W/stride."""
        residual_NCHW = self.relu1(self.bn1(self.conv1(maps_NCHW)))
        residual_NCHW = self.relu2(self.bn2(self.conv2(residual_NCHW)))
        residual_NCHW = self.bn3(self.conv3(residual_NCHW))
        if self.shortcut is not None:
            residual_NCHW = residual_NCHW + self.shortcut(maps_NCHW)
        out_NCHW: Tensor = self.relu3(residual_NCHW)
        return out_NCHW
