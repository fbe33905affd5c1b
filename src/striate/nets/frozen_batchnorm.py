"""Freezing the batch norms of a network: their parameters and running statistics stay while the rest trains.

Batches of a small data set estimate mean and standard deviation badly, and a few steps spoil what a norm has gathered from
many images; so a network that is retrained on few images often keeps its norms frozen.
"""

from typing import Any

from torch import nn

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class FrozenBatchNorm(nn.Module):
    """Mixed into a norm, it keeps the norm in evaluation mode, where running statistics are used and not updated."""

    def train(self, mode: bool = True) -> "FrozenBatchNorm":  # noqa: ARG002 - frozen in either mode
        """Stay in evaluation mode."""
        super().train(False)
        return self


def freeze_batchnorm(net: nn.Module) -> list[str]:
    """Freeze the batch norms of a network; returns the names of their tensors.

    The tensors stay the same objects under the same names, and `unfreeze_batchnorm` undoes it. A norm without running
    statistics uses those of each batch and cannot be frozen; it is left as it is.
    """
    names = []
    for name, module in net.named_modules():
        if isinstance(module, _NORMS) and module.running_mean is not None and not isinstance(module, FrozenBatchNorm):
            module.__class__ = _frozen_class(type(module))
            module.train(False)
            for parameter in module.parameters():
                parameter.requires_grad_(False)
            names += [f"{name}.{tensor}" for tensor in module.state_dict()]
    return names


def unfreeze_batchnorm(net: nn.Module) -> None:
    """Undo `freeze_batchnorm`; the norms take the mode of the network."""
    for module in net.modules():
        if isinstance(module, FrozenBatchNorm):
            module.__class__ = type(module).__mro__[2]
            module.train(net.training)
            for parameter in module.parameters():
                parameter.requires_grad_(True)


def _frozen_class(norm: type[nn.Module]) -> Any:
    """A frozen subclass of this kind of norm; one for each kind, since some do more than normalize (timm's also activate)."""
    return type(f"Frozen{norm.__name__}", (FrozenBatchNorm, norm), {})
