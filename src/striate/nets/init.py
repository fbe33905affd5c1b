"""Weight initialization: schemes by name.

    paper        what the network's paper says, or what its file says where the paper says nothing or does not train
    torch        what the layers of torch draw: U(+-1/sqrt(fan_in)), also for biases
    gaussian     N(0, 1): explodes in a deep network
    constant     all weights alike: all units of a layer get the same gradient and stay the same unit
    scaled       N(0, 1 / fan_in)
    glorot       U(+-sqrt(6 / (fan_in + fan_out))) (Glorot & Bengio 2010, eq. 16)
    he           N(0, 2 / fan_in) (He et al. 2015, eq. 10)
    sparse       each unit has K incoming weights from N(0, 1), the rest are zero (Martens 2010; Sutskever et al. 2013)
    orthogonal   rows of an orthogonal matrix (Saxe et al. 2014) times sqrt(2), which ReLU needs; where a table leaves
                 links out, each row keeps that length
    zero-gamma   as paper, and the last norm of each residual block at zero: the block begins as its shortcut
    whitening    as paper, and the first convolution from the principal components of image patches

All but paper, torch, zero-gamma and whitening set biases to `bias`, zero unless told otherwise, and let trainable subsampling
begin as the mean of its four inputs. Norm layers keep weight 1 and bias 0. fan_in of a convolution is k k C_in / groups,
fan_out k k C_out / groups.

Legend: C channels, k side of a kernel, P = C k k numbers in a patch, F filters.
"""

from collections.abc import Callable, Iterator
from math import sqrt

import torch
from torch import Tensor, nn

from striate.base.errors import SettingError, nearest
from striate.nets.architectures.residual_blocks import BasicBlock, Bottleneck
from striate.nets.blocks import Subsampling, TableConv2d, UnitBias
from striate.nets.net import Net

SCHEMES = (
    "paper", "torch", "gaussian", "constant", "scaled", "glorot", "he", "sparse", "orthogonal", "zero-gamma", "whitening",
)  # fmt: skip
SPARSE_INPUTS = 15  # Martens 2010
WHITENING_EPSILON = 1e-2  # of the variance of a patch's component, for images of unit variance

Weighted = nn.Conv2d | nn.Linear | TableConv2d


def weighted(net: nn.Module) -> Iterator[Weighted]:
    """The layers that the schemes draw anew, in the order of the network's definition."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | TableConv2d):
            yield layer


def fans(layer: Weighted) -> tuple[Tensor | float, float]:
    """(fan_in, fan_out): how many weights lead to a unit and how many away from one; the first by link for a TableConv2d."""
    if isinstance(layer, nn.Linear):
        return float(layer.in_features), float(layer.out_features)
    if isinstance(layer, TableConv2d):
        return layer.fan_in_L(), len(layer.weight) * layer.kernel_size**2 / layer.in_channels
    area = layer.kernel_size[0] * layer.kernel_size[1]
    return float(area * layer.in_channels // layer.groups), float(area * layer.out_channels // layer.groups)


@torch.no_grad()
def _normal(layer: Weighted, variance: Tensor | float) -> None:
    layer.weight.normal_().mul_(torch.as_tensor(variance).sqrt().to(layer.weight))


@torch.no_grad()
def _uniform(layer: Weighted, bound: Tensor | float) -> None:
    layer.weight.uniform_(-1, 1).mul_(torch.as_tensor(bound).to(layer.weight))


@torch.no_grad()
def _biases(layer: nn.Module, value: float = 0.0) -> None:
    bias = getattr(layer, "bias", None)
    if bias is not None:
        bias.fill_(value)


def _he(layer: Weighted) -> None:
    _normal(layer, 2 / fans(layer)[0])


def _glorot(layer: Weighted) -> None:
    into, out = fans(layer)
    _uniform(layer, (6 / (torch.as_tensor(into) + out)) ** 0.5)


@torch.no_grad()
def _constant(layer: Weighted) -> None:
    layer.weight.copy_(torch.as_tensor(1 / fans(layer)[0]).to(layer.weight).expand_as(layer.weight))


def _drawn(net: nn.Module) -> Iterator[Weighted]:
    """The layers to draw; on the meta device none: it has no values, and a draw there imports torch's compiler, for seconds."""
    return (layer for layer in weighted(net) if not layer.weight.is_meta)


def _each(net: nn.Module, draw: Callable[[Weighted], None], bias: float = 0.0) -> None:
    for layer in _drawn(net):
        draw(layer)
        _biases(layer, bias)


def gaussian(net: nn.Module, std: float = 1.0) -> None:
    """N(0, std^2), biases zero."""
    _each(net, lambda layer: _normal(layer, std**2))


def he(net: nn.Module) -> None:
    """N(0, 2 / fan_in), biases zero."""
    _each(net, _he)


def glorot(net: nn.Module) -> None:
    """U(+-sqrt(6 / (fan_in + fan_out))), biases zero."""
    _each(net, _glorot)


def he_fan_out(net: nn.Module) -> None:
    """N(0, 2 / fan_out) for convolutions (He et al. 2015, eq. 14); fully connected layers are left as they are."""
    for layer in _drawn(net):
        if not isinstance(layer, nn.Linear):
            _normal(layer, 2 / fans(layer)[1])
            _biases(layer)


def lecun_uniform(net: nn.Module) -> None:
    """U(+-2.4 / F) for F inputs (LeCun et al. 1989 and 1998, appendix A); biases zero."""
    _each(net, lambda layer: _uniform(layer, 2.4 / fans(layer)[0]))
    for pool in net.modules():
        if isinstance(pool, Subsampling):
            nn.init.uniform_(pool.weight, -0.6, 0.6)
            nn.init.zeros_(pool.bias)


@torch.no_grad()
def _sparse(layer: Weighted, inputs: int) -> None:
    weight = torch.zeros_like(layer.weight)
    if isinstance(layer, TableConv2d):
        for unit in range(layer.out_channels):
            links = layer.table[:, 0] == unit
            weight[links] = _some(weight[links].flatten().unsqueeze(0), inputs).view_as(weight[links])
    else:
        weight = _some(weight.flatten(1), inputs).view_as(layer.weight)
    layer.weight.copy_(weight)


def _some(rows_FP: Tensor, inputs: int) -> Tensor:
    """Of each row `inputs` numbers at random places from N(0, 1), the rest zero; where it has no more, all of them."""
    count = min(inputs, rows_FP.shape[1])
    places = torch.rand_like(rows_FP).topk(count, dim=1).indices
    return torch.zeros_like(rows_FP).scatter_(1, places, torch.randn(len(rows_FP), count).to(rows_FP))


@torch.no_grad()
def _orthogonal(layer: Weighted) -> None:
    if isinstance(layer, TableConv2d):
        full = torch.empty_like(layer.full_weight())
        nn.init.orthogonal_(full)
        linked = full[layer.table[:, 0], layer.table[:, 1]]
        squares_F = full.new_zeros(layer.out_channels).index_add(0, layer.table[:, 0], linked.square().sum((1, 2)))
        layer.weight.copy_(linked * (2 / squares_F[layer.table[:, 0]]).sqrt().view(-1, 1, 1))
    else:
        nn.init.orthogonal_(layer.weight, gain=sqrt(2))


def initialize(net: nn.Module, scheme: str, *, bias: float = 0.0, sparse_inputs: int = SPARSE_INPUTS) -> None:
    """Draw the weights of a network anew, by torch's global generator, as one of `SCHEMES` says.

    `whitening` draws as `paper` does; the first convolution follows by `whiten`, when the images are there. `bias` is 0 or, for
    ReLU, 0.01; `sparse_inputs` is K of `sparse`. SettingError for no such scheme, or one that this network has no layer for.
    """
    if scheme not in SCHEMES:
        raise SettingError(f"There is no initialization {scheme!r}; {nearest(scheme, SCHEMES)}")
    if scheme in ("paper", "zero-gamma", "whitening"):
        if isinstance(net, Net):
            net.paper_init()
        if scheme == "zero-gamma":
            _zero_gamma(net)
        if scheme == "whitening":
            first_convolution(net)
        return
    if scheme == "torch":
        return
    draws: dict[str, Callable[[Weighted], None]] = {
        "gaussian": lambda layer: _normal(layer, 1.0), "scaled": lambda layer: _normal(layer, 1 / fans(layer)[0]),
        "sparse": lambda layer: _sparse(layer, sparse_inputs), "constant": _constant, "glorot": _glorot, "he": _he,
        "orthogonal": _orthogonal,
    }  # fmt: skip
    _each(net, draws[scheme], bias)
    for module in net.modules():
        if isinstance(module, Subsampling):
            nn.init.constant_(module.weight, 0.25)
        if isinstance(module, Subsampling | UnitBias):
            _biases(module, bias)


def _zero_gamma(net: nn.Module) -> None:
    blocks = [block for block in net.modules() if isinstance(block, BasicBlock | Bottleneck) and block.shortcut is not None]
    if not blocks:
        raise SettingError("init='zero-gamma' needs residual blocks; this network has none. Take a resnet, or init='paper'.")
    for block in blocks:
        nn.init.zeros_(block.last_norm.weight)


def first_convolution(net: nn.Module) -> nn.Conv2d:
    """The convolution that sees the images; SettingError where the first layer with weights is none."""
    first = next(weighted(net), None)
    ordinary = isinstance(first, nn.Conv2d) and first.groups == 1 and first.kernel_size[0] == first.kernel_size[1]
    if not isinstance(first, nn.Conv2d) or not ordinary:
        got = "none with weights" if first is None else str(first)
        raise SettingError(
            f"init='whitening' needs a convolution with square kernels and without groups as the first layer; got {got}. "
            "Take init='paper' instead."
        )
    return first


@torch.no_grad()
def whiten(conv: nn.Conv2d, variances_P: Tensor, components_PP: Tensor, epsilon: float | None = None) -> int:
    """Set the filters of a first convolution to +v and -v of the leading components v of image patches; how many are set.

    Each is scaled by 1 / sqrt(variance + epsilon), so that what it puts out has about unit variance; epsilon keeps directions
    quiet in which patches hardly vary, 0.01 unless said. Filters beyond two for each component keep what they had. Biases
    become zero. Variances fall; each column of the components has its numbers in the order C, k, k.
    """
    pairs = min(conv.out_channels // 2, len(variances_P))
    epsilon = WHITENING_EPSILON if epsilon is None else epsilon
    scaled_PM = components_PP[:, :pairs] / (variances_P[:pairs].clamp(min=0) + epsilon).sqrt()
    filters = scaled_PM.T.reshape(pairs, *conv.weight.shape[1:]).to(conv.weight)
    conv.weight[: 2 * pairs] = torch.cat([filters, -filters])
    _biases(conv)
    return 2 * pairs
