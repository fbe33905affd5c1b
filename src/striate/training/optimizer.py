"""Optimizers: SGD with momentum, Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019), Muon (Jordan et al. 2024)."""

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from types import MappingProxyType
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from striate.base.config import Train
from striate.base.errors import SettingError
from striate.base.train_settings import MUON_LR
from striate.nets.net import Net
from striate.training import muon

_MOMENTUM = 0.9
_BETAS = (0.9, 0.999)
_Method = TypeVar("_Method", bound=Callable[..., Any])
_ALIKE: Mapping[str, float] = MappingProxyType({})


def _plain(method: _Method) -> _Method:
    """The method of an optimizer without the wrapper that speaks to torch's compiler."""
    return cast(_Method, getattr(method, "__wrapped__", method))


class _Light(Optimizer):
    """Without torch's wrappers, which import its compiler, unused here: that would cost each process seconds at the start."""

    add_param_group = _plain(Optimizer.add_param_group)
    load_state_dict = _plain(Optimizer.load_state_dict)
    state_dict = _plain(Optimizer.state_dict)
    zero_grad = _plain(Optimizer.zero_grad)


class _Sgd(_Light, SGD):
    step = torch.no_grad()(_plain(SGD.step))


class _Adam(_Light, Adam):
    step = torch.no_grad()(_plain(Adam.step))


class _AdamW(_Light, AdamW):
    step = torch.no_grad()(_plain(AdamW.step))


class _Muon(_Light, muon.Muon):
    pass


def make(net: nn.Module, settings: Train, factors: Mapping[str, float] = _ALIKE) -> Optimizer:
    """The optimizer that the settings describe, over every parameter that wants a gradient.

    Parameters of one of the `factors` of `layer_lr.factors` are a group of their own, which `set_rate` knows.
    Weight decay leaves out biases and the parameters of norms, which are all that have one dimension. Adam and AdamW are
    fused on CPU and CUDA, where that is faster (bench/README.md); SGD is fused on CUDA alone, since on a CPU it gains nothing.
    Muon takes the weights of all layers but the last; what else there is decays as fast whatever its factor. With AdamW for
    what else there is, it takes the kernels of convolutions but the first, at a rate of their own.

    Raises:
        SettingError: muon-adamw is asked for, and no convolution but the first is to be trained.

    """
    check(net, settings, factors)
    wanted = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
    momentum = muon.MOMENTUM if settings.momentum is None else settings.momentum
    if settings.optimizer == "muon":
        return _Muon(_muon_groups(net, wanted, settings.weight_decay, factors), lr=settings.lr, momentum=momentum)
    if settings.optimizer == "muon-adamw":
        groups = _muon_adamw_groups(net, wanted, settings, factors)
        return _Muon(groups, lr=settings.lr, momentum=momentum, betas=settings.betas or _BETAS)
    groups = _groups(wanted, settings.weight_decay, factors)
    kinds = {parameter.device.type for parameter in wanted.values()}
    if settings.optimizer == "sgd":
        momentum = _MOMENTUM if settings.momentum is None else settings.momentum
        return _Sgd(groups, lr=settings.lr, momentum=momentum, nesterov=bool(settings.nesterov), fused=kinds == {"cuda"})
    adam = _AdamW if settings.optimizer == "adamw" else _Adam
    return adam(groups, lr=settings.lr, betas=settings.betas or _BETAS, fused=kinds <= {"cpu", "cuda"})


def _groups(wanted: Mapping[str, nn.Parameter], weight_decay: float, factors: Mapping[str, float]) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = []
    for decays, factor in product((True, False), sorted({factors.get(name, 1.0) for name in wanted})):
        group = [p for name, p in wanted.items() if (p.dim() > 1) == decays and factors.get(name, 1.0) == factor]
        if group:
            groups.append({"params": group, "weight_decay": weight_decay if decays else 0.0, "factor": factor})
    return groups


def restore(optimizer: Optimizer, moments: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Give an optimizer the moments of a checkpoint, by number of parameter, in the memory order of the parameters.

    Fused Adam pairs parameters, gradients and moments by their places in memory, so moments of another order would be those of
    other weights.
    """
    optimizer.load_state_dict({**optimizer.state_dict(), "state": {number: dict(values) for number, values in moments.items()}})
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _muon_groups(
    net: nn.Module, wanted: Mapping[str, nn.Parameter], weight_decay: float, factors: Mapping[str, float]
) -> list[dict[str, Any]]:
    head = f"{net.head_name}." if isinstance(net, Net) else "."
    groups: list[dict[str, Any]] = []
    for orthogonal, factor in product((True, False), sorted({factors.get(name, 1.0) for name in wanted})):
        group = [
            parameter for name, parameter in wanted.items()
            if (parameter.dim() > 1 and not name.startswith(head)) == orthogonal and factors.get(name, 1.0) == factor
        ]  # fmt: skip
        if group:
            decay = 0.0 if orthogonal else weight_decay / factor
            groups.append({"params": group, "weight_decay": decay, "factor": factor, "orthogonal": orthogonal})
    return groups


def check(net: nn.Module, settings: Train, factors: Mapping[str, float]) -> None:
    """SettingError where Muon is asked for hidden kernels alone, and the network has none to train."""
    if settings.optimizer == "muon-adamw" and not any(factors.get(name, 1.0) for name in _hidden_kernels(net)):
        raise SettingError(
            "train.optimizer='muon-adamw' takes the kernels of convolutions but the first by muon; there are none to train. "
            "Use adamw."
        )


def _hidden_kernels(net: nn.Module) -> list[str]:
    """The weights of the convolutions between the first and the head, by name."""
    names = [f"{name}.weight" for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]
    return [name for name in names[1:] if not (isinstance(net, Net) and name.startswith(f"{net.head_name}."))]


def _muon_adamw_groups(
    net: nn.Module, wanted: Mapping[str, nn.Parameter], settings: Train, factors: Mapping[str, float]
) -> list[dict[str, Any]]:
    hidden = _hidden_kernels(net)
    kernels = {name: parameter for name, parameter in wanted.items() if name in hidden}
    others = {name: parameter for name, parameter in wanted.items() if name not in hidden}
    rate = settings.muon_lr or MUON_LR
    orthogonal = [
        group | {"orthogonal": True, "factor": group["factor"] * rate / settings.lr} for group in _groups(kernels, 0.0, factors)
    ]
    return orthogonal + _groups(others, settings.weight_decay, factors)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of every group: `rate` times its factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def clip(parameters: Iterable[nn.Parameter], norm: float) -> None:
    """Scale all gradients together so that their norm is at most `norm` (Pascanu et al. 2013, algorithm 1)."""
    torch.nn.utils.clip_grad_norm_(parameters, norm)
