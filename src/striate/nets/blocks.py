"""Layers that torch does not have, or has in another form than the papers, and the choices that a paper leaves open.

Legend: N images, C channels, H x W pixels, K classes, D inputs of a unit, L links between maps.
"""

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.base.errors import SettingError, nearest
from striate.nets.response_norm import ResponseNorm


class ScaledTanh(nn.Module):
    """1.7159 tanh(2a / 3), for which f(1) = 1 and f(-1) = -1 (LeCun et al. 1998, section II.B and appendix A)."""

    def forward(self, a: Tensor) -> Tensor:
        """The same shape; within +-1.7159."""
        return 1.7159 * torch.tanh(a * (2 / 3))


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "scaled_tanh": ScaledTanh,
    "sigmoid": nn.Sigmoid,
    "leaky_relu": lambda: nn.LeakyReLU(0.01),
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
POOLS: dict[str, type[nn.MaxPool2d | nn.AvgPool2d]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


def activation(name: str) -> nn.Module:
    """A fresh activation of `ACTIVATIONS`, never in place; SettingError for another name."""
    if name not in ACTIVATIONS:
        raise SettingError(f"There is no activation {name!r}; {nearest(name, tuple(ACTIVATIONS))}")
    return ACTIVATIONS[name]()


def pool(name: str, kernel_size: int, stride: int) -> nn.MaxPool2d | nn.AvgPool2d:
    """A pool of `POOLS` without padding; SettingError for another name."""
    if name not in POOLS:
        raise SettingError(f"There is no pooling {name!r}; {nearest(name, tuple(POOLS))}")
    return POOLS[name](kernel_size, stride=stride)


class LocalResponseNorm(nn.Module):
    """b = a / (k + alpha * sum of a^2 over n adjacent channels)^beta (Krizhevsky et al. 2012, section 3.3).

    torch's own layer divides alpha by n, as Caffe does; the paper does not. Five ones come out as 0.594492. In training
    on a CPU `response_norm` computes the same numbers, but for their last bits, and of bfloat16 bfloat16.
    """

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """The same shape."""
        if self.training and torch.is_grad_enabled() and maps_NCHW.device.type == "cpu":
            normed_NCHW: Tensor = ResponseNorm.apply(maps_NCHW, self.size, self.alpha, self.beta, self.k)
            return normed_NCHW
        return functional.local_response_norm(maps_NCHW, self.size, self.alpha * self.size, self.beta, self.k)

    def extra_repr(self) -> str:
        """The constants of the formula."""
        return f"n={self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class Subsampling(nn.Module):
    """The sum of each 2 x 2 square times one trainable coefficient a map, plus one bias a map (LeCun et al. 1998, II.B).

    The squashing function that follows is a layer of its own. Two parameters a map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kernel_size = self.stride = 2
        self.weight = nn.Parameter(torch.empty(channels).uniform_(-0.6, 0.6))  # 2.4 / fan-in of 4
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """N x C x H/2 x W/2; the last row or column of an odd side is left out."""
        sums_NCHW = 4 * functional.avg_pool2d(maps_NCHW, 2)
        return sums_NCHW * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1)

    def multiply_adds(self, output: Sequence[int]) -> int:
        """One product with the coefficient for each unit."""
        return output[0] * output[1] * output[2]


class TableConv2d(nn.Module):
    """A convolution in which each map sees only the input maps that a table gives it; only those links have weights.

    For each output map the table has the numbers of its input maps; kernels are square, and each output map has a bias or none.
    """

    table: Tensor

    def __init__(
        self, table: Sequence[Sequence[int]], in_channels: int, kernel_size: int, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, len(table), stride
        self.kernel_size, self.padding, self.groups = kernel_size, 0, 1
        self._fan_in_L = [len(sources) * kernel_size**2 for sources in table for _ in sources]
        self.links = [(to, source) for to, sources in enumerate(table) for source in sources]
        self.register_buffer("table", torch.tensor(self.links))
        self.weight = nn.Parameter(torch.empty(len(self.links), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(len(table))) if bias else None
        if not self.weight.is_meta:  # where there are no values, and the power imports torch's compiler
            with torch.no_grad():
                self.weight.uniform_(-1, 1).mul_(self.fan_in_L() ** -0.5)

    def fan_in_L(self) -> Tensor:
        """For each link the number of weights of the unit that it leads to, as L x 1 x 1."""
        return torch.tensor(self._fan_in_L, device=self.weight.device, dtype=self.weight.dtype).view(-1, 1, 1)

    def full_weight(self) -> Tensor:
        """The kernels as an ordinary convolution has them, out x in x k x k, with zeros where there is no link."""
        full = self.weight.new_zeros(self.out_channels, self.in_channels, self.kernel_size, self.kernel_size)
        return full.index_put((self.table[:, 0], self.table[:, 1]), self.weight)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """Maps without padding."""
        return functional.conv2d(maps_NCHW, self.full_weight(), self.bias, self.stride)

    def multiply_adds(self, output: Sequence[int]) -> int:
        """One kernel's worth for each link and position."""
        return len(self.weight) * self.kernel_size**2 * output[1] * output[2]

    def extra_repr(self) -> str:
        """The numbers that tell two of them apart."""
        return f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, links={len(self.weight)}"


class UnscaledBatchNorm2d(nn.BatchNorm2d):
    """Batch norm that learns a bias for each map and no weight, which is 1 (Jordan 2024, section 3.1)."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, eps, momentum)
        self.register_parameter("weight", None)


class UnitBias(nn.Module):
    """One bias for each unit, not for each map (LeCun et al. 1989); kept flat, as all that does not decay."""

    def __init__(self, chw: tuple[int, int, int]) -> None:
        super().__init__()
        self.chw = chw
        self.bias = nn.Parameter(torch.zeros(prod(chw)))

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        """The same shape."""
        return maps_NCHW + self.bias.view(self.chw)
