"""How gradients become steps: SGD with momentum, Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter 2019)."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from striate.base.config import Train

_MOMENTUM = 0.9
_BETAS = (0.9, 0.999)


def make(net: nn.Module, settings: Train) -> Optimizer:
    """The optimiser that the settings describe, over every parameter that wants a gradient.

    Weight decay leaves out biases and the parameters of norms, which are all that have one dimension. Adam and AdamW are
    fused on CPU and CUDA, where that is faster (bench/README.md); SGD is fused on CUDA alone, since on a CPU it gains nothing.
    """
    wanted = [parameter for parameter in net.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in wanted if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in wanted if p.dim() <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    kinds = {parameter.device.type for parameter in wanted}
    if settings.optimiser == "sgd":
        momentum = _MOMENTUM if settings.momentum is None else settings.momentum
        return SGD(groups, lr=settings.peak_lr, momentum=momentum, nesterov=bool(settings.nesterov), fused=kinds == {"cuda"})
    adam = AdamW if settings.optimiser == "adamw" else Adam
    return adam(groups, lr=settings.peak_lr, betas=settings.betas or _BETAS, fused=kinds <= {"cpu", "cuda"})


def set_rate(optimiser: Optimizer, rate: float) -> None:
    """Set the learning rate of every group."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def clip(parameters: Iterable[nn.Parameter], norm: float) -> None:
    """Scale all gradients together so that their norm is at most `norm` (Pascanu et al. 2013, algorithm 1)."""
    torch.nn.utils.clip_grad_norm_(parameters, norm)
